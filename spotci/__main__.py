"""``python -m spotci``."""

from __future__ import annotations

import sys

from spotci.cli.main import main

sys.exit(main())

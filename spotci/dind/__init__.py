"""The Docker backend: an engine of its own inside the developer's.

Only ``spotci.executor.backend`` is known here, and no name of the docker library
leaves: its errors become EngineError in ``library``, its objects become plain data.
What every run asks for goes without that library, which takes a tenth of a second to
load: see ``daemon``.
"""

from __future__ import annotations

"""The Docker backend: an engine of its own inside the developer's.

Only ``spotci.executor.backend`` is known here, and no name of the docker library
leaves: its errors become EngineError in ``calls``, its objects become plain data.
Importing a module of this package other than ``settings`` imports that library,
which takes a tenth of a second: import where an engine is needed.
"""

from __future__ import annotations

"""From text to pipeline: synchronous, and without any I/O of its own.

What it needs from outside it asks of the :class:`~spotci.context.Context` that the
caller gives: files of includes, files and changes of the repository. The two halves
meet in ``config.py``: before it, one map with its places (``load.py``); behind it,
the typed configuration, and ``compile.py``, which lists the passes.
"""

from __future__ import annotations

from spotci.parser.compile import check, compile_pipeline
from spotci.parser.model import Compilation, Config, Excluded, RuleTrace

__all__ = [
    "Compilation",
    "Config",
    "Excluded",
    "RuleTrace",
    "check",
    "compile_pipeline",
]

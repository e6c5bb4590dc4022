"""The repository on disk: what git, the settings and the files of variables say."""

from __future__ import annotations

from spotci.project.config_file import read_config_file
from spotci.project.context import ContextOptions, make_context
from spotci.project.load_settings import load_settings
from spotci.project.project import (
    Project,
    at_commit,
    open_project,
    with_config_file,
)
from spotci.project.runner import runner_variables
from spotci.project.settings import Settings
from spotci.project.tree import SourceKind, source_tree

__all__ = [
    "ContextOptions",
    "Project",
    "Settings",
    "SourceKind",
    "at_commit",
    "load_settings",
    "make_context",
    "open_project",
    "read_config_file",
    "runner_variables",
    "source_tree",
    "with_config_file",
]

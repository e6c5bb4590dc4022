from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]

#: What each layer may import of spotci, besides itself.
ALLOWED = {
    "dataclass": (),
    "source": ("dataclass",),
    "errors": ("dataclass", "source"),
    "slugs": (),
    "durations": (),
    "sizes": (),
    "tail": (),
    "variables": ("dataclass", "source"),
    "tree": ("dataclass",),
    "events": ("dataclass", "pipeline"),
    "event_json": ("events", "pipeline"),
    "pipeline": ("dataclass", "source", "variables"),
    "job_inputs": ("pipeline",),
    "kept_jobs": ("dataclass",),
    "context": ("dataclass", "errors", "source", "variables"),
}
VALUES = (
    "__version__",
    "dataclass",
    *("source", "errors", "slugs", "durations", "sizes", "tail", "variables", "tree"),
    *("events", "pipeline", "job_inputs", "context", "kept_jobs"),
)
LAYERS = {
    "parser": VALUES,
    "executor": (*VALUES, "scratch"),
    "report": (*VALUES, "event_json", "runs"),
    "project": (*VALUES, "processes"),
    "dind": (*VALUES, "processes", "scratch", "executor.backend"),
}

#: Libraries that only some places may know.
LIBRARIES = {
    "docker": ("spotci/dind", "spotci/cli"),
    "networkx": ("spotci/pipeline.py", "spotci/report", "spotci/cli"),
    "ruamel": ("spotci/parser/yaml.py", "spotci/project", "spotci/cli/show.py"),
    "httpx": ("spotci/project", "spotci/dind", "spotci/cli"),
    "rich": ("spotci/report", "spotci/cli"),
    "click": ("spotci/cli",),
    "jinja2": ("spotci/report",),
    "re2": ("spotci/parser/regex.py", "spotci/executor"),
}


def sources(folder: str = "spotci") -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    """Yield the full names of all modules that a file imports, wherever it does."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: write imports from the root"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_in(name: str, modules: tuple[str, ...]) -> bool:
    return any(name == module or name.startswith(f"{module}.") for module in modules)


def place(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("module", sorted(ALLOWED))
def test_values_know_only_values_below_them(module: str) -> None:
    allowed = tuple(f"spotci.{name}" for name in ALLOWED[module])

    wrong = {
        name
        for name in imports(ROOT / "spotci" / f"{module}.py")
        if name.startswith("spotci.") and not is_in(name, allowed)
    }

    assert not wrong


@pytest.mark.parametrize("layer", sorted(LAYERS))
def test_layers_know_values_and_never_one_another(layer: str) -> None:
    allowed = tuple(f"spotci.{name}" for name in (layer, *LAYERS[layer]))

    wrong = {
        f"{place(path)} imports {name}"
        for path in sources(f"spotci/{layer}")
        for name in imports(path)
        if name.startswith("spotci.") and not is_in(name, allowed)
    }

    assert not wrong


@pytest.mark.parametrize("library", sorted(LIBRARIES))
def test_a_library_is_known_where_it_is_used(library: str) -> None:
    wrong = {
        f"{place(path)} imports {name}"
        for path in sources()
        for name in imports(path)
        if is_in(name, (library,)) and not place(path).startswith(LIBRARIES[library])
    }

    assert not wrong


def test_the_parser_is_synchronous_and_does_no_io() -> None:
    outside = ("anyio", "asyncio", "os", "pathlib", "subprocess", "socket", "httpx")

    wrong = {
        f"{place(path)} imports {name}"
        for path in sources("spotci/parser")
        for name in imports(path)
        if is_in(name, outside)
    }
    waiting = {
        place(path)
        for path in sources("spotci/parser")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.AsyncFunctionDef | ast.Await)
    }

    assert not wrong
    assert not waiting


def test_tasks_are_anyio_s() -> None:
    wrong = {
        f"{place(path)} imports {name}"
        for path in sources()
        for name in imports(path)
        if is_in(name, ("asyncio",)) and not place(path).startswith("spotci/dind")
    }

    assert not wrong


def test_no_text_is_run_as_python() -> None:
    """But the methods that ``spotci.dataclass`` writes of the names of fields."""
    wrong = {
        f"{place(path)}:{node.lineno} calls {node.func.id}"
        for path in sources()
        if place(path) != "spotci/dataclass.py"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("eval", "exec", "compile")
    }

    assert not wrong


def test_pickles_are_not_read() -> None:
    wrong = {
        f"{place(path)} imports {name}"
        for path in sources()
        for name in imports(path)
        if is_in(name, ("pickle", "marshal", "shelve"))
    }

    assert not wrong


def test_dataclasses_make_their_methods_when_needed() -> None:
    wrong = {
        place(path)
        for path in sources()
        if place(path) != "spotci/dataclass.py"
        and "dataclasses.dataclass" in imports(path)
    }

    assert not wrong, "import it from spotci.dataclass: it costs 1.5 ms less a class"

"""All errors of a large configuration come out, each with its place and its includes.

Five thousand lines in files that include each other twenty deep have, in every file, a
fault of every kind that a pass finds. Passes follow each other, as in GitLab: what one
finds hides what the next would.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import pytest

from spotci.parser.compile import check
from spotci.source import SourceFile
from tests.contexts import FakeReader, context

if TYPE_CHECKING:
    from collections.abc import Sequence

DEPTH = 20
LINES = 5000
#: Seconds that no machine needs, however loaded.
BUDGET = 30.0


class Fault(NamedTuple):
    """Lines with a fault, whose place is where ``>`` stands, which is taken out.

    ``#`` is the number of the file, in the lines and in the message.
    """

    text: str
    message: str


OF_KEYWORDS = (
    Fault(
        "a#:\n  script: x\n  >scrip: y", "jobs:a# config contains unknown keys: scrip"
    ),
    Fault(
        "b#:\n  script: x\n  image: >[alpine]",
        "jobs:b#:image config should be a hash or a string",
    ),
    Fault(
        "c#:\n  script: [a, >{b: c}]",
        "jobs:c#:script config should be a string or a nested array of strings up to"
        " 10 levels deep",
    ),
    Fault(
        "d#:\n  script: x\n  rules:\n    - if: $A >= 'b'",
        "jobs:d#:rules:rule if invalid expression syntax",
    ),
    Fault(
        "e#:\n  script: x\n  retry:\n    max: >5",
        "jobs:e#:retry max must be less than or equal to 2",
    ),
    Fault(
        "f#:\n  script: x\n  artifacts: {paths: [p], expire_in: >soon}",
        "jobs:f#:artifacts expire in should be a duration",
    ),
    Fault(
        "g#:\n  script: x\n  parallel: {matrix: [{A: >[1.5]}]}",
        "jobs:g#:parallel:matrix:variables config should be a hash of key value pairs,"
        " value can be an array",
    ),
    Fault(
        "h#:\n  script: x\n  variables: {A: >yes}",
        "jobs:h#:variables:A variable definition must be either a string or a hash",
    ),
    Fault(
        "i#:\n  trigger: g/p\n  >tags: [x]",
        "jobs:i# config contains unknown keys: tags",
    ),
    Fault(
        ">j#: {scrpt: x}",
        "jobs j# config should implement the script:, run:, or trigger: keyword",
    ),
)
BETWEEN_JOBS = (
    Fault(
        "a#:\n  script: x\n  stage: >nope#",
        "a# job: chosen stage `nope#` does not exist; available stages are .pre, build,"
        " test, deploy, .post",
    ),
    Fault("b#:\n  script: x\n  needs: [>gone#]", "b# job: undefined need: gone#"),
    Fault(
        "c#:\n  script: x\n  >dependencies: [gone#]",
        "c# job: undefined dependency: gone#",
    ),
    Fault(
        "d#:\n  script: x\n  stage: build\n  needs: [{job: >late}]",
        "d# job: need late is not defined in current or prior stages",
    ),
    Fault(
        "e#:\n  script: x\n  >environment: {name: e, on_stop: gone#}",
        "e# job: on_stop job gone# is not defined",
    ),
    Fault(
        "f#:\n  script: x\n  needs: [>early, {job: early, optional: true}]",
        "f# has the following needs duplicated: early.",
    ),
)
#: They stand in the list of ``include``, below the file that goes on.
OF_INCLUDES = (
    Fault("  - >gone#.yml", "Local file `gone#.yml` does not exist!"),
    Fault("  - >text#.txt", "Included file `text#.txt` does not have YAML extension!"),
    Fault(
        "  - {local: a.yml, >remote: 'https://x/b.yml'}",
        "Each include must use only one of: `local`, `project`, `remote`, `template`,"
        " `component`",
    ),
    Fault("  - >7#", "Included file `7#` needs to be a string"),
    Fault(
        "  - {project: g/p, file: >/gone#.yml}",
        "Project `g/p` file `gone#.yml` does not exist!",
    ),
    Fault("  - {local: a.yml, inputs: >1}", "include:inputs config should be a hash"),
)


@dataclass
class Large:
    """Texts of files by name, and the errors that must be told of them."""

    files: dict[str, str] = field(default_factory=dict)
    #: Place, message, and the chain of includes, the nearest first.
    expected: set[tuple[str, str, tuple[str, ...]]] = field(default_factory=set)

    def write(self, faults: Sequence[Fault], of_includes: Sequence[Fault]) -> None:
        """Put a fault of each kind into every file, among jobs without any."""
        chain: tuple[str, ...] = ()
        for number in range(DEPTH + 1):
            name, lines = name_of(number), [f"# file {number}"]
            if number == 0:
                lines += ["early: {script: x, stage: .pre}"]
                lines += ["late: {script: x, stage: deploy}"]
            self._add(faults, number, lines, chain)
            for filler in range((LINES // DEPTH - len(lines)) // 3):
                lines += [f"fine-{number}-{filler}:", "  script:", "    - x"]
            lines.append("include:")
            if number < DEPTH:
                lines.append(f"  - {name_of(number + 1)}")
            onward = f"{name}:{len(lines)}:5"
            self._add(of_includes, number, lines, chain)
            self.files[name] = "\n".join(lines) + "\n"
            chain = (onward, *chain)

    def _add(
        self,
        faults: Sequence[Fault],
        number: int,
        lines: list[str],
        chain: tuple[str, ...],
    ) -> None:
        for fault in faults:
            message = fault.message.replace("#", str(number))
            for text in fault.text.replace("#", str(number)).split("\n"):
                lines.append(text.replace(">", "", 1))
                if column := text.find(">") + 1:
                    place = f"{name_of(number)}:{len(lines)}:{column}"
                    self.expected.add((place, message, chain))


def name_of(number: int) -> str:
    return ".gitlab-ci.yml" if number == 0 else f"ci/{number}.yml"


@pytest.mark.parametrize(
    ("faults", "of_includes"),
    [
        pytest.param((), OF_INCLUDES, id="includes"),
        pytest.param(OF_KEYWORDS, (), id="keywords"),
        pytest.param(BETWEEN_JOBS, (), id="between jobs"),
    ],
)
def test_every_fault_in_every_file_is_told(
    faults: Sequence[Fault], of_includes: Sequence[Fault]
) -> None:
    large = Large()
    large.write(faults, of_includes)
    assert sum(text.count("\n") for text in large.files.values()) >= LINES
    root, started = name_of(0), time.monotonic()

    errors, _ = check(
        SourceFile(name=root, text=large.files[root]),
        context(reader=FakeReader(texts=large.files)),
    )

    told = {
        (str(error.span), error.message, tuple(map(str, error.included_from)))
        for error in errors
    }
    assert large.expected <= told
    # What is told besides belongs to a fault, too: a second complaint in its line.
    lines = {place.rpartition(":")[0] for place, _, _ in large.expected}
    assert {place.rpartition(":")[0] for place, _, _ in told} == lines
    assert time.monotonic() - started < BUDGET

"""Measures spotci beside gitlab-ci-local and bare containers: ``make bench``.

Both tools run in the same engine, in turn; what counts is the ratio of medians. The
table is printed and kept in ``bench/RESULTS.md``. ``--rows WORD`` runs some rows only.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from bench.measure import Command, alternate, median
from bench.peer import install
from bench.projects import IMAGE, many_files, many_jobs, trivial_jobs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.measure import Sample
    from bench.peer import Peer

RESULTS = Path(__file__).parent / "RESULTS.md"
ENGINE = "spot-ci-bench"
FILES = 20_000
LOG_MEGABYTES = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table; ``bound`` is on ``value``."""

    what: str
    ours: str
    other: str
    value: float
    bound: float
    unit: str = "times"
    #: Whether the value must be at least the bound.
    at_least: bool = False

    @property
    def holds(self) -> bool:
        """Whether the budget is met."""
        return self.value >= self.bound if self.at_least else self.value <= self.bound

    def cells(self) -> list[str]:
        """Return the cells of the table."""
        sign = "≥" if self.at_least else "≤"
        return [
            self.what,
            self.ours,
            self.other,
            f"{self.value:.2f} {self.unit}",
            f"{sign} {self.bound:g} {self.unit}",
            "yes" if self.holds else "**no**",
        ]


@dataclass(slots=True)
class Bench:
    """The measurements, each a method that adds its rows."""

    folder: Path
    peer: Peer
    runs: int
    environ: dict[str, str]
    rows: list[Row] = field(default_factory=list)

    def ours(self, name: str, folder: Path, *arguments: str) -> Command:
        """Return a command of spotci."""
        spotci = Path(sys.executable).parent / "spotci"
        return Command(
            name=name,
            arguments=[str(spotci), *arguments],
            cwd=folder,
            environ=self.environ,
        )

    def theirs(self, name: str, folder: Path, *arguments: str) -> Command:
        """Return a command of the peer, in the same engine."""
        return Command(
            name=name,
            arguments=self.peer.arguments(*arguments),
            cwd=folder,
            environ=self.environ | {"DOCKER_HOST": docker_host()},
            before=lambda: shutil.rmtree(
                folder / ".gitlab-ci-local", ignore_errors=True
            ),
        )

    def their_run(self, folder: Path) -> Command:
        """Return a run of the peer; its helper image cannot be had everywhere."""
        options = ("--helper-image", IMAGE, "--pull-policy", "if-not-present")
        return self.theirs("gitlab-ci-local", folder, *options)

    def bare(self, name: str, count: int) -> Command:
        """Return so many containers, four at once, with the docker command."""
        script = f"seq {count} | xargs -P 4 -I N docker run --rm {IMAGE} true"
        return Command(
            name=name,
            arguments=["sh", "-c", script],
            cwd=self.folder,
            environ=self.environ | {"DOCKER_HOST": docker_host()},
        )

    def add(
        self,
        what: str,
        samples: dict[str, list[Sample]],
        ours: str,
        other: str,
        bound: float,
    ) -> None:
        """Add a row with the ratio of two medians."""
        pair = median(samples[ours]), median(samples[other])
        self.rows.append(_ratio(what, pair, other, bound))

    def version(self) -> None:
        """Time of ``--version``."""
        folder = trivial_jobs(self.folder / "version" / "project", 1)
        samples = alternate(
            [
                self.ours("spotci", folder, "--version"),
                self.theirs("gitlab-ci-local", folder, "--version"),
            ],
            self.runs,
        )
        self.add("`--version`", samples, "spotci", "gitlab-ci-local", 0.5)

    def listing(self) -> None:
        """Time, memory and growth of ``list``."""
        times = {}
        for jobs, includes, bound in ((10, 1, 0.5), (1000, 20, 0.2)):
            folder = self.folder / f"list-{jobs}" / "project"
            many_jobs(folder, jobs, includes)
            samples = alternate(
                [
                    self.ours("spotci", folder, "list", "--format", "json"),
                    self.theirs("gitlab-ci-local", folder, "--list-json"),
                ],
                self.runs,
            )
            times[jobs] = median(samples["spotci"])
            what = f"list, {jobs} jobs in {includes} file{'s'[: includes > 1]}"
            self.add(what, samples, "spotci", "gitlab-ci-local", bound)
            self.rows.append(_memory(f"{what}, memory", samples))
        folder = many_jobs(self.folder / "list-10000" / "project", 10_000, 20)
        samples = alternate(
            [self.ours("spotci", folder, "list", "--format", "json")], 2
        )
        grown = median(samples["spotci"])
        self.rows.append(
            Row(
                what="list, 10,000 jobs beside 1,000",
                ours=f"{grown:.2f} s",
                other=f"1,000 jobs {times[1000]:.2f} s",
                value=grown / times[1000],
                bound=11,
            )
        )

    def one_job(self) -> None:
        """Measure a whole command with one trivial job, warm engine."""
        folder = trivial_jobs(self.folder / "one" / "project", 1)
        samples = alternate(
            [
                self.ours("spotci", folder, "run", "--output", "plain"),
                self.their_run(folder),
                self.bare("docker run", 1),
            ],
            self.runs,
        )
        self.add("one trivial job", samples, "spotci", "gitlab-ci-local", 0.6)

    def twenty_jobs(self) -> None:
        """Twenty trivial jobs beside twenty bare containers."""
        folder = trivial_jobs(self.folder / "twenty" / "project", 20)
        samples = alternate(
            [
                self.ours("spotci", folder, "run", "--output", "plain"),
                self.bare("docker run", 20),
                self.their_run(folder),
            ],
            self.runs,
        )
        self.add("20 trivial jobs", samples, "spotci", "docker run", 1.3)
        self.add("20 trivial jobs", samples, "spotci", "gitlab-ci-local", 0.6)

    def files(self) -> None:
        """Measure a repository of many files: first run, second run, further jobs."""
        one = many_files(self.folder / "files-1" / "project", FILES, 1)
        five = many_files(self.folder / "files-5" / "project", FILES, 5)
        empty = many_files(self.folder / "files-0" / "project", 1, 5)
        ours, theirs = (
            self.ours("spotci", one, "run", "--output", "plain"),
            self.their_run(one),
        )
        # Neither tool has seen this project before; both have been used.
        new = many_files(self.folder / "files-new" / "project", FILES, 1)
        first = (
            self.ours("spotci", new, "run", "--output", "plain").run().seconds,
            self.their_run(new).run().seconds,
        )
        what = f"{FILES:,} files, first run"
        self.rows.append(_ratio(what, first, "gitlab-ci-local", 0.3))
        samples = alternate([ours, theirs], max(2, self.runs // 2))
        self.add(
            f"{FILES:,} files, second run", samples, "spotci", "gitlab-ci-local", 0.1
        )
        pair = alternate(
            [
                self.ours("many files", five, "run", "--output", "plain"),
                self.ours("one file", empty, "run", "--output", "plain"),
            ],
            self.runs,
        )
        further = (median(pair["many files"]) - median(samples["spotci"])) / 4
        without = median(pair["one file"])
        self.rows.append(
            Row(
                what=f"a further job, {FILES:,} files beside one file",
                ours=f"{further:.2f} s",
                other=f"all five on one file {without:.2f} s",
                value=further / (without / 5),
                bound=1.3,
            )
        )

    def log(self) -> None:
        """Throughput and memory with a long log."""
        folder = self.folder / "log" / "project"
        folder.mkdir(parents=True)
        line = "x" * 99
        (folder / ".gitlab-ci.yml").write_text(
            f"job:\n  image: {IMAGE}\n  script:\n"
            f"    - yes {line} | head -c {LOG_MEGABYTES}000000 || true\n"
        )
        subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
        command = self.ours("spotci", folder, "run", "--output", "quiet")
        samples = alternate([command], 2)["spotci"]
        seconds = median(samples)
        self.rows.append(
            Row(
                what=f"log of {LOG_MEGABYTES} MB",
                ours=f"{seconds:.2f} s",
                other="-",
                value=LOG_MEGABYTES / seconds,
                bound=50,
                unit="MB/s",
                at_least=True,
            )
        )
        memory = max(sample.memory for sample in samples)
        self.rows.append(
            Row(
                what="memory meanwhile",
                ours=f"{memory:.0f} MiB",
                other="-",
                value=memory,
                bound=150,
                unit="MiB",
            )
        )

    def start(self) -> None:
        """From a stopped and from a warm engine to the end of one job."""
        folder = trivial_jobs(self.folder / "start" / "project", 1)
        command = self.ours("spotci", folder, "run", "--output", "plain")
        down = self.ours("down", folder, "down")
        colds, warms = [], []
        for _ in range(3):
            down.run()
            colds.append(command.run().seconds)
            warms.append(command.run().seconds)
        for what, seconds, bound in (
            ("cold engine, one job", sorted(colds)[1], 4.0),
            ("warm engine, one job", sorted(warms)[1], 0.6),
        ):
            self.rows.append(
                Row(
                    what=what,
                    ours=f"{seconds:.2f} s",
                    other="-",
                    value=seconds,
                    bound=bound,
                    unit="s",
                )
            )


def _ratio(what: str, pair: tuple[float, float], other: str, bound: float) -> Row:
    ours, theirs = pair
    return Row(
        what=what,
        ours=f"{ours:.2f} s",
        other=f"{other} {theirs:.2f} s",
        value=ours / theirs,
        bound=bound,
    )


def _memory(what: str, samples: dict[str, list[Sample]]) -> Row:
    ours, theirs = (
        max(sample.memory for sample in samples[name])
        for name in ("spotci", "gitlab-ci-local")
    )
    return Row(
        what=what,
        ours=f"{ours:.0f} MiB",
        other=f"gitlab-ci-local {theirs:.0f} MiB",
        value=ours / theirs,
        bound=1,
    )


def docker_host() -> str:
    """Return the address of the engine inside ``spot-ci-bench``."""
    from spotci.dind.boot import socket_dir  # noqa: PLC0415 - docker is slow to load
    from spotci.dind.settings import EngineSettings  # noqa: PLC0415 - the same

    return f"unix://{socket_dir(EngineSettings(name=ENGINE)) / 'docker.sock'}"


def environment() -> dict[str, str]:
    """Return the environment of both tools: an engine of the bench's own."""
    environ = {key: value for key, value in os.environ.items() if "SPOTCI" not in key}
    # Byte code is kept, as it is where a tool was installed.
    environ.pop("PYTHONDONTWRITEBYTECODE", None)
    path = f"{engine_tools()}:{environ['PATH']}"
    return environ | {
        "PATH": path,
        "SPOTCI_ENGINE_NAME": ENGINE,
        "SPOTCI_ENGINE_NETWORK": f"{ENGINE}-network",
        "SPOTCI_REGISTRY_NAME": f"{ENGINE}-registry",
        "SPOTCI_REGISTRY_PORT": "5055",
    }


def engine_tools() -> Path:
    """Return where ``make engine`` put the docker command, for machines without."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "spotci-dev" / "engine" / "usr" / "bin"


def table(rows: Sequence[Row]) -> str:
    """Return the rows as Markdown."""
    head = ["what", "spotci", "beside", "value", "budget", "met"]
    lines = [head, ["---"] * len(head), *(row.cells() for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"


def main() -> int:
    """Measure, print, and keep the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", help="only the rows of methods with this word")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--keep", action="store_true", help="do not write RESULTS.md")
    options = parser.parse_args()
    peer = install()
    with tempfile.TemporaryDirectory(prefix="spotci-bench-") as folder:
        bench = Bench(
            folder=Path(folder), peer=peer, runs=options.runs, environ=environment()
        )
        methods: list[Callable[[], None]] = [
            bench.version,
            bench.listing,
            bench.one_job,
            bench.twenty_jobs,
            bench.files,
            bench.log,
            bench.start,
        ]
        started = time.monotonic()
        for method in methods:
            if options.rows and options.rows not in method.__name__:
                continue
            before = len(bench.rows)
            method()
            print(table(bench.rows[before:]), flush=True)
        bench.ours("clean", bench.folder, "clean").run()
    seconds = time.monotonic() - started
    text = table(bench.rows)
    if not options.keep and not options.rows:
        machine = (
            f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors"
        )
        RESULTS.write_text(
            "# Benchmarks\n\n"
            f"Written by `make bench` on {datetime.now(UTC):%Y-%m-%d}: {machine},"
            f" Python {platform.python_version()}, gitlab-ci-local {peer.version};"
            f" medians of {options.runs} runs, the tools in turn, {seconds:.0f} s in"
            " all.\n\n" + text
        )
    return 0 if all(row.holds for row in bench.rows) else 1


if __name__ == "__main__":
    sys.exit(main())

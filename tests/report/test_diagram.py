from __future__ import annotations

import re
from textwrap import dedent
from xml.etree import ElementTree as ET

import pytest

from spotci.events import PlannedJob
from spotci.pipeline import JobName
from spotci.report.diagram import diagram_of
from spotci.report.drawings import draw_dot, draw_mermaid, draw_text
from spotci.report.svg import draw_svg

STAGES = (".pre", "build", "test", "deploy", ".post")


def job(name: str, stage: str, needs: str = "", when: str = "on_success") -> PlannedJob:
    waits = tuple(JobName(need) for need in needs.split(",") if need)
    return PlannedJob(name=JobName(name), stage=stage, when=when, needs=waits)


JOBS = (
    job("a", "build"),
    job('b "x" <#>', "build"),
    job("unit", "test", 'a,b "x" <#>'),
    job("lint", "test"),
    job("smoke", "test", "a,unit"),
    job("ship", "deploy", 'a,b "x" <#>,unit,lint,smoke', when="manual"),
)


def test_arrows_that_others_imply_are_left_out() -> None:
    diagram = diagram_of(STAGES, JOBS)

    assert [column.stage for column in diagram.columns] == ["build", "test", "deploy"]
    assert diagram.needs == (("a", "smoke"), ("unit", "smoke"))
    assert diagram.joins == ((0, "unit"),)
    assert diagram.steps == ((1, 2),)


def test_a_longer_way_replaces_the_short_one() -> None:
    jobs = (job("a", "build"), job("b", "test", "a"), job("c", "deploy", "a,b"),
            job("d", "deploy", "b,a,c"))  # fmt: skip

    diagram = diagram_of(STAGES, (*jobs, job("e", "build")))

    assert diagram.needs == (("a", "b"), ("b", "c"), ("c", "d"))


def test_no_jobs() -> None:
    diagram = diagram_of(STAGES, ())

    assert (diagram.columns, draw_text(diagram)) == ((), "")
    assert ET.fromstring(draw_svg(diagram)) is not None  # noqa: S314 - our own


def test_text() -> None:
    assert draw_text(diagram_of(STAGES, JOBS)) == dedent("""\
        build
        ├─ a
        └─ b "x" <#>
        test
        ├─ unit ← stage build
        ├─ lint ← nothing
        └─ smoke ← a, unit
        deploy
        └─ ship [manual]""")


def test_mermaid() -> None:
    assert draw_mermaid(diagram_of(STAGES, JOBS)) == dedent("""\
        flowchart LR
          subgraph s0["build"]
            j0["a"]
            j1["b #quot;x#quot; #lt;#35;#gt;"]
          end
          subgraph s1["test"]
            j2["unit"]
            j3["lint"]
            j4["smoke"]
          end
          subgraph s2["deploy"]
            j5["ship"]
          end
          j0 --> j4
          j2 --> j4
          s0 --> j2
          s1 --> s2
          classDef manual stroke-dasharray: 5 5
          class j5 manual""")


def test_dot() -> None:
    assert draw_dot(diagram_of(STAGES, JOBS)) == dedent("""\
        digraph pipeline {
          rankdir=LR
          compound=true
          node [shape=box, style="rounded"]
          subgraph cluster_0 {
            label="build"
            j0 [label="a"]
            j1 [label="b \\"x\\" <#>"]
          }
          subgraph cluster_1 {
            label="test"
            j2 [label="unit"]
            j3 [label="lint"]
            j4 [label="smoke"]
          }
          subgraph cluster_2 {
            label="deploy"
            j5 [label="ship", style="rounded,dashed"]
          }
          j0 -> j4
          j2 -> j4
          j0 -> j2 [ltail=cluster_0]
          j2 -> j5 [ltail=cluster_1, lhead=cluster_2]
        }""")


@pytest.mark.parametrize("name", ['"><script>alert(1)</script>', "a&b", "漢" * 60])
def test_svg_is_xml_whatever_the_names(name: str) -> None:
    diagram = diagram_of([name], [job(name, name)])

    root = ET.fromstring(draw_svg(diagram, {JobName(name): "failed"}))  # noqa: S314

    names = [node.get("data-job") for node in root.iter() if node.get("data-job")]
    assert names == [name]


def test_a_long_arrow_runs_between_the_rows_of_jobs() -> None:
    stages = ["one", "two", "three"]
    jobs = [job("a", "one"), job("b", "two", "a"), job("c", "three", "a")]

    root = ET.fromstring(draw_svg(diagram_of(stages, jobs)))  # noqa: S314 - our own

    [path] = [node for node in root.iter() if node.get("data-to") == "c"]
    [height] = {float(y) for y in re.findall(r"L[\d.]+,([\d.]+)", path.get("d", ""))}
    rows = [
        float(node.get("y", ""))
        for node in root.iter()
        if node.tag.endswith("rect") and node.get("class") == "created"
    ]
    assert len(rows) == 3
    assert not any(top <= height <= top + 30 for top in rows)

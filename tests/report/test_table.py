from __future__ import annotations

import pytest

from spotci.report.table import render_table
from spotci.report.terminal import Paint, cell_width

HEADERS = ("status", "job", "stage", "time")
ROWS = [
    ("✓ passed", "build-services: [api-gateway]", "build", "1.0 s"),
    ("✗ failed", "unit", "a long stage", "12 s"),
]


def table(width: int | None) -> list[str]:
    return render_table(
        HEADERS,
        ROWS,
        paint=Paint(enabled=False),
        right=frozenset({3}),
        width=width,
        flexible=1,
        optional=(2,),
        least=28,
    ).split("\n")


def test_columns_are_as_wide_as_their_longest_cell() -> None:
    assert table(None) == [
        "status    job                            stage          time",
        "✓ passed  build-services: [api-gateway]  build         1.0 s",
        "✗ failed  unit                           a long stage   12 s",
    ]


def test_an_optional_column_goes_before_names_are_cut_short() -> None:
    assert table(50) == [
        "status    job                             time",
        "✓ passed  build-services: [api-gateway]  1.0 s",
        "✗ failed  unit                            12 s",
    ]


@pytest.mark.parametrize("width", [45, 46, 59, 60, 80])
def test_a_table_fits(width: int) -> None:
    assert max(map(cell_width, table(width))) <= width


def test_a_column_without_cells_is_left_out() -> None:
    shown = render_table(("a", "b"), [("1", ""), ("2", "")], paint=Paint(enabled=False))

    assert shown == "a\n1\n2"


def test_the_column_that_gives_way_can_go_in_the_end() -> None:
    shown = render_table(
        ("name", "needs"),
        [("a long name", "build")],
        paint=Paint(enabled=False),
        width=12,
        flexible=1,
        optional=(1,),
        least=4,
    )

    assert shown == "name\na long name"

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.conformance.functions import check_expression, check_function
from tests.conformance.pipelines import check_pipeline, check_processing, check_schema

if TYPE_CHECKING:
    from tests.conformance.corpus import Case


def test_conforms_to_gitlab(case: Case) -> None:
    if case.category == "expression":
        problems = check_expression(case)
    elif case.input:
        problems = check_function(case)
    elif case.category == "processing":
        problems = check_processing(case)
    elif case.category == "schema":
        problems = check_schema(case)
    else:
        problems = check_pipeline(case)

    assert not problems, f"{case.source}\n{case.yaml or case.input}"

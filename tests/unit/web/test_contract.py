"""The service does what its own description says, for requests that fit it and for those that do not."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
import schemathesis
from hypothesis import Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error

if TYPE_CHECKING:
    from schemathesis import Case
    from tests.unit.web.serving import Served

EXAMPLES = int(os.environ.get("CATENARY_TEST_HTTP_EXAMPLES", "15"))


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=str)
def test_what_the_description_says_is_what_happens(server: Served, mode: GenerationMode) -> None:
    schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    operations = [found.ok() for found in schema.get_all_operations()]
    assert {each.method for each in operations} == {"get", "post"}
    for operation in operations:
        if operation.method == "get" and mode is GenerationMode.NEGATIVE:
            continue  # there is nothing in them that could be wrong

        @settings(max_examples=EXAMPLES, phases=[Phase.generate])
        @given(case=operation.as_strategy(generation_mode=mode))
        def holds(case: Case) -> None:
            if mode is GenerationMode.POSITIVE:  # tokens are drawn that no stage will ever reflect
                case.query = {**(case.query or {}), "timeout": 0.01}
            answer = case.call_and_validate(
                base_url=server.url, excluded_checks=[not_a_server_error]
            )
            assert answer.status_code < 500 or answer.status_code == 504

        holds()
    assert server.get("/healthz").json() == {"status": "ok"}

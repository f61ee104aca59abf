"""A server answers a changed definition as it was until what it is now has caught up, then as it is."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.unit.app.test_versions import change
from tests.unit.web.serving import HORIZON, LATER, RISK, sample, served

from catenary.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path


def test_a_changed_definition_is_swapped_in_when_it_has_caught_up(tmp_path: Path) -> None:
    project = sample(tmp_path)
    keys = [{"customer": "ann", "shop": "north", "amount": 1.0}]
    with served(project) as server:
        before = server.post(RISK, keys, params={"at": LATER}).json()
    change(project, "LAST_K(3)", "LAST_K(4)")
    with served(project, "--workers", "2") as server:

        def described() -> str:
            return server.get("/openapi.json").text

        for _ in range(6):
            assert server.post(RISK, keys, params={"at": LATER}).json() == before
            assert "amount_last4" not in described()
        assert server.get("/readyz").status_code == 200
        root = ("--root", str(project))
        upload = ("upload", "--ds", "2024-01-20", "--frontier", "shop/orders/0:0")
        assert main([*upload, *root]) == 0
        assert server.post(RISK, keys, params={"at": LATER}).json() == before
        assert main(["stream", "--all", "--until-caught-up", *HORIZON, *root]) == 0
        until = time.monotonic() + 60
        # Any of the workers may answer, and each follows the record by itself.
        while any("amount_last3" in described() for _ in range(30)):
            assert time.monotonic() < until
        found = server.get("/v1/groupby/customer_spend/schema").json()["valueSchema"]
        assert found[-1]["name"] == "amount_last4"
        (after,) = server.post(RISK, keys, params={"at": LATER}).json()["results"]
    (result,) = before["results"]
    assert after["rowStatus"] == result["rowStatus"] == "ok"
    assert after["features"].pop("customer_spend_amount_last4") == [10.5]
    assert result["features"].pop("customer_spend_amount_last3") == [10.5]
    assert after["features"] == result["features"]

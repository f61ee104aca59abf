"""The flights story on real servers: December's topics in a Kafka broker, its state in a Redis server."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import pytest

from catenary.demo import data
from catenary.demo.report import Teller
from catenary.demo.run import run_demo
from catenary.demo.servers import servers
from catenary.errors import DataError
from catenary.logs.kafka import KafkaLog
from catenary.stores.redis import RedisStore

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.kafka, pytest.mark.redis]


def test_december_on_servers_gives_the_backfills_values_and_what_lies_there_then_is_left_alone(
    tmp_path: Path, kafka_jars: Path
) -> None:
    folder, stream = tmp_path / "demo", io.StringIO()
    with servers(tmp_path / "servers", kafka_jars) as (log, store):

        def tell() -> int:
            return run_demo(folder, log=log, store=store, json=True, teller=Teller(stream))

        assert tell() == 0
        lines = stream.getvalue().splitlines()
        facts = json.loads(lines[-1])
        live = facts["live"]
        assert live["failures"] == []
        assert facts["values_differing"] == 0
        assert live["values_differing"] == live["latest_differing"] == 0
        assert live["values_compared"] == 27_254 * facts["columns_compared"]
        assert set(live["statuses"]) <= {"ok", "missing"}
        assert len(set(live["processes"].values())) == 4
        assert f"  log    {log}" in lines
        assert f"  store  {store}" in lines

        # It did go through them, and through nothing else.
        assert not (folder / "log").exists()
        assert not (folder / "store").exists()
        with KafkaLog(log.removeprefix("kafka://")) as broker:
            topics = (data.ARRIVALS, data.DEPARTURES, data.WEATHER)
            assert broker.topics() == topics
            places = [place for topic in topics for place in broker.partitions(topic)]
            assert len(places) == 4
            assert sum(broker.ends(places).values()) == live["events"] == 56_741
        held = RedisStore(store)
        stages = {name.partition("@")[0] for name in held.datasets()}
        before = held.version()
        held.close()
        assert stages >= set(live["processes"])

        with pytest.raises(DataError, match=r"topics are there already: flights\.arrivals"):
            tell()
        elsewhere = str(tmp_path / "log")
        with pytest.raises(DataError, match="datasets are there already: aircraft_delays@"):
            run_demo(folder, log=elsewhere, store=store, teller=Teller(stream))
        held = RedisStore(store)
        assert held.version() == before
        held.close()

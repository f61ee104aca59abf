"""The committed list of rows: what is measured, and which figure must and should be met.

A row that is named here and does not report fails the run; so does one that reports and is not here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Row:
    """One figure.

    Attributes:
        name: `group/figure`; `--row` takes a prefix of it.
        unit: of the value: `x` for a ratio, else of time, bytes or events.
        at_least: whether more is better; otherwise less is.
        must, aim: the bounds that the median is held against; None where a figure is only stated.
        says: what is compared with what.
    """

    name: str
    unit: str
    at_least: bool
    must: float | None
    aim: float | None
    says: str

    def met(self, value: float) -> str:
        """`aim`, `must` or `no`: the best bound that the value meets; `stated` if it has none."""
        if self.aim is None or self.must is None:
            return "stated"
        for bound, word in ((self.aim, "aim"), (self.must, "must")):
            if value >= bound if self.at_least else value <= bound:
                return word
        return "no"


_OPERATIONS: Final = (
    "count", "average", "variance", "stddev", "skew", "kurtosis", "min", "max", "first", "last",
    "first_k", "last_k", "top_k", "bottom_k", "unique_top_k",
)  # fmt: skip

ROWS: Final[tuple[Row, ...]] = (
    Row("windows/duckdb", "x", True, 1.8, 4.0, "10 M events, 1 M queries, 5 windows, SUM COUNT AVERAGE: DuckDB's time / ours"),
    Row("windows/polars", "x", True, 1.4, 3.0, "the same: Polars' time / ours"),
    Row("extremes/polars", "x", True, 4.0, 7.0, "the same with MIN and MAX: Polars' time / ours"),
    Row("small/best", "x", True, 1.0, 2.0, "1 M events, 100 k queries: time of the faster of DuckDB and Polars / ours"),
    *(
        Row(f"operations/{name}", "x", False, 4.0, 2.0, f"{name.upper()}: time of its sweep / SUM's on the same rows")
        for name in _OPERATIONS
    ),
    Row("operations/unique_count", "x", False, 8.0, 4.0, "UNIQUE_COUNT: time of its sweep / SUM's on the same rows"),
    Row("operations/histogram", "x", False, 8.0, 4.0, "HISTOGRAM: time of its sweep / SUM's on the same rows"),
    Row("memory/speed", "x", True, 0.8, 0.95, "50 M events: unlimited time / time within 2 GB"),
    Row("memory/peak", "GB", False, 2.0, 1.6, "50 M events with memory_limit=2GB: peak of the process tree"),
    Row("wide/time", "x", False, 3.0, 1.5, "sums with exponents over 2^±40 mixed: time / the plain row's"),
    Row("scale/events", "x", False, 1.5, 1.15, "cost per event at 50 M / at 1 M"),
    Row("scale/hot_key", "x", False, 1.5, 1.15, "10 M events with one key holding 20 %: time / without"),
    Row("expressions/row", "µs", False, 5.0, 2.0, "one-row expression"),
    Row("expressions/batch", "x", True, 0.7, 1.0, "1 M rows: time of hand-written Polars / ours"),
    Row("codecs/avro_100", "x", True, 20.0, 40.0, "batches of 100 Avro records: fastavro's time / ours"),
    Row("codecs/avro_10000", "x", True, 20.0, 40.0, "batches of 10,000 Avro records: fastavro's time / ours"),
    Row("codecs/protobuf_100", "x", True, 5.0, 10.0, "batches of 100 Protobuf records to columns: the protobuf package's time / ours"),
    Row("codecs/protobuf_10000", "x", True, 20.0, 40.0, "batches of 10,000 Protobuf records to columns: the protobuf package's time / ours"),
    Row("live/stage", "k/s", True, 250.0, 700.0, "one stage at saturation, Avro in, 5 windowed features, power-durable: events"),
    Row("live/stage_puts", "x", True, 0.35, 0.7, "the same: time of LMDB puts of the bytes that it leaves / ours"),
    Row("live/chain", "k/s", True, 50.0, 150.0, "a chain of two at saturation, power-durable: events"),
    Row("live/fetch_many", "x", False, 4.0, 2.0, "100 features of each of 100 entities, some 48 tiles each, into columns: CPU time / that of LMDB gets of the same bytes"),
    Row("redis/stage_puts", "x", True, 0.4, 0.8, "one stage at saturation over Redis: time of redis-py's pipelined sets of the bytes that it leaves / ours"),
    Row("redis/fetch_one", "x", False, 2.0, 1.3, "100 features of one entity from Redis, p50: ours / redis-py's pipelined gets of the same bytes"),
    Row("fresh/power", "ms", False, 30.0, 10.0, "append to readable elsewhere, stage in its own process, 10 k events/s, power-durable: p99"),
    Row("fresh/process", "ms", False, 3.0, 1.5, "the same, process-durable: p99"),
    Row("fresh/chain", "x", False, 2.0, 1.3, "p50 of a stage chained on it, in a third process / the single stage's, power-durable"),
    Row("fetch/one", "x", True, 15.0, 40.0, "100 features of one entity into a row, with statuses, p50: Feast's get from its SQLite online store / ours"),
    Row("depth/four", "x", False, 5.0, 2.5, "append to readable in the last of four chained stages, p50 / in a single stage, as `stream --all` runs them"),
    Row("restart/million", "s", False, 4.0, 1.5, "`stream --all` after SIGKILL, 1 M entities uploaded, 100 k events queued, power-durable: start to caught up"),
    Row("disk/head_event", "B", False, None, None, "live pages of the store per event in the head, 5 windowed features"),
    Row("disk/tile", "B", False, None, None, "live pages of the store per closed tile, 5 windowed features"),
    Row("disk/growth", "x", False, 1.1, 1.02, "ten days of steady load, entities coming and going: live pages after day 10 / once all that is kept is full"),
    Row("disk/growth_file", "x", False, 1.1, 1.02, "the same: the file's size"),
    Row("cold/help", "s", False, 0.2, 0.12, "catenary --help, cold process"),
    Row("cold/plan", "s", False, 0.6, 0.35, "catenary plan of the flights definitions, cold process"),
    Row("kafka/events", "k/s", True, None, None, "a topic of 300,001 Avro records at saturation: Kafka, decode, 5 windowed features, LMDB, power-durable; broker on core 0, stage on core 1"),
    Row("kafka/peers", "x", True, 5.0, 20.0, "the same: our records a second / those of the faster of Quix Streams (exactly once) and Bytewax (recovery) with 5 tumbling windows, 15,001 records; each on core 1"),
    Row("kafka/redis_puts", "x", True, 0.4, 0.8, "the same into Redis, appendfsync always: time of redis-py's pipelined sets of the bytes that it leaves / ours; broker, Redis on core 0, stage on core 1"),
    Row("kafka_fresh/power", "x", False, 2.5, 1.3, "producer's send to readable elsewhere, 10 k events/s, power-durable: p99 / a bare consumer's receipt of the same records; broker, clients on core 0, stage on core 1"),
    Row("kafka_fresh/process", "x", False, None, None, "the same, process-durable, as the broker itself is"),
    Row("kafka_chain/two", "ms", False, 100.0, 40.0, "producer's send to readable in the second of two chained stages, 5 k events/s, power-durable: p99; broker, clients on core 0, stages in one process on core 1"),
    Row("kafka_chain/four", "ms", False, 200.0, 80.0, "the same, the last of four"),
    Row("kafka_chain/wait", "ms", False, 10.0, 3.0, "the same: a batch's wait for its parents, p50 over all three chained stages"),
    Row("http/get", "x", False, 2.5, 1.6, "100 features of one entity over HTTP, one connection, p50 / redis-benchmark's GET of the same bytes; client on core 0, servers on core 1"),
    Row("http/feast", "x", True, 10.0, 25.0, "the same over 16 connections, one worker: requests a second / `feast serve`'s with the same client; client on core 0, server on core 1"),
)  # fmt: skip

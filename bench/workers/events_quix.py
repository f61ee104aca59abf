"""Quix Streams: a broker's topic `few` folded into five tumbling windows, exactly once, with changelog topics.

Arguments: address folder. A commit every 5 s, which is its default, and one at the end; a commit is a transaction
of the broker, over the changelog's records and the topic's offsets. Windows are emitted when they are over.
Reports `records` and `seconds`, from the first record on: making topics and joining a group do not count.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
import uuid
from pathlib import Path

from quixstreams import Application
from quixstreams.dataframe.windows import Count, Mean, Sum
from quixstreams.models.serializers.avro import AvroDeserializer

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from bench.workers.shape import AT_MS, FOLDS, HOUR

MADE = {"sum": Sum, "count": Count, "average": Mean}


def main(address: str, folder: Path) -> None:
    """Print the figures as one JSON object."""
    told = json.loads((folder / "few.json").read_text())
    found: list[dict[str, float]] = [{} for _ in FOLDS]
    begun = 0.0

    def processed(_topic, _partition, offset):
        nonlocal begun
        if offset == 0:
            begun = time.perf_counter()
        elif offset == told["records"] - 1:
            app.stop()

    with tempfile.TemporaryDirectory(dir=folder) as made:
        app = Application(
            broker_address=address,
            consumer_group=str(uuid.uuid4()),
            auto_offset_reset="earliest",
            state_dir=made,
            processing_guarantee="exactly-once",
            loglevel="WARNING",
            on_message_processed=processed,
        )
        topic = app.topic(
            "few",
            key_deserializer="str",
            value_deserializer=AvroDeserializer(told["schema"]),
            timestamp_extractor=lambda value, _headers, _ts, _kind: value["ts"],
        )
        events = app.dataframe(topic)
        for (column, operation, hours), values in zip(FOLDS, found, strict=True):

            def kept(value, key, _ts, _headers, values=values, hours=hours):
                if value["end"] == AT_MS:
                    values[key] = value["value"]

            windows = events.tumbling_window(hours * HOUR, name=f"{operation}{hours}")
            folded = windows.agg(value=MADE[operation](column)).final(closing_strategy="partition")
            folded.update(kept, metadata=True)
        app.run()
        seconds = time.perf_counter() - begun
    assert found == told["folded"], "values differ"
    print(json.dumps({"seconds": seconds, "records": told["records"]}))


main(sys.argv[1], Path(sys.argv[2]))

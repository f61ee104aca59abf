"""The story on real servers of its own: a Kafka broker and a Redis server, which end when it does.

    python -m catenary.demo.servers --jars build/kafka

`make demo-kafka` is this; `scripts/kafka.sh` fetches the jars. For servers that run already, name them:
`catenary demo --log kafka://host:port --store redis://host:port/db`.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from catenary.demo.run import run_demo
from catenary.errors import CatenaryError
from catenary.testing.services.kafka import KafkaBroker
from catenary.testing.services.redis import RedisServer

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

_INTERRUPTED = 130


@contextmanager
def servers(folder: Path, jars: Path) -> Generator[tuple[str, str]]:
    """Both servers, on the loopback interface, while the context lasts.

    Args:
        folder: where they write.
        jars: the folder with the broker's jars.

    Yields:
        What `--log` and `--store` say.

    Raises:
        UnsupportedError: if there is no redis-server on this machine.
        RuntimeError: if one of them does not start; with what it said last.
    """
    with (
        RedisServer(folder / "redis") as redis,
        KafkaBroker(folder / "kafka", jars) as broker,
    ):
        yield f"kafka://{broker.address}", redis.address()


def main(argv: Sequence[str]) -> int:
    """Start both, run the demo with them, and stop them whatever happens."""
    parser = argparse.ArgumentParser(description="the flights story on servers of its own")
    parser.add_argument("--jars", type=Path, required=True, help="the folder with Kafka's jars")
    parser.add_argument("--folder", type=Path, default=Path("catenary-demo"))
    for flag in ("sabotage", "json"):
        parser.add_argument(f"--{flag}", action="store_true", help="as of catenary demo")
    given = parser.parse_args(argv)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with (
            tempfile.TemporaryDirectory(prefix="catenary-demo-") as temporary,
            servers(Path(temporary), given.jars.absolute()) as (log, store),
        ):
            return run_demo(
                given.folder, log=log, store=store, json=given.json, sabotage=given.sabotage
            )
    except CatenaryError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        return _INTERRUPTED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

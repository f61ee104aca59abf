"""A bare consumer of a broker's topic `t`: when each record was received, printed once stdin is closed.

Argument: address. Prints `received`, by offset, in seconds of the clock of all processes; settings are the client's own.
"""

from __future__ import annotations

import json
import sys
import threading
import time

from confluent_kafka import Consumer, TopicPartition


def main(address: str) -> None:
    """Receive until stdin is closed."""
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    consumer = Consumer({"bootstrap.servers": address, "group.id": "bare"})
    consumer.assign([TopicPartition("t", 0, 0)])
    received: list[float] = []
    while not ended.is_set():
        message = consumer.poll(0.1)
        if message is not None and message.error() is None:
            received.append(time.perf_counter())
            assert message.offset() == len(received) - 1, "offsets are without gaps"
    consumer.close()
    print(json.dumps({"received": received}))


main(sys.argv[1])

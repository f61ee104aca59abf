"""A real Kafka broker of one node, for tests and for trying: started, killed, held up, started again.

    with KafkaBroker(folder, jars) as broker:
        broker.address          127.0.0.1:port, the same after a restart on the same folder

`scripts/kafka.sh` fetches the jars. From a terminal, until Ctrl-C:

    python -m catenary.testing.services.kafka FOLDER --jars build/kafka --port 9092
"""

from __future__ import annotations

import argparse
import base64
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, Self

from catenary.testing.services.ports import HOST, free_ports, is_free

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_START_S: Final = 120.0
_STOP_S: Final = 30.0
_LOOK_S: Final = 0.1
_SAID: Final = 2000


class KafkaBroker:
    """One broker, which is its own controller (KRaft).

    Args:
        folder: its settings, data and what it says (`broker.log`); kept when it ends, and gone on
            with by the next broker of this folder.
        jars: the folder with the broker's jars.
        settings: of the broker, beside those that make one node work.
        listeners: beside the plain one, by protocol (`SSL`, `SASL_PLAINTEXT`, `SASL_SSL`): the settings
            of each, without `listener.name.….` before them.
        formatted: further words for the tool that formats its storage, such as `--add-scram=…`.
        port: of the plain listener; any that is free unless given.
        heap: the most memory that its heap may have.
    """

    def __init__(
        self,
        folder: Path,
        jars: Path,
        *,
        settings: Mapping[str, str] | None = None,
        listeners: Mapping[str, Mapping[str, str]] | None = None,
        formatted: Sequence[str] = (),
        port: int | None = None,
        heap: str = "512m",
    ) -> None:
        self._folder = folder
        self._java = (
            "java",
            f"-Xmx{heap}",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
            "-cp",
            f"{jars}/*",
        )
        others = listeners or {}
        controller, plain, *ports = free_ports(2 + len(others))
        self._ports = {"PLAINTEXT": port or plain, **dict(zip(others, ports, strict=True))}
        self._config = folder / "server.properties"
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        written = _settings(folder / "data", {**self._ports, "CONTROLLER": controller})
        written |= {
            f"listener.name.{protocol.lower()}.{name}": each
            for protocol, held in others.items()
            for name, each in held.items()
        }
        written |= settings or {}
        self._config.write_text("".join(f"{name}={each}\n" for name, each in written.items()))
        if not (folder / "data" / "meta.properties").exists():
            identity = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
            # A leading dash would be read as an option.
            words = ("-c", str(self._config), f"-t={identity}", *formatted)
            self._run("kafka.tools.StorageTool", "format", *words)

    @property
    def address(self) -> str:
        """Host and port of the plain listener."""
        return self.listening("PLAINTEXT")

    def listening(self, protocol: str) -> str:
        """Host and port of one of its listeners."""
        return f"{HOST}:{self._ports[protocol]}"

    @property
    def pid(self) -> int:
        """The process."""
        return self._running.pid

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "the broker is not started"
        return self._process

    def start(self) -> Self:
        """Start it on what the folder holds, and wait until it answers.

        Raises:
            RuntimeError: if it ends, or does not answer in time; with what it said last.
        """
        assert self._process is None, "the broker is started already"
        with self._said() as said:
            self._process = subprocess.Popen(
                [*self._java, "kafka.Kafka", str(self._config)],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,  # Ctrl-C in a terminal is for whoever started it
            )
        until = time.monotonic() + _START_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > until:
                self.kill()
                text = (self._folder / "broker.log").read_text(errors="replace")[-_SAID:]
                raise RuntimeError(f"the broker in {self._folder} did not start: {text}")
            time.sleep(_LOOK_S)
        return self

    def stop(self) -> None:
        """Let it finish and end; its data stays."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
            try:
                self._process.wait(_STOP_S)
                self._process = None
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """End it at once (SIGKILL)."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """Hold it up (SIGSTOP): connections stay, nothing answers."""
        self._running.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on (SIGCONT)."""
        self._running.send_signal(signal.SIGCONT)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _answers(self) -> bool:
        from confluent_kafka import KafkaException
        from confluent_kafka.admin import AdminClient

        try:
            with socket.create_connection((HOST, self._ports["PLAINTEXT"]), 1.0):
                pass
        except OSError:
            return False
        admin = AdminClient({"bootstrap.servers": self.address, "log_level": 0})
        try:
            return bool(admin.list_topics(timeout=2.0).brokers)
        except KafkaException:
            return False

    def _run(self, *words: str) -> None:
        """Run one of the broker's tools to its end."""
        with self._said() as said:
            subprocess.run([*self._java, *words], stdout=said, stderr=said, check=True)

    def _said(self) -> IO[bytes]:
        return (self._folder / "broker.log").open("ab")


def _settings(data: Path, ports: Mapping[str, int]) -> dict[str, str]:
    """What makes one node a cluster, quick to start and to clean up."""
    listeners = {name: f"{name}://{HOST}:{port}" for name, port in ports.items()}
    protocols = {name: "PLAINTEXT" if name == "CONTROLLER" else name for name in ports}
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@{HOST}:{ports['CONTROLLER']}",
        "controller.listener.names": "CONTROLLER",
        "listeners": ",".join(listeners.values()),
        "listener.security.protocol.map": ",".join(map(":".join, protocols.items())),
        "log.dirs": str(data),
        "num.network.threads": "2",
        "num.io.threads": "2",
        "offsets.topic.num.partitions": "1",
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.num.partitions": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "group.initial.rebalance.delay.ms": "0",
        "group.min.session.timeout.ms": "1000",
        "broker.session.timeout.ms": "2000",
        "broker.heartbeat.interval.ms": "500",
        "log.initial.task.delay.ms": "100",
        "log.retention.check.interval.ms": "500",
        "log.cleaner.backoff.ms": "200",
        "log.cleaner.dedupe.buffer.size": str(16 << 20),
        "log.segment.delete.delay.ms": "100",
    }


def main(argv: Sequence[str]) -> int:
    """Run a broker until Ctrl-C, and say where it is."""
    parser = argparse.ArgumentParser(description="a Kafka broker of one node, until Ctrl-C")
    parser.add_argument("folder", type=Path, nargs="?", help="a temporary one unless given")
    parser.add_argument("--jars", type=Path, required=True)
    parser.add_argument("--port", type=int, help="any that is free unless given")
    given = parser.parse_args(argv)
    port: int | None = given.port
    if port is not None and not is_free(port):
        sys.stdout.write(f"port {port} is taken, so it is another one\n")
        port = None
    with tempfile.TemporaryDirectory() as temporary:
        folder = (given.folder or Path(temporary)).absolute()
        with KafkaBroker(folder, given.jars.absolute(), port=port) as broker:
            sys.stdout.write(f"kafka://{broker.address}, until Ctrl-C\n")
            sys.stdout.flush()
            signal.signal(signal.SIGTERM, signal.default_int_handler)
            try:
                signal.pause()
            except KeyboardInterrupt:
                sys.stdout.write("stopping\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

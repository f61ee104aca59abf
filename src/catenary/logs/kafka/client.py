"""The client library: imported when a log is opened, its settings, and what its errors mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from catenary.errors import LogError, PositionError, UnreachableError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from confluent_kafka import KafkaError

REQUEST_S: Final = 5.0
"""How long one question to the broker may take."""
APPEND_S: Final = 30.0
"""How long an append is tried."""
_WRITTEN: Final = "kafka.… options of the address, and lines of the file that kafka_config names"

# What a broker says, or the client of it, while it starts, stops, moves a partition, or is not there.
_PASSING: Final = (
    "_ALL_BROKERS_DOWN", "_RESOLVE", "_TIMED_OUT", "_TIMED_OUT_QUEUE", "_TRANSPORT", "_MSG_TIMED_OUT",
    "_AUTHENTICATION", "_SSL", "_WAIT_COORD", "_WAIT_CACHE", "_DESTROY", "_DESTROY_BROKER", "_FAIL",
    "_IN_PROGRESS", "_NODE_UPDATE", "_OUTDATED", "_PURGE_INFLIGHT", "_PURGE_QUEUE", "_RETRY",
    "BROKER_NOT_AVAILABLE", "COORDINATOR_LOAD_IN_PROGRESS", "COORDINATOR_NOT_AVAILABLE",
    "FENCED_LEADER_EPOCH", "KAFKA_STORAGE_ERROR", "LEADER_NOT_AVAILABLE", "NETWORK_EXCEPTION",
    "NOT_CONTROLLER", "NOT_COORDINATOR", "NOT_ENOUGH_REPLICAS", "NOT_ENOUGH_REPLICAS_AFTER_APPEND",
    "NOT_LEADER_FOR_PARTITION", "OFFSET_NOT_AVAILABLE", "REPLICA_NOT_AVAILABLE", "REQUEST_TIMED_OUT",
    "UNKNOWN_LEADER_EPOCH",
)  # fmt: skip
_GONE: Final = (
    "UNKNOWN_TOPIC_OR_PART",
    "UNKNOWN_TOPIC_ID",
    "INCONSISTENT_TOPIC_ID",
    "_UNKNOWN_TOPIC",
    "_UNKNOWN_PARTITION",
)
_CUT: Final = ("_AUTO_OFFSET_RESET", "OFFSET_OUT_OF_RANGE", "_LOG_TRUNCATION")


def imported() -> tuple[Any, Any]:
    """The client library, and its module for administration.

    Raises:
        UnsupportedError: if it is not installed.
    """
    try:
        import confluent_kafka
        from confluent_kafka import admin
    except ImportError as error:
        raise UnsupportedError(
            f"topics in Kafka need confluent-kafka: {error}",
            hint="install the extra: pip install 'catenary[kafka]'",
        ) from error
    return confluent_kafka, admin


class Client:
    """One cluster: how it is reached, and how its errors are told.

    Args:
        address: `host:port` of any of its brokers.
        options: settings of the client library by name, such as `security.protocol`.
    """

    def __init__(self, address: str, options: Mapping[str, str]) -> None:
        self.address = address
        self.library, self.administration = imported()
        self._options = dict(options)
        self._complaint: KafkaError | None = None
        codes = self.library.KafkaError
        self._passing = _numbers(codes, _PASSING)
        self._gone = _numbers(codes, _GONE)
        self._cut = _numbers(codes, _CUT)
        self.end_of_partition: int = codes._PARTITION_EOF

    def made(self, make: Callable[[dict[str, Any]], Any], settings: Mapping[str, Any]) -> Any:
        """A consumer, producer or admin client.

        Raises:
            LogError: for options that the client library does not take.
        """
        whole = {
            "bootstrap.servers": self.address,
            "client.id": "catenary",
            "error_cb": self._complained,
            "log_level": 2,  # what matters is raised
            "reconnect.backoff.max.ms": 1000,
            **settings,
            **self._options,
        }
        try:
            return make(whole)
        except (self.library.KafkaException, ValueError, TypeError) as error:
            raise LogError(
                f"the client of Kafka refuses its settings: {self.text(error)}",
                where=f"kafka://{self.address}",
                hint=f"look at the {_WRITTEN}",
            ) from error

    def failed(self, error: object, doing: str) -> LogError | UnreachableError:
        """A client's or broker's error, as one of ours.

        Args:
            error: a KafkaError, or the exception that bears one.
            doing: what was tried, such as "reading t/0".
        """
        found = _inner(error)
        code = found.code()
        where = f"kafka://{self.address}"
        if code in self._cut:
            return PositionError(
                f"{doing}: the position lies outside of what is retained: {found.str()}",
                where=where,
                hint="retention, or the loss of a broker, removed what had not been read",
            )
        if code in self._passing or found.retriable():
            why, hint = self._why(found)
            return UnreachableError(f"{doing}: {why}", where=where, hint=hint)
        return LogError(
            f"{doing}: the broker refuses: {found.str()} ({found.name()})",
            where=where,
            hint="what it says is what it knows; look at the topic's settings and this client's rights",
        )

    def is_gone(self, error: object) -> bool:
        """Whether an error says that there is no such topic or partition (any more)."""
        return _inner(error).code() in self._gone

    def _why(self, found: KafkaError) -> tuple[str, str]:
        """Why nothing comes of asking, and what to do; what the client complained of says more than the error."""
        told, codes = self._complaint, self.library.KafkaError
        if told is None:
            # A name or a port that is wrong is complained of; a listener that wants TLS is silent.
            spoken = self._options.get("security.protocol", "plaintext")
            return f"the broker does not answer: {found.str()}", (
                f"see that it runs, and that its listener speaks security.protocol={spoken}, as this"
                " client does"
            )
        if told.code() == codes._AUTHENTICATION:
            return f"the broker does not let this client in: {told.str()}", (
                f"look at sasl.mechanisms, sasl.username and sasl.password: {_WRITTEN}"
            )
        # What fails in the handshake is now and then told as a connection that broke.
        if told.code() == codes._SSL or "in state SSL_HANDSHAKE" in told.str():
            return f"no TLS connection to the broker comes about: {told.str()}", (
                "look at ssl.ca.location, which names who vouches for the broker's certificate, and at"
                f" security.protocol: {_WRITTEN}"
            )
        return f"the broker does not answer: {found.str()}; last it said: {told.str()}", (
            "see that it runs, that host and port are right, and that security.protocol fits"
        )

    def _complained(self, error: KafkaError) -> None:
        # That all brokers are down follows on each complaint, and says nothing of why.
        if error.code() != self.library.KafkaError._ALL_BROKERS_DOWN:
            self._complaint = error

    def text(self, error: Exception) -> str:
        """What an exception of the client says."""
        return _inner(error).str() if isinstance(error, self.library.KafkaException) else str(error)


def _inner(error: object) -> KafkaError:
    """The client's own error, which its exception bears."""
    return cast("KafkaError", error.args[0] if isinstance(error, Exception) else error)


def _numbers(codes: Any, names: tuple[str, ...]) -> frozenset[int]:
    """Codes by their names; a library of another release may lack some."""
    return frozenset(getattr(codes, name) for name in names if hasattr(codes, name))

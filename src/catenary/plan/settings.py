"""How a chain behaves when something is late or fails; by our names and by Chronon's.

    {name: value} ──► parse (names, conflicts) ──► ChainSettings (types, ranges)

A value that cannot be is refused wherever it comes from: a command's flag, code, or a stage's bytes.
A setting that is known and does nothing here is listed; one that would change what a stage does, and
is not there, is refused. Not here: a project's own settings (folders, memory), which are the app's.

Held to account by: ``tests/unit/plan/test_chain_settings.py``.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from catenary.errors import SettingsError, UnsupportedError, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

OnParentLate = Literal["hold", "proceed", "dead_letter"]
OnEnrichError = Literal["retry", "dead_letter", "null", "drop", "fail"]
OnSnapshotLate = Literal["hold", "previous", "null"]

PREFIX: Final = "spark.chronon.stream.chain."
_CHOICES: Final[dict[str, tuple[str, ...]]] = {
    "on_parent_late": get_args(OnParentLate),
    "on_enrich_error": get_args(OnEnrichError),
    "on_snapshot_late": get_args(OnSnapshotLate),
}
_LEAST: Final = {"max_batch_rows": 1, "max_batch_bytes": 1, "query_shift_ms": -(1 << 62)}
"""The least value of a number; 0 where nothing is said."""
_MOST: Final = 1 << 62  # instants are 64-bit numbers, to which these are added
_MOST_OF: Final = {"query_shift_ms": 0}
"""The greatest value of a number, where it is less."""
_NOT_YET: Final = (
    "lag_millis",
    "query_delay_ms",
    "time_percentile",
    "batch_interval_millis",
    "timeout_millis",
    "max_offsets_per_trigger",
)


@dataclass(frozen=True)
class ChainSettings:
    """What a chain's stages do.

    Attributes:
        on_parent_late: `hold` a batch until its parents have caught up; `proceed` after `max_wait_ms`
            without any advance of theirs; or make its rows dead letters then.
        max_wait_ms: counted from the last advance of a frontier that is awaited.
        on_enrich_error: what becomes of a row whose enrichment fails: `retry` and then `dead_letter`,
            `dead_letter` at once, `null` features, `drop` it, or `fail`.
        retries: how often `retry` tries.
        on_snapshot_late: a read of a snapshot that has not landed waits (`hold`), takes the
            `previous` one, or is `null`.
        query_shift_ms: parents are read as of so much later: 0, or earlier, below it. What is later
            than a row no log has yet. Values depend on it, so backfills and uploads are told the same.
        event_time_query: whether parents are read as of a row's own time, rather than of now.
        head_horizon_ms: how far the head floor trails, in event time.
        head_limit_ms: how far, in event time, a reader left behind may hold the head.
        head_limit_bytes: keys and values of a stage's head at most, readers or not.
        history_ms: how far before the floor reads may ask.
        max_ahead_ms: how far after its record's append an event's time may lie.
        max_batch_rows, max_batch_bytes: of a micro-batch.
        without_effect: settings that were given and mean nothing here.

    Raises:
        SettingsError: for a value of the wrong type or out of range.
    """

    on_parent_late: OnParentLate = "hold"
    max_wait_ms: int = 60_000
    on_enrich_error: OnEnrichError = "retry"
    retries: int = 3
    on_snapshot_late: OnSnapshotLate = "previous"
    query_shift_ms: int = 0
    event_time_query: bool = True
    head_horizon_ms: int = 600_000
    head_limit_bytes: int = 1 << 30
    head_limit_ms: int = 172_800_000
    history_ms: int = 172_800_000
    max_ahead_ms: int = 86_400_000
    max_batch_rows: int = 50_000
    max_batch_bytes: int = 8 << 20
    without_effect: tuple[str, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        for name in _known():
            _check(name, getattr(self, name))

    @staticmethod
    def parse(given: Mapping[str, object]) -> ChainSettings:
        """Settings by name, ours or Chronon's; texts are read as what the setting wants.

        Raises:
            SettingsError: for an unknown name, a value that does not fit, or one setting given two
                values under two names.
            UnsupportedError: for a setting that is known and not there.
        """
        values: dict[str, Any] = {}
        written: dict[str, str] = {}
        without_effect: list[str] = []
        for full, value in given.items():
            name = full.removeprefix(PREFIX)
            if name == "batch_repartition" or name.startswith("warmup."):
                without_effect.append(full)
                continue
            _refuse_unknown(name, full)
            read = _value(name, value)
            if values.setdefault(name, read) != read:
                problem = f"{written[name]}={values[name]!r} and {full}={read!r} are one setting"
                raise SettingsError(problem, hint="give one of them")
            written.setdefault(name, full)
        return replace(ChainSettings(), **values, without_effect=tuple(without_effect))


def _known() -> tuple[str, ...]:
    """The names of all settings that can be given."""
    return tuple(each.name for each in fields(ChainSettings) if each.name != "without_effect")


def _refuse_unknown(name: str, full: str) -> None:
    if name in _NOT_YET:
        raise UnsupportedError(
            f"the chain setting {full!r} is not there yet",
            hint="it comes with the driver command; max_wait_ms bounds a wait for parents",
        )
    if name not in _known():
        known = [*_known(), *_NOT_YET, "batch_repartition"]
        raise SettingsError(f"there is no chain setting {full!r}", hint=nearest(name, known))


def _value(name: str, value: object) -> object:
    """A text as what the setting wants, if it can be read so; anything else as it is."""
    default = getattr(ChainSettings(), name)
    if not isinstance(value, str) or isinstance(default, str):
        return value
    if isinstance(default, bool):
        return {"true": True, "false": False}.get(value.strip().lower(), value)
    try:
        return int(value)
    except ValueError:
        return value


def _check(name: str, value: object) -> None:
    """Hold a value to its setting's type and range."""
    problem = f"{name}={value!r}"
    known = _CHOICES.get(name)
    if known is not None:
        if value not in known:
            raise SettingsError(f"{problem} is not known", hint=nearest(str(value), known))
    elif name == "event_time_query":
        if not isinstance(value, bool):
            raise SettingsError(f"{problem} is neither true nor false")
    elif not isinstance(value, int) or isinstance(value, bool):
        raise SettingsError(f"{problem} is not a whole number")
    else:
        least, most = _LEAST.get(name, 0), _MOST_OF.get(name, _MOST)
        if not least <= value <= most:
            hint = None
            if name == "query_shift_ms":
                hint = "a parent's events from after a row are in no log yet: shift it below zero"
            raise SettingsError(f"{problem} is not between {least} and {most}", hint=hint)

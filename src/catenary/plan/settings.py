"""How a chain behaves when something is late or fails; by our names and by Chronon's.

    {name: value} ──► parse (names, conflicts) ──► ChainSettings (types, ranges)

A value that cannot be is refused wherever it comes from: a command's flag, code, or a stage's bytes.
A setting that is known and does nothing here is listed. Not here: a project's own settings (folders,
memory), which are the app's.

Held to account by: ``tests/unit/plan/test_chain_settings.py``.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from catenary.errors import SettingsError, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

OnParentLate = Literal["hold", "proceed", "dead_letter"]
OnEnrichError = Literal["retry", "dead_letter", "null", "drop", "fail"]
OnSnapshotLate = Literal["hold", "previous", "null"]
LagMode = Literal["frontier", "fixed"]

PREFIX: Final = "spark.chronon.stream.chain."
_CHOICES: Final[dict[str, tuple[str, ...]]] = {
    "on_parent_late": get_args(OnParentLate),
    "on_enrich_error": get_args(OnEnrichError),
    "on_snapshot_late": get_args(OnSnapshotLate),
    "lag_mode": get_args(LagMode),
}
_LEAST: Final = {"max_batch_rows": 1, "max_batch_bytes": 1, "query_shift_ms": -(1 << 62)}
"""The least value of a number; 0 where nothing is said."""
_MOST: Final = 1 << 62  # instants are 64-bit numbers, to which these are added
_MOST_OF: Final = {"query_shift_ms": 0}
"""The greatest value of a number, where it is less."""


@dataclass(frozen=True)
class ChainSettings:
    """What a chain's stages do.

    Attributes:
        on_parent_late: `hold` a batch until its parents have caught up; `proceed` after `max_wait_ms`
            without any advance of theirs; or make its rows dead letters then.
        max_wait_ms: counted from the last advance of a frontier that is awaited.
        lag_millis: Chronon's: a batch proceeds once its parents have not advanced for so long, as
            `proceed` does after `max_wait_ms`; None: `on_parent_late` and `max_wait_ms` decide.
        lag_mode: `frontier`, or `fixed`: every batch sleeps `lag_millis`, and proceeds.
        query_delay_ms: rows are enriched no sooner than so long after their event time, by the wall
            clock; of a lane's batch that of `time_percentile` counts. One that lies ahead waits not.
        time_percentile: between 0 and 1: which of a lane's rows, in the order of their times.
        timeout_millis: how long a batch's parents may take to answer; 0 for as long as they do.
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
        batch_interval_millis: from the beginning of one batch to that of the next, at least.
        max_batch_rows, max_batch_bytes: of a micro-batch.
        max_offsets_per_trigger: Chronon's word for `max_batch_rows`, of which the less holds; 0 for
            no bound of its own.
        without_effect: settings that were given and mean nothing here.

    Raises:
        SettingsError: for a value of the wrong type or out of range.
    """

    on_parent_late: OnParentLate = "hold"
    max_wait_ms: int = 60_000
    lag_millis: int | None = None
    lag_mode: LagMode = "frontier"
    query_delay_ms: int = 0
    time_percentile: float = 0.95
    timeout_millis: int = 0
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
    batch_interval_millis: int = 0
    max_batch_rows: int = 50_000
    max_batch_bytes: int = 8 << 20
    max_offsets_per_trigger: int = 0
    without_effect: tuple[str, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        for name in _known():
            _check(name, getattr(self, name))

    @staticmethod
    def parse(given: Mapping[str, object]) -> ChainSettings:
        """Settings by name, ours or Chronon's; texts are read as what the setting wants.

        Raises:
            SettingsError: for an unknown name, a value that does not fit, one setting given two
                values under two names, or two that contradict each other.
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
            if name in values and values[name] != read:
                problem = f"{written[name]}={values[name]!r} and {full}={read!r} are one setting"
                raise SettingsError(problem, hint="give one of them")
            values[name] = read
            written.setdefault(name, full)
        _refuse_contradictions(values)
        return replace(ChainSettings(), **values, without_effect=tuple(without_effect))

    @property
    def patience_ms(self) -> int | None:
        """How long a batch waits for parents that do not advance; None: until they do."""
        if self.lag_millis is not None:
            return 0 if self.lag_mode == "fixed" else self.lag_millis
        return None if self.on_parent_late == "hold" else self.max_wait_ms

    @property
    def pause_ms(self) -> int:
        """How long every batch sleeps before its parents are read."""
        return (self.lag_millis or 0) if self.lag_mode == "fixed" else 0

    @property
    def batch_rows(self) -> int:
        """Records of a micro-batch at most."""
        return min(self.max_batch_rows, self.max_offsets_per_trigger or self.max_batch_rows)


def _known() -> tuple[str, ...]:
    """The names of all settings that can be given."""
    return tuple(each.name for each in fields(ChainSettings) if each.name != "without_effect")


def _refuse_unknown(name: str, full: str) -> None:
    if name not in _known():
        known = [*_known(), "batch_repartition"]
        raise SettingsError(f"there is no chain setting {full!r}", hint=nearest(name, known))


def _refuse_contradictions(values: Mapping[str, object]) -> None:
    """Chronon's lag is a way to proceed, after a wait of its own."""
    if values.get("lag_millis") is None:
        if "lag_mode" in values:
            problem = f"lag_mode={values['lag_mode']!r} is given without lag_millis"
            raise SettingsError(problem, hint="it says how that is spent: give both")
        return
    lag = f"lag_millis={values['lag_millis']!r}"
    if values.get("on_parent_late") == "hold":
        raise SettingsError(
            f"{lag} bounds a wait that on_parent_late=hold does not",
            hint="give one of them; without lag_millis a batch waits for as long as it takes",
        )
    if "max_wait_ms" in values:
        problem = f"{lag} and max_wait_ms={values['max_wait_ms']!r} bound the same wait"
        raise SettingsError(problem, hint="give one of them")


def _value(name: str, value: object) -> object:
    """A text as what the setting wants, if it can be read so; anything else as it is."""
    default = getattr(ChainSettings(), name)
    if not isinstance(value, str) or isinstance(default, str):
        return value
    if isinstance(default, bool):
        return {"true": True, "false": False}.get(value.strip().lower(), value)
    try:
        return float(value) if isinstance(default, float) else int(value)
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
    elif name == "time_percentile":
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 <= value <= 1:
            raise SettingsError(f"{problem} is not between 0 and 1")
    elif name == "lag_millis" and value is None:
        return
    elif not isinstance(value, int) or isinstance(value, bool):
        raise SettingsError(f"{problem} is not a whole number")
    else:
        _check_range(name, value)


def _check_range(name: str, value: int) -> None:
    least, most = _LEAST.get(name, 0), _MOST_OF.get(name, _MOST)
    if not least <= value <= most:
        hint = None
        if name == "query_shift_ms":
            hint = "a parent's events from after a row are in no log yet: shift it below zero"
        raise SettingsError(f"{name}={value!r} is not between {least} and {most}", hint=hint)

"""How a chain behaves when something is late or fails; by our names and by Chronon's."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Final

from catenary.errors import SettingsError, UnsupportedError, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX: Final = "spark.chronon.stream.chain."
_CHOICES: Final = {
    "on_parent_late": ("hold", "proceed", "dead_letter"),
    "on_enrich_error": ("retry", "dead_letter", "null", "drop", "fail"),
    "on_snapshot_late": ("hold", "previous", "null"),
}
_NOT_YET: Final = (
    "lag_millis",
    "query_delay_ms",
    "time_percentile",
    "batch_interval_millis",
    "timeout_millis",
    "max_offsets_per_trigger",
)
_WITHOUT_EFFECT: Final = ("batch_repartition", "warmup")


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
        query_shift_ms: parents are read as of so much later (or earlier, below zero).
        event_time_query: whether parents are read as of a row's own time, rather than of now.
        head_horizon_ms: how far the head floor trails, in event time.
        head_limit_bytes, head_limit_ms: how much a reader left behind may make the head hold.
        history_ms: how far before the floor reads may ask.
        max_batch_rows, max_batch_bytes: of a micro-batch.
        without_effect: settings that were given and mean nothing here.
    """

    on_parent_late: str = "hold"
    max_wait_ms: int = 60_000
    on_enrich_error: str = "retry"
    retries: int = 3
    on_snapshot_late: str = "previous"
    query_shift_ms: int = 0
    event_time_query: bool = True
    head_horizon_ms: int = 600_000
    head_limit_bytes: int = 1 << 30
    head_limit_ms: int = 172_800_000
    history_ms: int = 172_800_000
    max_batch_rows: int = 10_000
    max_batch_bytes: int = 8 << 20
    without_effect: tuple[str, ...] = field(default=(), compare=False)

    @staticmethod
    def parse(given: Mapping[str, object]) -> ChainSettings:
        """Settings by name, ours or Chronon's; texts are read as what the setting wants.

        Raises:
            SettingsError: for an unknown name, or a value that does not fit.
            UnsupportedError: for a setting that is known and not there.
        """
        found = ChainSettings()
        known = [each.name for each in fields(ChainSettings) if each.name != "without_effect"]
        for full, value in given.items():
            name = full.removeprefix(PREFIX)
            if name.partition(".")[0] in _WITHOUT_EFFECT:
                found = replace(found, without_effect=(*found.without_effect, full))
                continue
            if name in _NOT_YET:
                raise UnsupportedError(
                    f"the chain setting {full!r} is not there yet",
                    hint="it belongs to the driver command; max_wait_ms bounds a wait",
                )
            if name not in known:
                problem = f"there is no chain setting {full!r}"
                raise SettingsError(problem, hint=nearest(name, [*known, *_NOT_YET]))
            found = replace(found, **{name: _value(name, value)})
        return found


def _value(name: str, value: object) -> Any:
    """The value in the setting's type, in its range."""
    default = getattr(ChainSettings(), name)
    problem = f"{name}={value!r}"
    if isinstance(default, bool):
        texts = {"true": True, "false": False}
        found = value if isinstance(value, bool) else texts.get(str(value).lower())
        if found is None:
            raise SettingsError(f"{problem} is neither true nor false")
        return found
    if isinstance(default, int):
        try:
            number = int(str(value))
        except ValueError:
            raise SettingsError(f"{problem} is not a whole number") from None
        if number < (1 if name.startswith("max_batch") else 0) and name != "query_shift_ms":
            raise SettingsError(f"{problem} is too small")
        return number
    if value not in _CHOICES[name]:
        raise SettingsError(f"{problem} is not known", hint=nearest(str(value), _CHOICES[name]))
    return value

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields, replace

import pytest

from catenary.errors import SettingsError
from catenary.plan import ChainSettings

PREFIX = "spark.chronon.stream.chain."


def test_nothing_given_is_the_defaults() -> None:
    assert ChainSettings.parse({}) == ChainSettings()


def test_the_defaults_are_the_documented_ones() -> None:
    held = {each.name: getattr(ChainSettings(), each.name) for each in fields(ChainSettings)}
    assert held == {
        "on_parent_late": "hold",
        "max_wait_ms": 60_000,
        "lag_millis": None,
        "lag_mode": "frontier",
        "query_delay_ms": 0,
        "time_percentile": 0.95,
        "timeout_millis": 0,
        "on_enrich_error": "retry",
        "retries": 3,
        "on_snapshot_late": "previous",
        "query_shift_ms": 0,
        "event_time_query": True,
        "head_horizon_ms": 600_000,
        "head_limit_bytes": 1 << 30,
        "head_limit_ms": 172_800_000,
        "history_ms": 172_800_000,
        "max_ahead_ms": 86_400_000,
        "batch_interval_millis": 0,
        "max_batch_rows": 50_000,
        "max_batch_bytes": 8 << 20,
        "max_offsets_per_trigger": 0,
        "without_effect": (),
    }


@pytest.mark.parametrize("prefix", ["", PREFIX])
def test_settings_are_taken_by_our_names_and_by_chronons(prefix: str) -> None:
    found = ChainSettings.parse({f"{prefix}event_time_query": False, f"{prefix}query_shift_ms": -5})
    assert found == ChainSettings(event_time_query=False, query_shift_ms=-5)


@pytest.mark.parametrize(("text", "value"), [("true", True), ("FALSE", False), (" true ", True)])
def test_a_flag_is_read_from_text(text: str, value: bool) -> None:
    assert ChainSettings.parse({"event_time_query": text}).event_time_query is value


def test_a_number_is_read_from_text() -> None:
    assert ChainSettings.parse({"max_wait_ms": "500"}).max_wait_ms == 500


@pytest.mark.parametrize(
    ("name", "values"),
    {
        "on_parent_late": ["hold", "proceed", "dead_letter"],
        "on_enrich_error": ["retry", "dead_letter", "null", "drop", "fail"],
        "on_snapshot_late": ["hold", "previous", "null"],
    }.items(),
)
def test_each_policy_takes_each_of_its_words(name: str, values: list[str]) -> None:
    assert [getattr(ChainSettings.parse({name: each}), name) for each in values] == values


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("on_parent_late", "wait"),
        ("on_parent_late", None),
        ("on_parent_late", ["hold"]),
        ("on_enrich_error", "previous"),
        ("event_time_query", "yes"),
        ("event_time_query", 1),
        ("max_wait_ms", -1),
        ("max_wait_ms", 1.5),
        ("max_wait_ms", "1.5"),
        ("max_wait_ms", ""),
        ("max_wait_ms", True),
        ("max_wait_ms", None),
        ("retries", -1),
        ("history_ms", "two days"),
        ("head_limit_bytes", 1 << 63),
        ("max_batch_rows", 0),
        ("max_batch_bytes", "0"),
        ("query_shift_ms", -(1 << 63)),
        ("query_shift_ms", 1),
        ("lag_millis", -1),
        ("lag_millis", "soon"),
        ("lag_mode", "sleep"),
        ("time_percentile", 1.5),
        ("time_percentile", "-0.1"),
        ("time_percentile", True),
        ("time_percentile", "nan"),
        ("timeout_millis", -1),
        ("max_offsets_per_trigger", 0.5),
    ],
)
def test_a_value_that_does_not_fit_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(SettingsError, match=f"^{name}="):
        ChainSettings.parse({name: value})


@pytest.mark.parametrize("value", [-1, "5", 1.0, True])
def test_a_value_that_does_not_fit_is_refused_in_code_too(value: int) -> None:
    with pytest.raises(SettingsError, match="max_wait_ms="):
        ChainSettings(max_wait_ms=value)
    with pytest.raises(SettingsError, match="max_wait_ms="):
        replace(ChainSettings(), max_wait_ms=value)


def test_the_least_values_are_taken() -> None:
    least = {"max_wait_ms": 0, "retries": 0, "history_ms": 0, "max_batch_rows": 1}
    assert ChainSettings.parse(least) == ChainSettings(**least)


@pytest.mark.parametrize("prefix", ["", PREFIX])
def test_an_unknown_name_is_refused_with_the_nearest(prefix: str) -> None:
    with pytest.raises(SettingsError, match=f"{prefix}max_wait_m'") as caught:
        ChainSettings.parse({f"{prefix}max_wait_m": 5})
    assert caught.value.hint == "did you mean 'max_wait_ms'?"


def test_an_unknown_word_is_refused_with_the_nearest() -> None:
    with pytest.raises(SettingsError) as caught:
        ChainSettings.parse({"on_enrich_error": "dead-letter"})
    assert caught.value.hint == "did you mean 'dead_letter'?"


@pytest.mark.parametrize("prefix", ["", PREFIX])
@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("lag_millis", "2000", 2000),
        ("query_delay_ms", "30", 30),
        ("time_percentile", "0.5", 0.5),
        ("time_percentile", "1", 1.0),
        ("batch_interval_millis", "1000", 1000),
        ("timeout_millis", "5000", 5000),
        ("max_offsets_per_trigger", "10", 10),
    ],
)
def test_what_chronon_calls_by_a_name_of_its_own_is_taken(
    prefix: str, name: str, text: str, value: float
) -> None:
    assert getattr(ChainSettings.parse({prefix + name: text}), name) == value


@pytest.mark.parametrize(
    ("given", "patience_ms", "pause_ms"),
    [
        ({}, None, 0),
        ({"max_wait_ms": 5}, None, 0),
        ({"on_parent_late": "proceed", "max_wait_ms": 5}, 5, 0),
        ({"on_parent_late": "dead_letter"}, 60_000, 0),
        ({"lag_millis": 2000}, 2000, 0),
        ({"lag_millis": 0}, 0, 0),
        ({"lag_millis": 2000, "on_parent_late": "dead_letter"}, 2000, 0),
        ({"lag_millis": 2000, "lag_mode": "frontier"}, 2000, 0),
        ({"lag_millis": 2000, "lag_mode": "fixed"}, 0, 2000),
    ],
)
def test_a_lag_bounds_the_wait_for_parents_or_is_slept(
    given: dict[str, object], patience_ms: int | None, pause_ms: int
) -> None:
    found = ChainSettings.parse(given)
    assert (found.patience_ms, found.pause_ms) == (patience_ms, pause_ms)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"lag_millis": 1, "on_parent_late": "hold"}, "on_parent_late=hold does not"),
        ({"lag_millis": 1, "max_wait_ms": 1}, "bound the same wait"),
        ({"lag_mode": "fixed"}, "lag_mode='fixed' is given without lag_millis"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(
    given: dict[str, object], says: str
) -> None:
    with pytest.raises(SettingsError, match=says):
        ChainSettings.parse(given)


@pytest.mark.parametrize(
    ("given", "rows"),
    [
        ({}, 50_000),
        ({"max_offsets_per_trigger": 10}, 10),
        ({"max_offsets_per_trigger": 10, "max_batch_rows": 5}, 5),
        ({"max_offsets_per_trigger": 0, "max_batch_rows": 5}, 5),
    ],
)
def test_of_two_bounds_on_a_batch_the_less_holds(given: dict[str, object], rows: int) -> None:
    assert ChainSettings.parse(given).batch_rows == rows


def test_a_setting_without_effect_is_accepted_and_listed_as_it_was_given() -> None:
    given = {f"{PREFIX}batch_repartition": "8", "warmup.enabled": "true", "retries": 1}
    found = ChainSettings.parse(given)
    assert found.without_effect == (f"{PREFIX}batch_repartition", "warmup.enabled")
    assert found == ChainSettings(retries=1)


@pytest.mark.parametrize("name", ["without_effect", "warmup", "warm", f"{PREFIX}{PREFIX}retries"])
def test_what_only_looks_like_a_setting_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match="no chain setting"):
        ChainSettings.parse({name: "x"})


def test_one_setting_under_two_names_must_have_one_value() -> None:
    assert ChainSettings.parse({"retries": 2, f"{PREFIX}retries": "2"}).retries == 2
    with pytest.raises(SettingsError, match=r"retries=2 and spark.*retries=4 are one setting"):
        ChainSettings.parse({"retries": 2, f"{PREFIX}retries": 4})


def test_settings_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        ChainSettings().retries = 5  # type: ignore[misc]

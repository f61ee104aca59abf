"""A depth-3 chain over flights, as a user would write it: how late will this flight arrive?

    arrivals ──► aircraft_delays ─────┬───────────────┬───────────────────┐
                                      ▼               ▼                   ▼
    departures ──────────────────► departures ─► carrier_pressure ─► connections ─► hub_pressure
    weather, planes ──────────────────┘               │                                  │
                                                      └──────────► flight_risk ◄─────────┘

An aircraft that has been late today will be late again. A carrier whose aircraft come in late is
under pressure, and so is the hub where such carriers meet. Every number in `flight_risk` is as of
the minute of departure: nothing that happened later is in it, but for `arr_delay`, the label.
"""

from __future__ import annotations

from typing import Final

from catenary.definitions import (
    Aggregation,
    Derivation,
    EntitySource,
    EventSource,
    GroupBy,
    Join,
    JoinPart,
    JoinSource,
    MetaData,
    Operation,
    Query,
)

# ── What happened ────────────────────────────────────────────────────────────────────────────────
# Facts with a time. The topics make everything below temporal: exact to the millisecond. They lie where
# the setting `log` says: in a folder, or on a Kafka broker.

arrivals = EventSource(
    table="flights.arrivals",
    topic="flights.arrivals",
    query=Query(
        selects={
            "tailnum": "tailnum",
            "arr_delay": "arr_delay",
            "late": "IF(arr_delay >= 15, 1, 0)",
        },
        time_column="arrived_at",
    ),
)

departing_flights = EventSource(
    table="flights.departures",
    topic="flights.departures",
    query=Query(
        selects=["flight_id", "carrier", "flight", "tailnum", "origin", "dest", "distance"],
        time_column="departed_at",
    ),
)

labelled_flights = EventSource(
    table="flights.departures",
    topic="flights.departures",
    query=Query(
        selects=["flight_id", "carrier", "tailnum", "origin", "distance", "dep_delay", "arr_delay"],
        time_column="departed_at",
    ),
)

observations = EventSource(
    table="flights.weather",
    topic="flights.weather",
    query=Query(
        selects=["origin", "temp", "wind_speed", "wind_gust", "precip", "visib"],
        time_column="observed_at",
    ),
)

# ── Depth 1: the aircraft ────────────────────────────────────────────────────────────────────────

aircraft_delays = GroupBy(
    name="aircraft_delays",
    sources=arrivals,
    keys="tailnum",
    aggregations=[
        Aggregation("arr_delay", Operation.LAST, windows=["1d", "7d"]),
        Aggregation("arr_delay", Operation.AVERAGE, windows=["1d", "7d"]),
        Aggregation("late", Operation.SUM, windows="12h", name="late_arrivals_12h"),
        Aggregation("arr_delay", Operation.LAST_K(5)),
    ],
    metadata=MetaData(description="How late this aircraft has been arriving"),
)

weather = GroupBy(
    name="weather",
    sources=observations,
    keys="origin",
    metadata=MetaData(description="The last observation at the airport"),
)

planes = GroupBy(
    name="planes",
    sources=EntitySource(
        snapshot_table="flights.planes",
        query=Query(
            selects={"tailnum": "tailnum", "built": "year", "model": "model", "seats": "seats"},
        ),
        holds=True,  # one snapshot, on the eve of the year, stands for all of it
    ),
    keys="tailnum",
    metadata=MetaData(description="The aircraft's own record"),
)

departures = Join(
    name="departures",
    left=departing_flights,
    parts=[aircraft_delays, weather, planes],
    metadata=MetaData(description="Every departure, with what was known about its aircraft"),
)

# ── Depth 2: the carrier at an airport ───────────────────────────────────────────────────────────

carrier_pressure = GroupBy(
    name="carrier_pressure",
    sources=JoinSource(
        join=departures,
        query=Query(
            selects={
                "carrier": "carrier",
                "origin": "origin",
                "aircraft_delay": "aircraft_delays_arr_delay_last_7d",
                "late": "IF(aircraft_delays_arr_delay_last_7d >= 15, 1, 0)",
            },
            wheres="aircraft_delays_arr_delay_last_7d IS NOT NULL",
        ),
    ),
    keys=["carrier", "origin"],
    aggregations=[
        Aggregation("aircraft_delay", Operation.AVERAGE, windows=["1h", "12h", "7d"]),
        Aggregation("aircraft_delay", Operation.MAX, windows=["1h", "12h", "7d"]),
        Aggregation("aircraft_delay", Operation.COUNT, windows=["1h", "12h", "7d"]),
        Aggregation("late", Operation.SUM, windows="12h"),
    ],
    derivations=[
        Derivation("*", "*"),
        Derivation("late_share_12h", "late_sum_12h / aircraft_delay_count_12h"),
    ],
    metadata=MetaData(
        description="How late the aircraft are with which a carrier leaves from here"
    ),
)

connections = Join(
    name="connections",
    left=departing_flights,
    parts=[carrier_pressure, aircraft_delays],
    metadata=MetaData(description="Every departure, with its carrier's pressure at that minute"),
)

# ── Depth 3: the hub ─────────────────────────────────────────────────────────────────────────────

hub_pressure = GroupBy(
    name="hub_pressure",
    sources=JoinSource(
        join=connections,
        query=Query(
            selects={
                "origin": "origin",
                "pressure": "carrier_pressure_aircraft_delay_average_12h",
                "late_share": "carrier_pressure_late_share_12h",
            },
        ),
    ),
    keys="origin",
    aggregations=[
        Aggregation("pressure", Operation.AVERAGE, windows=["3h", "1d"]),
        Aggregation("late_share", Operation.AVERAGE, windows=["3h", "1d"]),
    ],
    metadata=MetaData(description="The pressure of all carriers that leave from this airport"),
)

# ── What a model trains on ───────────────────────────────────────────────────────────────────────

flight_risk = Join(
    name="flight_risk",
    left=labelled_flights,
    parts=[
        JoinPart(aircraft_delays),
        JoinPart(carrier_pressure),
        JoinPart(hub_pressure),
        JoinPart(weather),
    ],
    derivations=[
        Derivation("*", "*"),
        Derivation(
            "delay_beyond_carrier",
            "aircraft_delays_arr_delay_last_1d - carrier_pressure_aircraft_delay_average_12h",
        ),
        Derivation(
            "hub_trend",
            "hub_pressure_late_share_average_3h / hub_pressure_late_share_average_1d",
        ),
        Derivation(
            "is_rough_weather",
            "COALESCE(weather_wind_gust, weather_wind_speed) > 30"
            " OR weather_visib < 1 OR weather_precip > 0.1",
        ),
        Derivation(
            "risk",
            "CASE WHEN aircraft_delays_arr_delay_last_1d >= 60 THEN 'aircraft'"
            " WHEN is_rough_weather THEN 'weather'"
            " WHEN carrier_pressure_late_share_12h >= 0.5 THEN 'carrier'"
            " WHEN hub_trend >= 1.5 THEN 'hub'"
            " ELSE 'none' END",
        ),
    ],
    metadata=MetaData(description="A flight at its departure; the label is its arr_delay"),
)

DEFINITIONS: Final = (
    aircraft_delays,
    departures,
    carrier_pressure,
    connections,
    hub_pressure,
    flight_risk,
)
"""The story's six definitions, in the order in which it tells them."""

-- What flight_risk must hold, computed by a database from the same tables: no code of Catenary.
--
-- A window of length W, read at q, covers [floor(q - W, hop), q): the hop is an hour for windows of
-- at least 12 h, five minutes for those of at least 1 h. RANGE frames say exactly that: they end one
-- millisecond before the row's own time, and begin at a floored start that every row has for itself.
-- Instants are milliseconds since 1970. What a window holds none of is null.

CREATE MACRO start_of(q, length, hop) AS (q - length) // hop * hop;
CREATE MACRO hours(n) AS n * 3600000;
CREATE MACRO mean_of(total, n) AS total / power(2, 66) / nullif(n, 0);

CREATE VIEW departure AS
SELECT epoch_ms(departed_at) AS q, * EXCLUDE (departed_at, ds)
FROM read_parquet(getvariable('tables') || '/flights.departures/*/*.parquet', hive_partitioning = true);

CREATE VIEW arrival AS
SELECT epoch_ms(arrived_at) AS landed, tailnum, arr_delay, (arr_delay >= 15)::INT AS late
FROM read_parquet(getvariable('tables') || '/flights.arrivals/*/*.parquet', hive_partitioning = true)
WHERE flight_id IS DISTINCT FROM getvariable('without_arrival');

CREATE VIEW observation AS
SELECT epoch_ms(observed_at) AS seen, * EXCLUDE (observed_at, ds)
FROM read_parquet(getvariable('tables') || '/flights.weather/*/*.parquet', hive_partitioning = true);

-- Depth 1. Arrivals and departures of an aircraft in one stream: departures ask, arrivals answer.

CREATE TABLE aircraft_windows AS
WITH stream AS (
    SELECT tailnum, landed AS q, arr_delay, late, NULL AS flight_id FROM arrival
    UNION ALL
    SELECT tailnum, q, NULL, NULL, flight_id FROM departure WHERE tailnum IS NOT NULL
)
SELECT
    flight_id,
    sum(arr_delay) OVER one_day / count(arr_delay) OVER one_day AS aircraft_delays_arr_delay_average_1d,
    sum(arr_delay) OVER seven_days / count(arr_delay) OVER seven_days AS aircraft_delays_arr_delay_average_7d,
    (sum(late) OVER half_day)::BIGINT AS aircraft_delays_late_arrivals_12h
FROM stream
WINDOW
    half_day AS (
        PARTITION BY tailnum ORDER BY q
        RANGE BETWEEN q - start_of(q, hours(12), hours(1)) PRECEDING AND 1 PRECEDING
    ),
    one_day AS (
        PARTITION BY tailnum ORDER BY q
        RANGE BETWEEN q - start_of(q, hours(24), hours(1)) PRECEDING AND 1 PRECEDING
    ),
    seven_days AS (
        PARTITION BY tailnum ORDER BY q
        RANGE BETWEEN q - start_of(q, hours(168), hours(1)) PRECEDING AND 1 PRECEDING
    )
QUALIFY flight_id IS NOT NULL;

-- The last arrival before each departure: of several at one instant the greatest delay is the last.

CREATE TABLE aircraft_last AS
WITH latest_five AS (
    SELECT tailnum, landed, arr_delay,
        list(arr_delay) OVER (
            PARTITION BY tailnum ORDER BY landed, arr_delay ROWS BETWEEN 4 PRECEDING AND CURRENT ROW
        ) AS five
    FROM arrival
    QUALIFY row_number() OVER (PARTITION BY tailnum, landed ORDER BY arr_delay DESC) = 1
)
SELECT
    flight_id,
    CASE WHEN landed >= start_of(q, hours(24), hours(1)) THEN latest_five.arr_delay END AS aircraft_delays_arr_delay_last_1d,
    CASE WHEN landed >= start_of(q, hours(168), hours(1)) THEN latest_five.arr_delay END AS aircraft_delays_arr_delay_last_7d,
    list_reverse(five) AS aircraft_delays_arr_delay_last5
FROM departure ASOF JOIN latest_five ON departure.tailnum = latest_five.tailnum AND q > landed;

-- Depth 2. Every departure that knows its aircraft's last delay is an event for those after it.

CREATE TABLE carrier_pressure AS
WITH enriched AS (
    SELECT flight_id, q, carrier, origin, aircraft_delays_arr_delay_last_7d AS delay,
        (aircraft_delays_arr_delay_last_7d >= 15)::INT AS late
    FROM departure LEFT JOIN aircraft_last USING (flight_id)
)
SELECT
    flight_id,
    sum(delay) OVER one_hour / count(delay) OVER one_hour AS carrier_pressure_aircraft_delay_average_1h,
    sum(delay) OVER half_day / count(delay) OVER half_day AS carrier_pressure_aircraft_delay_average_12h,
    sum(delay) OVER seven_days / count(delay) OVER seven_days AS carrier_pressure_aircraft_delay_average_7d,
    max(delay) OVER one_hour AS carrier_pressure_aircraft_delay_max_1h,
    max(delay) OVER half_day AS carrier_pressure_aircraft_delay_max_12h,
    max(delay) OVER seven_days AS carrier_pressure_aircraft_delay_max_7d,
    nullif(count(delay) OVER one_hour, 0) AS carrier_pressure_aircraft_delay_count_1h,
    nullif(count(delay) OVER half_day, 0) AS carrier_pressure_aircraft_delay_count_12h,
    nullif(count(delay) OVER seven_days, 0) AS carrier_pressure_aircraft_delay_count_7d,
    (sum(late) OVER half_day)::BIGINT AS carrier_pressure_late_sum_12h,
    sum(late) OVER half_day / count(delay) OVER half_day AS carrier_pressure_late_share_12h
FROM enriched
WINDOW
    one_hour AS (
        PARTITION BY carrier, origin ORDER BY q
        RANGE BETWEEN q - start_of(q, hours(1), 300000) PRECEDING AND 1 PRECEDING
    ),
    half_day AS (
        PARTITION BY carrier, origin ORDER BY q
        RANGE BETWEEN q - start_of(q, hours(12), hours(1)) PRECEDING AND 1 PRECEDING
    ),
    seven_days AS (
        PARTITION BY carrier, origin ORDER BY q
        RANGE BETWEEN q - start_of(q, hours(168), hours(1)) PRECEDING AND 1 PRECEDING
    );

-- Depth 3. Every departure, with its carrier's pressure, is an event for those after it at the hub.
-- Delays cancel out, so a sum of doubles would lose digits: these are summed as whole multiples of
-- 2^-66, which every one of them is. A window's total is the running total before its end without
-- the running total before its start.

CREATE TABLE hub_pressure AS
WITH by_minute AS (
    SELECT origin, q AS minute,
        sum((carrier_pressure_aircraft_delay_average_12h * power(2, 66))::HUGEINT) AS pressure,
        sum((carrier_pressure_late_share_12h * power(2, 66))::HUGEINT) AS late_share,
        count(carrier_pressure_late_share_12h) AS n
    FROM departure JOIN carrier_pressure USING (flight_id)
    GROUP BY origin, q
),
running AS (
    SELECT origin, minute,
        coalesce(sum(pressure) OVER so_far, 0) AS pressure,
        coalesce(sum(late_share) OVER so_far, 0) AS late_share,
        sum(n) OVER so_far AS n
    FROM by_minute
    WINDOW so_far AS (PARTITION BY origin ORDER BY minute)
    UNION ALL
    SELECT DISTINCT origin, 0, 0, 0, 0 FROM by_minute
),
windows AS (
    SELECT flight_id, origin, q,
        start_of(q, hours(3), 300000) AS start_3h,
        start_of(q, hours(24), hours(1)) AS start_1d
    FROM departure
)
SELECT
    flight_id,
    mean_of(upto.pressure - upto_3h.pressure, upto.n - upto_3h.n)
        AS hub_pressure_pressure_average_3h,
    mean_of(upto.pressure - upto_1d.pressure, upto.n - upto_1d.n)
        AS hub_pressure_pressure_average_1d,
    mean_of(upto.late_share - upto_3h.late_share, upto.n - upto_3h.n)
        AS hub_pressure_late_share_average_3h,
    mean_of(upto.late_share - upto_1d.late_share, upto.n - upto_1d.n)
        AS hub_pressure_late_share_average_1d
FROM windows
ASOF JOIN running AS upto ON windows.origin = upto.origin AND q > upto.minute
ASOF JOIN running AS upto_3h ON windows.origin = upto_3h.origin AND start_3h > upto_3h.minute
ASOF JOIN running AS upto_1d ON windows.origin = upto_1d.origin AND start_1d > upto_1d.minute;

-- The rows that a model trains on. Weather is the last observation before the departure.

CREATE TABLE flight_risk AS
WITH joined AS (
    SELECT
        departure.* EXCLUDE (flight, dest),
        aircraft_last.* EXCLUDE (flight_id),
        aircraft_windows.* EXCLUDE (flight_id),
        carrier_pressure.* EXCLUDE (flight_id),
        hub_pressure.* EXCLUDE (flight_id),
        observation.temp AS weather_temp,
        observation.wind_speed AS weather_wind_speed,
        observation.wind_gust AS weather_wind_gust,
        observation.precip AS weather_precip,
        observation.visib AS weather_visib
    FROM departure
    LEFT JOIN aircraft_last USING (flight_id)
    LEFT JOIN aircraft_windows USING (flight_id)
    LEFT JOIN carrier_pressure USING (flight_id)
    LEFT JOIN hub_pressure USING (flight_id)
    ASOF LEFT JOIN observation ON departure.origin = observation.origin AND departure.q > observation.seen
),
derived AS (
    SELECT
        * RENAME (q AS ts),
        aircraft_delays_arr_delay_last_1d - carrier_pressure_aircraft_delay_average_12h
            AS delay_beyond_carrier,
        hub_pressure_late_share_average_3h / nullif(hub_pressure_late_share_average_1d, 0)
            AS hub_trend,
        coalesce(weather_wind_gust, weather_wind_speed) > 30 OR weather_visib < 1 OR weather_precip > 0.1
            AS is_rough_weather
    FROM joined
)
SELECT
    *,
    CASE
        WHEN aircraft_delays_arr_delay_last_1d >= 60 THEN 'aircraft'
        WHEN is_rough_weather THEN 'weather'
        WHEN carrier_pressure_late_share_12h >= 0.5 THEN 'carrier'
        WHEN hub_trend >= 1.5 THEN 'hub'
        ELSE 'none'
    END AS risk
FROM derived
ORDER BY flight_id;

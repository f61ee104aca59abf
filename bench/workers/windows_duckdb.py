"""DuckDB: running totals per key, then one as-of join per bound. Arguments: folder operations [save].

Totals are taken over peers (RANGE), so that any row of equal times carries the total of all of them.
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import duckdb

from bench.data import read
from bench.workers.shape import WINDOWS

folder = Path(sys.argv[1])
assert sys.argv[2] == "sum,count,average", "as-of joins on running totals give sums and counts only"
events, queries = read(folder / "events.arrow"), read(folder / "queries.arrow")
db = duckdb.connect(config={"threads": 2, "memory_limit": "12GB"})
db.execute("""
    create temp table totals as
    select k, ts, sum(v) over w as s, count(v) over w as c
    from events window w as (partition by k order by ts)
""")
db.execute("create temp table asked as select row_number() over () - 1 as id, k, ts from queries")
joins, sums, counts, averages = [], [], [], []
for name, window, hop in WINDOWS:
    s, c = "hi.s", "coalesce(hi.c, 0)"
    if window is not None:
        start = f"((asked.ts - {window}) - ((asked.ts - {window}) % {hop} + {hop}) % {hop})"
        joins.append(
            f"asof left join totals as lo{name} on asked.k = lo{name}.k and {start} > lo{name}.ts"
        )
        s, c = f"hi.s - coalesce(lo{name}.s, 0)", f"coalesce(hi.c, 0) - coalesce(lo{name}.c, 0)"
    sums.append(f"case when {c} > 0 then {s} end as sum_{name}")
    counts.append(f"nullif({c}, 0) as count_{name}")
    averages.append(f"case when {c} > 0 then ({s}) / ({c}) end as average_{name}")
result = db.sql(f"""
    select {", ".join(sums + counts + averages)}
    from asked asof left join totals as hi on asked.k = hi.k and asked.ts > hi.ts {" ".join(joins)}
    order by asked.id
""").to_arrow_table()
if len(sys.argv) > 3:
    import pyarrow as pa

    with pa.OSFile(sys.argv[3], "wb") as sink, pa.ipc.new_file(sink, result.schema) as writer:
        writer.write_table(result)
print(json.dumps({"rows": result.num_rows}))

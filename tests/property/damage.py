"""Records that are damaged, for laws that say what may come of it."""

from __future__ import annotations

from hypothesis import strategies as st


def damaged(record: bytes) -> st.SearchStrategy[bytes]:
    """Bytes changed, put in, taken away; or any bytes at all."""
    place, some = st.integers(0, len(record)), st.binary(min_size=1, max_size=11)
    return st.one_of(
        st.binary(max_size=40),
        place.map(lambda at: record[:at]),
        st.tuples(place, some).map(lambda to: record[: to[0]] + to[1] + record[to[0] :]),
        st.tuples(place, some).map(
            lambda to: record[: to[0]] + to[1] + record[to[0] + len(to[1]) :]
        ),
    )

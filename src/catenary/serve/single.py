"""One request's row without tables: the path of a model that asks for one entity and waits.

    request ──► entity ──► state.one, from one snapshot per dataset ──► expressions, row by row ──► Row

It says what `lookup.py` says; a row whose derivation raises it leaves to that, by answering None.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING

from catenary.errors import RunError
from catenary.plan.nodes import GroupByNode
from catenary.ports import statuses
from catenary.serve.groups import NULL, together
from catenary.state import one
from catenary.state.keys import encode_key
from catenary.windows import ds_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from catenary.plan.nodes import Derivations, JoinNode
    from catenary.ports import Snapshot
    from catenary.serve.groups import Group
    from catenary.serve.lookup import StoreLookup

Values = dict[str, object]


@dataclass(frozen=True)
class Single:
    """What one row comes to.

    Attributes:
        values: the features, by name.
        bits: the row's statuses.
        parts: the same per part.
        reason: what a refused read would have needed; None if none was.
    """

    values: Values
    bits: int
    parts: dict[str, int]
    reason: str | None


@dataclass(frozen=True)
class _Part:
    """One part of a Join as it is read, or a GroupBy by itself.

    Attributes:
        group: the GroupBy.
        keys: the left's columns that are its keys.
        columns: its columns' names, and what they are called on the left.
    """

    group: Group
    keys: tuple[str, ...]
    columns: tuple[tuple[str, str], ...]

    @cached_property
    def names(self) -> tuple[str, ...] | None:
        """What the columns that are read are called on the left; None if these are others, or derived."""
        own, joined = zip(*self.columns, strict=True) if self.columns else ((), ())
        if self.group.node.derivations is not None or own != self.group.columns:
            return None
        return joined


class SinglePath:
    """Reads single rows of one definition.

    Args:
        node: a Join or a GroupBy.
        lookup: how its GroupBys are read.
        late: what a snapshot that has not landed is answered with: `previous` or `null`.
    """

    def __init__(self, node: JoinNode | GroupByNode, lookup: StoreLookup, late: str) -> None:
        self._lookup = lookup
        self._late = late
        self._shift_ms = 0 if isinstance(node, GroupByNode) else node.shift_ms
        if isinstance(node, GroupByNode):
            group = lookup.group(node)
            self._parts = [_Part(group, group.keys, tuple((name, name) for name in node.schema))]
            self._derivations = None
        else:
            self._parts = [
                _Part(lookup.group(each.group_by), each.left_keys, each.columns)
                for each in node.parts
            ]
            self._derivations = node.derivations
        self._alike = together([part.group for part in self._parts])

    def row(self, given: Mapping[str, object], ts: int) -> Single | None:
        """One row; None if the lookup is to answer it.

        Args:
            given: the request's columns, in their types' Python form.
            ts: milliseconds; events strictly before it count.
        """
        left: Values = {**given, "ts": ts, "ds": ds_of(ts)}
        try:
            return self._read(left, ts)
        except _DerivationError:
            return None

    def _read(self, left: Values, ts: int) -> Single:
        base: Values = {}
        parts: dict[str, int] = {}
        bits, reason = 0, None
        found = self._groups(left, ts + self._shift_ms)
        for part, (values, status, lacking) in zip(self._parts, found, strict=True):
            name = part.group.node.name
            bits |= status
            parts[name] = parts.get(name, 0) | status
            reason = reason or lacking
            if part.names is not None:
                if base:
                    base.update(values)
                else:
                    base = values  # as it is: a part's columns are made for this row
                continue
            for own, joined in part.columns:
                base[joined] = values[own]
        if self._derivations is not None:
            base = _derived(self._derivations, {**left, **base})
        return Single(base, bits, parts, reason)

    def _groups(self, left: Values, ts: int) -> list[tuple[Values, int, str | None]]:
        """Each part's columns, statuses, and what a refused read would have needed."""
        found: dict[int, tuple[Values, int, str | None]] = {}
        brought = self._lookup.bring(
            (group, partial(self._entities, group, left)) for group, _ in self._alike
        )
        for group, places in self._alike:
            # All parts of one GroupBy are read from one snapshot.
            with group.opened(brought) as snapshot:
                if snapshot is not None:
                    group.check(snapshot)
                for place in places:
                    found[place] = self._part(self._parts[place], snapshot, left, ts)
        return [found[place] for place in range(len(self._parts))]

    def _entities(self, group: Group, left: Values) -> list[bytes]:
        """The entities of all parts of a GroupBy."""
        keys = ([left[name] for name in each.keys] for each in self._parts if each.group is group)
        return [entity for own in keys if (entity := encode_key(own)) is not None]

    def _part(
        self, part: _Part, snapshot: Snapshot | None, left: Values, ts: int
    ) -> tuple[Values, int, str | None]:
        """The columns, by their own names, or at once by the left's where the part has these."""
        group, names = part.group, part.names
        keys = [left[name] for name in part.keys]
        entity = encode_key(keys)
        if snapshot is None:
            doubt = statuses.MISSING if entity is None else statuses.MISSING_UPLOAD
            return _nothing(group, names), doubt, None
        if entity is None:
            if names is not None:
                return _nothing(group, names), statuses.MISSING, None
            base = dict(group.no_values)
            return self._with_derivations(group, base, keys, left), statuses.MISSING, None
        read = self._one(group, snapshot, entity, ts)
        self._lookup.merged.closed += read.closed
        self._lookup.merged.head += read.head
        late = self._late == NULL and group.is_late(snapshot, ts)
        if late or read.own & group.refusals:
            too_old = read.own & statuses.BEFORE_RETENTION
            nothing = _nothing(group, names)
            return nothing, read.status, group.lacking(ts) if too_old else None
        if names is not None:
            return dict(zip(names, read.values, strict=True)), read.status, None
        base = dict(zip(group.columns, read.values, strict=True))
        return self._with_derivations(group, base, keys, left), read.status, None

    @staticmethod
    def _one(group: Group, snapshot: Snapshot, entity: bytes, ts: int) -> one.One:
        if group.is_snapshot:
            return one.read_snapshot(group.layout, snapshot, entity, ts, holds=group.holds)
        return one.read_temporal(group.layout, snapshot, entity, ts)

    @staticmethod
    def _with_derivations(group: Group, base: Values, keys: list[object], left: Values) -> Values:
        if group.node.derivations is None:
            return base if group.is_whole else {name: base[name] for name in group.no_values}
        times = {"ts": left["ts"], "ds": left["ds"]}
        own = dict(zip(group.keys, keys, strict=True))
        return _derived(group.node.derivations, {**base, **own, **times})


def _nothing(group: Group, names: tuple[str, ...] | None) -> Values:
    """A row of nulls, under the names that a part is read by."""
    return {**group.nothing} if names is None else {**dict.fromkeys(names)}


class _DerivationError(Exception):
    """A derivation raised; the lookup finds out what to say."""


def _derived(derivations: Derivations, row: Values) -> Values:
    """The columns that remain; each step reads the nearest earlier one of a name."""
    try:
        for step in derivations.steps:
            row[step.name] = _clean(step.expression.row_function(row))
    except RunError:
        raise
    except Exception as error:
        raise _DerivationError from error
    return {name: row[name] for name in derivations.output}


def _clean(value: object) -> object:
    """Floats without NaN and -0.0, also in lists and structs (semantics 10 and 14)."""
    if isinstance(value, float):
        return None if value != value else value + 0.0
    if isinstance(value, list):
        return [_clean(each) for each in value]  # pyright: ignore[reportUnknownVariableType] - any
    if isinstance(value, dict):
        return {name: _clean(each) for name, each in value.items()}  # pyright: ignore[reportUnknownVariableType] - any
    return value

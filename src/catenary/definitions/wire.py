"""Definitions as plain data and back: what crosses to another process.

    {name: definition} ──► [definition, …] by number, each after what it reads ──► {name: definition}

A definition that several others read is written once and referred to, so a chain of many paths stays
small. Equal definitions come back, with the places where they were written: messages name the same
lines. Nothing is executed on the way, and data of another shape is refused, never guessed at.

Not here: bytes, versions, and what else a worker needs; those are the plan's.
Held to account by: ``tests/unit/definitions/test_wire.py``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, TypeGuard, TypeVar, cast

from catenary.definitions.aggregation import Aggregation, Operation, Scalar, TimeUnit, Window
from catenary.definitions.group_by import Accuracy, GroupBy
from catenary.definitions.join import Join, JoinPart
from catenary.definitions.metadata import Derivation, MetaData
from catenary.definitions.source import EntitySource, EventSource, JoinSource, Query, Source
from catenary.errors import DefinitionError

Definition = GroupBy | Join
Data = dict[str, Any]
_Number = Callable[[Definition], int]
_Kind = TypeVar("_Kind", bound=Definition)
_Placed = TypeVar("_Placed", GroupBy, Join, JoinPart, Query, Aggregation)


def to_data(definitions: Mapping[str, Definition]) -> Data:
    """Plain data (mappings, lists, text, numbers, booleans, None) for some definitions.

    Args:
        definitions: by name; what they read is taken along.

    Raises:
        DefinitionError: for a `default=` that is no plain value.
    """
    numbers: dict[int, int] = {}
    alike: dict[str, int] = {}
    written: list[Data] = []

    def number(each: Definition) -> int:
        if id(each) not in numbers:
            data = _group_by(each, number) if isinstance(each, GroupBy) else _join(each, number)
            # Copies of a definition are written once too. One without a name is told from others by
            # its identity alone: two may have been written on one line, in a loop.
            content = repr(data) if each.name is not None else f"unnamed {id(each)}"
            numbers[id(each)] = alike.setdefault(content, len(written))
            if numbers[id(each)] == len(written):
                written.append(data)
        return numbers[id(each)]

    names = {name: number(each) for name, each in definitions.items()}
    return {"definitions": written, "names": names}


def from_data(data: object) -> dict[str, Definition]:
    """The definitions that `to_data` wrote, by name.

    Raises:
        DefinitionError: for data of another shape, or definitions that cannot be right.
    """
    held = _fields(data, _ALL, "definitions' data")
    made: list[Definition] = []
    for each in held["definitions"]:
        is_join = _is_mapping(each) and each.get("kind") == "join"
        made.append(_join_of(each, made) if is_join else _group_by_of(each, made))
    return {name: _made(made, number, (GroupBy, Join)) for name, number in held["names"].items()}


# Each kind of definition: to data, and back.


def _group_by(each: GroupBy, number: _Number) -> Data:
    return {
        "kind": "group_by",
        "name": each.name,
        "sources": [_source(source, number) for source in each.sources],
        "keys": list(each.keys),
        "aggregations": [_aggregation(one) for one in each.aggregations],
        "accuracy": None if each.accuracy is None else each.accuracy.value,
        "derivations": [_derivation(one) for one in each.derivations],
        "latest_by": each.latest_by,
        "metadata": _metadata(each.metadata),
        "where": each.where,
    }


def _group_by_of(data: object, made: list[Definition]) -> GroupBy:
    held = _fields(data, _GROUP_BY, "a GroupBy")
    found = GroupBy(
        held["name"],
        sources=[_source_of(each, made) for each in held["sources"]],
        keys=held["keys"],
        aggregations=[_aggregation_of(each) for each in held["aggregations"]],
        accuracy=None if held["accuracy"] is None else Accuracy(held["accuracy"]),
        derivations=[_derivation_of(each) for each in held["derivations"]],
        latest_by=held["latest_by"],
        metadata=_metadata_of(held["metadata"]),
    )
    return _placed(found, held)


def _join(each: Join, number: _Number) -> Data:
    return {
        "kind": "join",
        "name": each.name,
        "left": _source(each.left, number),
        "parts": [_part(part, number) for part in each.parts],
        "derivations": [_derivation(one) for one in each.derivations],
        "contextual": list(each.contextual),
        "metadata": _metadata(each.metadata),
        "where": each.where,
    }


def _join_of(data: object, made: list[Definition]) -> Join:
    held = _fields(data, _JOIN, "a Join")
    found = Join(
        held["name"],
        left=_source_of(held["left"], made),
        parts=[_part_of(each, made) for each in held["parts"]],
        derivations=[_derivation_of(each) for each in held["derivations"]],
        contextual=held["contextual"],
        metadata=_metadata_of(held["metadata"]),
    )
    return _placed(found, held)


def _part(each: JoinPart, number: _Number) -> Data:
    return {
        "group_by": number(each.group_by),
        "key_mapping": dict(each.key_mapping),
        "prefix": each.prefix,
        "where": each.where,
    }


def _part_of(data: object, made: list[Definition]) -> JoinPart:
    held = _fields(data, _PART, "a JoinPart")
    group_by = _made(made, held["group_by"], (GroupBy,))
    found = JoinPart(group_by, key_mapping=held["key_mapping"], prefix=held["prefix"])
    return _placed(found, held)


def _source(each: Source, number: _Number) -> Data:
    data: Data = {"query": _query(each.query), "where": each.where}
    if isinstance(each, JoinSource):
        return {"kind": "join", "join": number(each.join), **data}
    kind = "events" if isinstance(each, EventSource) else "entities"
    own = {name: getattr(each, name) for name in _SOURCES[kind] if name not in ("kind", *data)}
    return {"kind": kind, **own, **data}


def _source_of(data: object, made: list[Definition]) -> Source:
    kind = data.get("kind") if _is_mapping(data) else None
    if not isinstance(kind, str) or kind not in _SOURCES:
        raise DefinitionError(f"a source's data is of no known kind: {_short(data)}")
    held = _fields(data, _SOURCES[kind], f"a source of {kind}")
    given = {name: value for name, value in held.items() if name != "kind"}
    given["query"] = _query_of(held["query"])
    if kind == "join":
        given["join"] = _made(made, held["join"], (Join,))
        return JoinSource(**given)
    return EventSource(**given) if kind == "events" else EntitySource(**given)


def _query(each: Query) -> Data:
    return {
        "selects": None if each.selects is None else dict(each.selects),
        "wheres": list(each.wheres),
        "time_column": each.time_column,
        "start": each.start,
        "end": each.end,
        "where": each.where,
    }


def _query_of(data: object) -> Query:
    held = _fields(data, _QUERY, "a Query")
    found = Query(**{name: value for name, value in held.items() if name != "where"})
    return _placed(found, held)


def _aggregation(each: Aggregation) -> Data:
    several = isinstance(each.default, tuple)
    return {
        "input_column": each.input_column,
        "operation": each.operation.name,
        "k": each.operation.k,
        "sample": each.operation.sample,
        "windows": [_window(window) for window in each.windows],
        "buckets": list(each.buckets),
        "default": [_scalar(one, each) for one in cast("tuple[Scalar, ...]", each.default)]
        if several
        else _scalar(cast("Scalar | None", each.default), each),
        "name": each.name,
        "hop": None if each.hop is None else _window(each.hop),
        "where": each.where,
    }


def _aggregation_of(data: object) -> Aggregation:
    held = _fields(data, _AGGREGATION, "an Aggregation")
    default = held["default"]
    found = Aggregation(
        held["input_column"],
        Operation(held["operation"], k=held["k"], sample=held["sample"]),
        windows=[_window_of(each) for each in held["windows"]],
        buckets=held["buckets"],
        default=tuple(map(_scalar_of, default))
        if isinstance(default, list)
        else _scalar_of(default),
        name=held["name"],
        hop=None if held["hop"] is None else _window_of(held["hop"]),
    )
    return _placed(found, held)


def _scalar(value: Scalar | None, owner: Aggregation) -> object:
    """A default in plain data; standard JSON has no infinity and no NaN, so those are spelled out.

    Another type, such as numpy's float, would come back as a plain one and change the fingerprint.
    """
    if value is not None and type(value) not in (bool, int, float, str):
        problem = f"default={value!r} ({type(value).__name__}) is no bool, int, float or str"
        raise DefinitionError(problem, where=owner.where, hint="convert it: float(...), int(...)")
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": repr(value)}
    return value


def _scalar_of(value: Any) -> Any:
    return float(value["float"]) if _is_mapping(value) else value


def _window(each: Window) -> Data:
    return {"length": each.length, "unit": each.unit.value}


def _window_of(data: object) -> Window:
    held = _fields(data, _WINDOW, "a Window")
    return Window(held["length"], TimeUnit(held["unit"]))


def _derivation(each: Derivation) -> Data:
    return {name: getattr(each, name) for name in _DERIVATION}


def _derivation_of(data: object) -> Derivation:
    return Derivation(**_fields(data, _DERIVATION, "a Derivation"))


def _metadata(each: MetaData) -> Data:
    return {"team": each.team, "description": each.description, "tags": dict(each.tags)}


def _metadata_of(data: object) -> MetaData:
    held = _fields(data, _METADATA, "a MetaData")
    return MetaData(held["team"], held["description"], MappingProxyType(held["tags"]))


def _made(made: list[Definition], number: int, kinds: tuple[type[_Kind], ...]) -> _Kind:
    """The definition of that number, which must be of one of these kinds and stand before."""
    found = made[number] if 0 <= number < len(made) else None
    if not isinstance(found, kinds):
        wanted = " or ".join(kind.__name__ for kind in kinds)
        raise DefinitionError(f"definitions' data refers to number {number}, which is no {wanted}")
    return found


def _placed(made: _Placed, held: Data) -> _Placed:
    """The definition with the place where it was first written."""
    object.__setattr__(made, "where", held["where"])
    return made


# The shape of each kind's data.

_Shape = Callable[[Any], bool]


def _fields(data: object, shapes: Mapping[str, _Shape], what: str) -> Data:
    """Data as a mapping of exactly these fields, each of its shape.

    Raises:
        DefinitionError: naming the first that is not.
    """
    if not _is_mapping(data):
        raise DefinitionError(f"{what} is {_short(data)}, not a mapping of its fields")
    for name, fits in shapes.items():
        if name not in data:
            raise DefinitionError(f"{what} lacks {name!r}")
        if not fits(data[name]):
            raise DefinitionError(f"{what} has {name}={_short(data[name])}, which does not fit")
    if len(data) > len(shapes):
        unknown = next(name for name in data if name not in shapes)
        raise DefinitionError(f"{what} has an unknown field {unknown!r}")
    return data


def _short(data: object) -> str:
    shown = repr(data)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."


def _is_mapping(value: object) -> TypeGuard[Data]:
    return isinstance(value, dict)


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _nested(value: Any) -> bool:
    return isinstance(value, dict)  # what reads it looks into it


def _default(value: Any) -> bool:
    if isinstance(value, list):
        return all(_single(each) for each in cast("list[Any]", value))
    return value is None or _single(value)


def _single(value: Any) -> bool:
    if _is_mapping(value):
        return value in ({"float": "nan"}, {"float": "inf"}, {"float": "-inf"})
    return isinstance(value, (bool, int, float, str))


def _tag(value: Any) -> bool:
    return value is None or isinstance(value, (bool, int, float, str))


def _maybe(fits: _Shape) -> _Shape:
    return lambda value: value is None or fits(value)


def _list(fits: _Shape) -> _Shape:
    return lambda value: isinstance(value, list) and all(map(fits, cast("list[Any]", value)))


def _mapping(fits: _Shape) -> _Shape:
    return lambda value: (
        _is_mapping(value) and all(map(_text, value)) and all(map(fits, value.values()))
    )


def _one_of(*values: str) -> _Shape:
    return lambda value: isinstance(value, str) and value in values


_PLACE: Final[dict[str, _Shape]] = {"where": _text}
_ALL: Final[dict[str, _Shape]] = {"definitions": _list(_nested), "names": _mapping(_whole)}
_GROUP_BY: Final[dict[str, _Shape]] = {
    "kind": _one_of("group_by"),
    "name": _maybe(_text),
    "sources": _list(_nested),
    "keys": _list(_text),
    "aggregations": _list(_nested),
    "accuracy": _maybe(_one_of(*(each.value for each in Accuracy))),
    "derivations": _list(_nested),
    "latest_by": _maybe(_text),
    "metadata": _nested,
    **_PLACE,
}
_JOIN: Final[dict[str, _Shape]] = {
    "kind": _one_of("join"),
    "name": _maybe(_text),
    "left": _nested,
    "parts": _list(_nested),
    "derivations": _list(_nested),
    "contextual": _list(_text),
    "metadata": _nested,
    **_PLACE,
}
_PART: Final[dict[str, _Shape]] = {
    "group_by": _whole,
    "key_mapping": _mapping(_text),
    "prefix": _maybe(_text),
    **_PLACE,
}
_SOURCES: Final[dict[str, dict[str, _Shape]]] = {
    "events": {
        "kind": _text,
        "table": _text,
        "topic": _maybe(_text),
        "late_partitions": _whole,
        "partition_column": _text,
        "query": _nested,
        **_PLACE,
    },
    "entities": {
        "kind": _text,
        "snapshot_table": _text,
        "holds": _flag,
        "partition_column": _text,
        "query": _nested,
        **_PLACE,
    },
    "join": {"kind": _text, "join": _whole, "query": _nested, **_PLACE},
}
_QUERY: Final[dict[str, _Shape]] = {
    "selects": _maybe(_mapping(_text)),
    "wheres": _list(_text),
    "time_column": _maybe(_text),
    "start": _maybe(_text),
    "end": _maybe(_text),
    **_PLACE,
}
_AGGREGATION: Final[dict[str, _Shape]] = {
    "input_column": _text,
    "operation": _text,
    "k": _maybe(_whole),
    "sample": _flag,
    "windows": _list(_nested),
    "buckets": _list(_text),
    "default": _default,
    "name": _maybe(_text),
    "hop": _maybe(_nested),
    **_PLACE,
}
_WINDOW: Final[dict[str, _Shape]] = {
    "length": _whole,
    "unit": _one_of(*(each.value for each in TimeUnit)),
}
_DERIVATION: Final[dict[str, _Shape]] = {
    "name": _text,
    "expression": _text,
    "description": _text,
    **_PLACE,
}
_METADATA: Final[dict[str, _Shape]] = {
    "team": _text,
    "description": _text,
    "tags": _mapping(_tag),
}

"""Definitions as plain data and back: what crosses to another process.

    {name: definition} ──► [definition, …] by number, each after what it reads ──► {name: definition}

A definition that several others read is written once. Equal definitions come back, with the places
where they were written. Nothing is executed on the way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from catenary.definitions.aggregation import Aggregation, Operation, TimeUnit, Window
from catenary.definitions.group_by import Accuracy, GroupBy
from catenary.definitions.join import Join, JoinPart
from catenary.definitions.metadata import Derivation, MetaData
from catenary.definitions.source import EntitySource, EventSource, JoinSource, Query
from catenary.errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Definition = GroupBy | Join
    Data = dict[str, Any]

_SOURCES: Final = (
    "table",
    "snapshot_table",
    "topic",
    "late_partitions",
    "partition_column",
    "holds",
)


def to_data(definitions: Mapping[str, Definition]) -> Data:
    """Plain data (mappings, lists, text, numbers, booleans, None) for some definitions.

    Args:
        definitions: by name; what they read is taken along.
    """
    numbers: dict[int, int] = {}
    written: list[Data] = []

    def number(each: Definition) -> int:
        if id(each) not in numbers:
            data = _group_by(each, number) if isinstance(each, GroupBy) else _join(each, number)
            numbers[id(each)] = len(written)
            written.append(data)
        return numbers[id(each)]

    names = {name: number(each) for name, each in definitions.items()}
    return {"definitions": written, "names": names}


def from_data(data: object) -> dict[str, Definition]:
    """The definitions that `to_data` wrote, by name.

    Raises:
        DefinitionError: for data of another shape.
    """
    made: list[Definition] = []
    try:
        held = cast("Data", data)
        for each in held["definitions"]:
            made.append(
                _join_of(each, made) if each["kind"] == "join" else _group_by_of(each, made)
            )
        return {name: made[number] for name, number in held["names"].items()}
    except (KeyError, TypeError, IndexError, ValueError, AttributeError) as error:
        if isinstance(error, DefinitionError):
            raise
        raise DefinitionError(f"these are no definitions' data: {error!r}") from error


def _group_by(each: GroupBy, number: Callable[[Definition], int]) -> Data:
    return {
        "kind": "group_by",
        "name": each.name,
        "sources": [_source(source, number) for source in each.sources],
        "keys": list(each.keys),
        "aggregations": [_aggregation(one) for one in each.aggregations],
        "accuracy": None if each.accuracy is None else each.accuracy.name,
        "derivations": [_derivation(one) for one in each.derivations],
        "latest_by": each.latest_by,
        "metadata": _metadata(each.metadata),
        "where": each.where,
    }


def _group_by_of(data: Data, made: list[Definition]) -> GroupBy:
    found = GroupBy(
        data["name"],
        sources=[_source_of(each, made) for each in data["sources"]],
        keys=data["keys"],
        aggregations=[_aggregation_of(each) for each in data["aggregations"]],
        accuracy=None if data["accuracy"] is None else Accuracy[data["accuracy"]],
        derivations=[_derivation_of(each) for each in data["derivations"]],
        latest_by=data["latest_by"],
        metadata=MetaData(**data["metadata"]),
    )
    return _placed(found, data)


def _join(each: Join, number: Callable[[Definition], int]) -> Data:
    return {
        "kind": "join",
        "name": each.name,
        "left": _source(each.left, number),
        "parts": [
            {
                "group_by": number(part.group_by),
                "key_mapping": dict(part.key_mapping),
                "prefix": part.prefix,
                "where": part.where,
            }
            for part in each.parts
        ],
        "derivations": [_derivation(one) for one in each.derivations],
        "contextual": list(each.contextual),
        "metadata": _metadata(each.metadata),
        "where": each.where,
    }


def _join_of(data: Data, made: list[Definition]) -> Join:
    parts = [
        _placed(
            JoinPart(
                cast("GroupBy", made[part["group_by"]]),
                key_mapping=part["key_mapping"],
                prefix=part["prefix"],
            ),
            part,
        )
        for part in data["parts"]
    ]
    found = Join(
        data["name"],
        left=_source_of(data["left"], made),
        parts=parts,
        derivations=[_derivation_of(each) for each in data["derivations"]],
        contextual=data["contextual"],
        metadata=MetaData(**data["metadata"]),
    )
    return _placed(found, data)


def _source(source: Any, number: Callable[[Definition], int]) -> Data:
    data: Data = {"query": _query(source.query), "where": source.where}
    if isinstance(source, JoinSource):
        return {"kind": "join", "join": number(source.join), **data}
    kind = "events" if isinstance(source, EventSource) else "entities"
    held = {name: getattr(source, name) for name in _SOURCES if hasattr(source, name)}
    return {"kind": kind, **held, **data}


def _source_of(data: Data, made: list[Definition]) -> EventSource | EntitySource | JoinSource:
    query = _query_of(data["query"])
    if data["kind"] == "join":
        return JoinSource(join=cast("Join", made[data["join"]]), query=query, where=data["where"])
    held = {name: data[name] for name in _SOURCES if name in data}
    kind = {"events": EventSource, "entities": EntitySource}[data["kind"]]
    return kind(query=query, where=data["where"], **held)


def _query(query: Query) -> Data:
    return {
        "selects": None if query.selects is None else dict(query.selects),
        "wheres": list(query.wheres),
        "time_column": query.time_column,
        "start": query.start,
        "end": query.end,
        "where": query.where,
    }


def _query_of(data: Data) -> Query:
    found = Query(
        data["selects"],
        wheres=data["wheres"],
        time_column=data["time_column"],
        start=data["start"],
        end=data["end"],
    )
    return _placed(found, data)


def _aggregation(each: Aggregation) -> Data:
    default = each.default
    return {
        "input_column": each.input_column,
        "operation": [each.operation.name, each.operation.k, each.operation.sample],
        "windows": [_window(window) for window in each.windows],
        "buckets": list(each.buckets),
        "default": list(default) if isinstance(default, tuple) else default,
        "name": each.name,
        "hop": None if each.hop is None else _window(each.hop),
        "where": each.where,
    }


def _aggregation_of(data: Data) -> Aggregation:
    name, k, sample = data["operation"]
    default = data["default"]
    found = Aggregation(
        data["input_column"],
        Operation(name, k=k, sample=sample),
        windows=[_window_of(each) for each in data["windows"]],
        buckets=data["buckets"],
        default=tuple(default) if isinstance(default, list) else default,
        name=data["name"],
        hop=None if data["hop"] is None else _window_of(data["hop"]),
    )
    return _placed(found, data)


def _window(window: Window) -> list[object]:
    return [window.length, window.unit.name]


def _window_of(data: list[Any]) -> Window:
    return Window(data[0], TimeUnit[data[1]])


def _derivation(each: Derivation) -> list[str]:
    return [each.name, each.expression, each.description, each.where]


def _derivation_of(data: list[str]) -> Derivation:
    name, expression, description, where = data
    return Derivation(name, expression, description, where=where)


def _metadata(each: MetaData) -> Data:
    return {"team": each.team, "description": each.description, "tags": dict(each.tags)}


def _placed(made: Any, data: Data) -> Any:
    """The definition with the place where it was first written."""
    object.__setattr__(made, "where", data["where"])
    return made

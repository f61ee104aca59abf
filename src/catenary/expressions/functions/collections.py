"""Arrays, maps and structs. Positions in `a[i]` count from 0, in `element_at` from 1."""

from __future__ import annotations

from functools import cmp_to_key
from typing import Any

from catenary.errors import ExpressionError, UnsupportedError, nearest
from catenary.expressions.functions.registry import FUNCTIONS, define
from catenary.expressions.tree import Call, Column, Literal, Node, quoted
from catenary.expressions.types import common_of, match, widened
from catenary.schema import STRING, Type, array, map_of, struct
from catenary.schema.types import Field


def _array(name: str, args: tuple[Node, ...]) -> tuple[tuple[Node, ...], Type]:
    type_ = common_of(name, args)
    return tuple(widened(each, type_) for each in args), array(type_)


define(
    "array",
    resolve=_array,
    strict=False,
    row=lambda *items: list(items),
    nullable=False,
    group="collections",
)


def _equal(one: object, other: object) -> bool:
    return one == other or (one != one and other != other)


def _compare(one: Any, other: Any) -> int:
    if _equal(one, other):
        return 0
    return 1 if one != one or (other == other and one > other) else -1


def _simple(name: str, type_: Type | None) -> None:
    if type_ is not None and type_.is_nested:
        problem = f"{name} of elements of type {type_} is not there"
        raise UnsupportedError(problem, hint="elements must be of a primitive type")


def _simple_elements(name: str, signature: str) -> Any:
    def resolve(_written: str, args: tuple[Node, ...]) -> tuple[tuple[Node, ...], Type]:
        found = match(signature, args)
        if found is None:
            problem = f"{name}({', '.join(str(each.type) for each in args)}) does not fit {name}({signature})"
            raise ExpressionError(problem)
        _simple(name, found[0][0].type.item)
        return found

    return resolve


def _contains(items: list[object], value: object) -> bool | None:
    if any(each is not None and _equal(each, value) for each in items):
        return True
    return None if None in items else False


def _extreme(way: int) -> Any:
    def row(items: list[Any]) -> object:
        best = None
        for each in items:
            if each is not None and (best is None or _compare(each, best) * way > 0):
                best = each
        return best

    return row


def _sorted(items: list[Any], ascending: bool = True) -> list[Any]:
    known = sorted(
        (each for each in items if each is not None),
        key=cmp_to_key(_compare),
        reverse=not ascending,
    )
    nulls = [None] * (len(items) - len(known))
    return nulls + known if ascending else known + nulls


def _distinct(items: list[Any]) -> list[Any]:
    kept: list[Any] = []
    for each in items:
        if not any(
            each is one if each is None or one is None else _equal(each, one) for one in kept
        ):
            kept.append(each)
    return kept


def _joined(items: list[str | None], separator: str, missing: str | None = None) -> str:
    texts = (missing if each is None else each for each in items)
    return separator.join(each for each in texts if each is not None)


def _position(items: list[object], value: object) -> int:
    return next(
        (at for at, each in enumerate(items, 1) if each is not None and _equal(each, value)), 0
    )


define(
    "array_contains",
    resolve=_simple_elements("array_contains", "array<T>, T -> boolean"),
    row=_contains,
    group="collections",
)
define(
    "array_position",
    resolve=_simple_elements("array_position", "array<T>, T -> bigint"),
    row=_position,
    group="collections",
)
define(
    "array_min",
    resolve=_simple_elements("array_min", "array<T> -> T"),
    row=_extreme(-1),
    group="collections",
)
define(
    "array_max",
    resolve=_simple_elements("array_max", "array<T> -> T"),
    row=_extreme(1),
    group="collections",
)
define(
    "sort_array",
    "array<T> -> array<T>",
    "array<T>, boolean -> array<T>",
    row=_sorted,
    group="collections",
)
define(
    "array_distinct",
    resolve=_simple_elements("array_distinct", "array<T> -> array<T>"),
    row=_distinct,
    group="collections",
)
define(
    "array_join",
    "array<string>, string -> string",
    "array<string>, string, string -> string",
    row=_joined,
    group="collections",
)


def _slice(name: str, args: tuple[Node, ...]) -> tuple[tuple[Node, ...], Type]:
    found = match("array<T>, int, int -> array<T>", args)
    if found is None:
        problem = f"{name} takes an array, a start and a length"
        raise ExpressionError(problem)
    start, length = args[1], args[2]
    if (
        not (isinstance(start, Literal) and isinstance(length, Literal))
        or start.value == 0
        or (isinstance(length.value, int) and length.value < 0)
    ):
        problem = f"{name} takes a literal start other than 0 and a literal length of 0 or more"
        raise UnsupportedError(problem, hint="Spark raises at run time for others")
    return found


def _sliced(items: list[object], start: int, length: int) -> list[object]:
    first = start - 1 if start > 0 else len(items) + start
    return items[first : first + length] if first >= 0 else []


define("slice", resolve=_slice, row=_sliced, group="collections")


def _size(name: str, args: tuple[Node, ...]) -> tuple[tuple[Node, ...], Type]:
    if len(args) != 1 or args[0].type.name not in ("array", "map"):
        problem = f"{name} takes an array or a map"
        raise ExpressionError(problem)
    return args, Type("int")


define("size", resolve=_size, strict=False, nullable=False, row="(-1 if {0} is None else len({0}))", aliases=("cardinality",), group="collections",
       batch=lambda call, a: _size_batch(call, a))  # fmt: skip
define("array_size", "array<T> -> int", row="len({0})", group="collections")


def _size_batch(call: Call, value: Any) -> Any:
    import polars as pl

    if call.args[0].type.name == "map":
        return None
    return value.list.len().cast(pl.Int32).fill_null(-1)


def _item(items: list[object], at: int) -> object:
    return items[at] if 0 <= at < len(items) else None


def _indexed(args: tuple[Node, ...]) -> Node:
    holder, index = args
    if holder.type.name == "array":
        found = match("array<T>, bigint -> T", args)
        if found is None:
            problem = f"an array's position must be a whole number, {index} is {index.type}"
            raise ExpressionError(problem)
        return Call(ITEM, *found)
    if holder.type.name == "map":
        return _looked_up("[]", args)
    if holder.type.name == "struct" and isinstance(index, Literal):
        return _field((holder, index))
    problem = f"{holder} is {holder.type}: [] takes an array or a map"
    raise ExpressionError(problem)


def _looked_up(name: str, args: tuple[Node, ...]) -> Node:
    holder, key = args
    assert holder.type.key is not None
    assert holder.type.item is not None
    fixed = match("T, T -> T", (Literal(None, holder.type.key), key))
    if fixed is None or fixed[1] != holder.type.key:
        problem = f"{name}: a key of {holder.type} must be {holder.type.key}, {key} is {key.type}"
        raise ExpressionError(problem, hint=f"write CAST({key} AS {holder.type.key})")
    return Call(LOOKUP, (holder, fixed[0][1]), holder.type.item)


def _element_at(args: tuple[Node, ...]) -> Node:
    if len(args) != 2 or args[0].type.name not in ("array", "map"):
        problem = "element_at takes an array and a position, or a map and a key"
        raise ExpressionError(problem)
    if args[0].type.name == "map":
        return _looked_up("element_at", args)
    found = match("array<T>, int -> T", args)
    position = args[1]
    if found is None or not isinstance(position, Literal) or position.value == 0:
        problem = f"element_at takes a literal position other than 0, not {position}"
        raise UnsupportedError(problem, hint="use a[i], which counts from 0")
    return Call(ELEMENT, *found)


def _element(items: list[object], at: int) -> object:
    return items[at - 1 if at > 0 else at] if abs(at) <= len(items) else None


define("[]", rewrite=_indexed, group="collections")
define("element_at", rewrite=_element_at, group="collections")
ITEM = define(
    "get",
    "array<T>, bigint -> T",
    row=_item,
    group="collections",
    printed=lambda call: f"{call.args[0]}[{call.args[1]}]",
)
LOOKUP = define(
    "map_get",
    row=lambda items, key: items.get(key),
    printed=lambda call: f"{call.args[0]}[{call.args[1]}]",
)
ELEMENT = define(
    "array_element",
    row=_element,
    printed=lambda call: f"element_at({call.args[0]}, {call.args[1]})",
)
del FUNCTIONS["map_get"], FUNCTIONS["array_element"]


# -- maps ------------------------------------------------------------------------------------


def _map(name: str, args: tuple[Node, ...]) -> tuple[tuple[Node, ...], Type]:
    if len(args) % 2 or not args:
        problem = f"{name} takes keys and values in turn"
        raise ExpressionError(problem)
    if (
        any(not isinstance(each, Literal) or each.value is None for each in args[::2])
        or len({str(each) for each in args[::2]}) < len(args) // 2
    ):
        problem = f"{name} takes literal keys, none twice and none null"
        raise UnsupportedError(problem, hint="Spark raises at run time for repeated and null keys")
    key, item = common_of(name, args[::2]), common_of(name, args[1::2])
    _simple(name, key)
    fixed = [widened(each, item if at % 2 else key) for at, each in enumerate(args)]
    return tuple(fixed), map_of(key, item)


define("map", resolve=_map, strict=False, nullable=False, group="collections",
       row=lambda *parts: dict(zip(parts[::2], parts[1::2], strict=True)))  # fmt: skip
define("map_keys", "map<K, V> -> array<K>", row="list({0})", group="collections")
define("map_values", "map<K, V> -> array<V>", row="list({0}.values())", group="collections")
define(
    "map_contains_key",
    resolve=lambda name, args: _contains_key(name, args),
    row="({1} in {0})",
    group="collections",
)


def _contains_key(name: str, args: tuple[Node, ...]) -> tuple[tuple[Node, ...], Type]:
    if len(args) != 2 or args[0].type.name != "map":
        problem = f"{name} takes a map and a key"
        raise ExpressionError(problem)
    found = _looked_up(name, args)
    assert isinstance(found, Call)
    return found.args, Type("boolean")


# -- structs ---------------------------------------------------------------------------------


def _field(args: tuple[Node, ...]) -> Node:
    holder, label = args
    assert isinstance(label, Literal)
    name = str(label.value)
    if holder.type.name == "map":
        return _looked_up(".", (holder, label))
    if holder.type.name != "struct":
        problem = f"{holder} is {holder.type}, not a struct: it has no field {name!r}"
        raise ExpressionError(problem)
    for each in holder.type.fields:
        if each.name == name:
            return Call(FIELD, (holder, Literal(each.name, STRING)), each.type)
    alike = [each for each in holder.type.fields if each.name.lower() == name.lower()]
    if len(alike) == 1:
        return Call(FIELD, (holder, Literal(alike[0].name, STRING)), alike[0].type)
    names = [each.name for each in holder.type.fields]
    problem = f"unknown field {name!r} of {holder}"
    raise ExpressionError(problem, hint=nearest(name, names))


def _label(node: Node) -> str:
    assert isinstance(node, Literal)
    return quoted(str(node.value))


def _field_batch(call: Call, value: Any, _name: Any) -> Any:
    label = call.args[1]
    assert isinstance(label, Literal)
    return value.struct.field(label.value)


FIELD = define(
    "field",
    row="{0}[{1}]",
    batch=_field_batch,
    printed=lambda call: f"{call.args[0]}.{_label(call.args[1])}",
)
del FUNCTIONS["field"]
field_of = _field


def _named_struct(name: str, args: tuple[Node, ...]) -> tuple[tuple[Node, ...], Type]:
    labels = args[::2]
    if (
        len(args) % 2
        or not args
        or any(not isinstance(each, Literal) or each.type != STRING for each in labels)
    ):
        problem = f"{name} takes literal names and values in turn"
        raise ExpressionError(problem)
    names = [str(each.value) for each in labels if isinstance(each, Literal)]
    if len(set(names)) < len(names):
        problem = f"{name} names a field twice"
        raise ExpressionError(problem)
    return args, struct(
        [Field(label, each.type) for label, each in zip(names, args[1::2], strict=True)]
    )


def _struct_batch(call: Call, *parts: Any) -> Any:
    import polars as pl

    return pl.struct(
        each.alias(field.name) for each, field in zip(parts[1::2], call.type.fields, strict=True)
    )


NAMED_STRUCT = define("named_struct", resolve=_named_struct, strict=False, nullable=False, batch=_struct_batch, group="collections",
                      row=lambda *parts: dict(zip(parts[::2], parts[1::2], strict=True)))  # fmt: skip


def _struct(args: tuple[Node, ...]) -> Node:
    parts: list[Node] = []
    for at, each in enumerate(args, 1):
        name, value = f"col{at}", each
        if isinstance(each, Call) and each.function is LABEL:
            value, label = each.args
            assert isinstance(label, Literal)
            name = str(label.value)
        elif isinstance(each, Column):
            name = each.name
        elif isinstance(each, Call) and each.function is FIELD:
            label = each.args[1]
            assert isinstance(label, Literal)
            name = str(label.value)
        parts += [Literal(name, STRING), value]
    fixed, type_ = _named_struct("struct", tuple(parts))
    return Call(NAMED_STRUCT, fixed, type_)


define("struct", rewrite=_struct, group="collections")
LABEL = define("as", "T, string -> T", row="{0}")

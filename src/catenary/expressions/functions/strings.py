"""Functions of text; positions count characters (code points) from 1, as in Spark.

Regular expressions are Java's in Spark, Rust's in Polars and Python's here: only literal patterns
built from what all three read alike are taken (`portable`); the rest is refused by name.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any, Final

from catenary.errors import ExpressionError, UnsupportedError
from catenary.expressions.functions.registry import define
from catenary.expressions.tree import Call, Literal, Node
from catenary.expressions.types import match
from catenary.schema import BOOLEAN, STRING, Type

define("length", "string -> int", "binary -> int", row="len({0})", aliases=("char_length", "character_length", "len"), group="strings",
       batch=lambda call, a: a.str.len_chars().cast(_int()) if call.args[0].type == STRING else None)  # fmt: skip
define("lower", "string -> string", row="{0}.lower()", aliases=("lcase",), group="strings")
define("upper", "string -> string", row="{0}.upper()", aliases=("ucase",), group="strings")
define("startswith", "string, string -> boolean", row="{0}.startswith({1})", nullable=False, group="strings",
       batch=lambda _call, a, b: a.str.starts_with(b))  # fmt: skip
define("endswith", "string, string -> boolean", row="{0}.endswith({1})", nullable=False, group="strings",
       batch=lambda _call, a, b: a.str.ends_with(b))  # fmt: skip
define("contains", "string, string -> boolean", row="({1} in {0})", nullable=False, group="strings",
       batch=lambda _call, a, b: a.str.contains(b, literal=True))  # fmt: skip
define("reverse", "string -> string", "array<T> -> array<T>", row="{0}[::-1]", group="strings")
define("ascii", "string -> int", row="(ord({0}[0]) if {0} else 0)", group="strings")


def _int() -> Any:
    import polars as pl

    return pl.Int32


def _concat_types(name: str, args: tuple[Node, ...]) -> tuple[tuple[Node, ...], Type]:
    for signature in ("string... -> string", "array<T>, array<T>... -> array<T>"):
        found = match(signature, args)
        if found is not None and args:
            return found
    problem = f"concat takes text (or arrays of one type), not {', '.join(str(each.type) for each in args)}"
    raise ExpressionError(problem, hint="write CAST(x AS STRING)")


def _concat_batch(call: Call, *args: Any) -> Any:
    import polars as pl

    return pl.concat_str(*args, ignore_nulls=False) if call.type == STRING else None


def _concat(*parts: Any) -> Any:
    if isinstance(parts[0], str):
        return "".join(parts)
    return [each for part in parts for each in part]


define("concat", resolve=_concat_types, row=_concat, batch=_concat_batch, group="strings")


def _joined(separator: str | None, *parts: Any) -> str | None:
    if separator is None:
        return None
    texts: list[str] = []
    for each in parts:
        if isinstance(each, list):
            texts += [one for one in each if one is not None]
        elif each is not None:
            texts.append(each)
    return separator.join(texts)


define(
    "concat_ws",
    "string, string... -> string",
    "string, array<string>... -> string",
    row=_joined,
    strict=False,
    group="strings",
)


def _trimmed(side: str) -> Any:
    def row(text: str, characters: str = " ") -> str:
        left = text.lstrip(characters) if side != "right" and characters else text
        return left.rstrip(characters) if side != "left" and characters else left

    return row


def _trim_row(side: str) -> Any:
    def row(call: Call) -> Any:
        plain = _trimmed(side)
        return plain if len(call.args) == 1 else lambda characters, text: plain(text, characters)

    return row


def _trim_batch(method: str) -> Any:
    def batch(call: Call, *args: Any) -> Any:
        return getattr(args[0].str, method)(" ") if len(call.args) == 1 else None

    return batch


for _name, _side, _method in (("trim", "both", "strip_chars"), ("ltrim", "left", "strip_chars_start"), ("rtrim", "right", "strip_chars_end")):  # fmt: skip
    define(
        _name,
        "string -> string",
        "string, string -> string",
        typed_row=_trim_row(_side),
        batch=_trim_batch(_method),
        group="strings",
    )


def _substring(text: str, position: int, length: int = 2**31 - 1) -> str:
    start = position - 1 if position > 0 else len(text) + position if position < 0 else 0
    end = start + length
    if length <= 0 or end <= 0 or start >= len(text):
        return ""
    return text[max(start, 0) : end]


def _substring_batch(call: Call, text: Any, *_: Any) -> Any:
    numbers = [each.value for each in call.args[1:] if isinstance(each, Literal)]
    if len(numbers) < len(call.args) - 1 or not isinstance(numbers[0], int) or numbers[0] < 0:
        return None
    length = numbers[1] if len(numbers) > 1 else None
    if length is not None and (not isinstance(length, int) or length < 0):
        return None
    return text.str.slice(max(numbers[0] - 1, 0), length)


define(
    "substring",
    "string, int -> string",
    "string, int, int -> string",
    row=_substring,
    batch=_substring_batch,
    aliases=("substr",),
    group="strings",
)
define("left", "string, int -> string", row="({0}[:{1}] if {1} > 0 else '')", group="strings")
define("right", "string, int -> string", row="({0}[-{1}:] if {1} > 0 else '')", group="strings")
define("instr", "string, string -> int", row="({0}.find({1}) + 1)", group="strings")


def _locate(part: str | None, text: str | None, position: int | None = 1) -> int | None:
    """As Spark has it, a null position gives 0, even for null texts."""
    if position is None:
        return 0
    if part is None or text is None:
        return None
    return text.find(part, position - 1) + 1 if position > 0 else 0


define(
    "locate",
    "string, string -> int",
    "string, string, int -> int",
    row=_locate,
    strict=False,
    aliases=("position",),
    group="strings",
)


def _replace(text: str, old: str, new: str = "") -> str:
    return text.replace(old, new) if old else text


def _replace_batch(call: Call, text: Any, *_: Any) -> Any:
    parts = [each.value for each in call.args[1:] if isinstance(each, Literal)]
    if len(parts) < len(call.args) - 1 or not parts[0] or None in parts:
        return None
    return text.str.replace_all(parts[0], parts[1] if len(parts) > 1 else "", literal=True)


define(
    "replace",
    "string, string -> string",
    "string, string, string -> string",
    row=_replace,
    batch=_replace_batch,
    group="strings",
)


def _padded(side: str) -> Any:
    def row(text: str, length: int, pad: str = " ") -> str:
        if length <= len(text):
            return text[: max(length, 0)]
        if not pad:
            return text
        missing = length - len(text)
        fill = (pad * (missing // len(pad) + 1))[:missing]
        return fill + text if side == "left" else text + fill

    return row


define("lpad", "string, int, string=' ' -> string", row=_padded("left"), group="strings")
define("rpad", "string, int, string=' ' -> string", row=_padded("right"), group="strings")
define("repeat", "string, int -> string", row="({0} * {1})", group="strings")
define("space", "int -> string", row="(' ' * {0})", group="strings")


def _initcap(text: str) -> str:
    return " ".join(_title(word[0]) + word[1:] if word else "" for word in text.lower().split(" "))


def _title(letter: str) -> str:
    titled = letter.title()
    return titled if len(titled) == 1 else letter


define("initcap", "string -> string", row=_initcap, group="strings")


def _translate(text: str, old: str, new: str) -> str:
    table: dict[int, str | None] = {}
    for at, letter in enumerate(old):
        table.setdefault(ord(letter), new[at] if at < len(new) else None)
    return text.translate(table)


define("translate", "string, string, string -> string", row=_translate, group="strings")


def _digest(name: str) -> Any:
    def row(value: str | bytes) -> str:
        data = value.encode() if isinstance(value, str) else value
        return hashlib.new(name, data, usedforsecurity=False).hexdigest()

    return row


define("md5", "string -> string", "binary -> string", row=_digest("md5"), group="strings")
define(
    "sha1",
    "string -> string",
    "binary -> string",
    row=_digest("sha1"),
    aliases=("sha",),
    group="strings",
)


# -- patterns --------------------------------------------------------------------------------

_CLASS: Final = r"\[\^?(?:[^\[\]\\&^]|\\[dsw.\-\[\]\\^$*+?(){}|/])+\]"
_ATOM: Final = rf"(?:\\[dsw.\-\[\]\\^$*+?(){{}}|/]|{_CLASS}|[^\\\[\](){{}}*+?|^$]|\((?:\?:)?|\)|\||\^|\$|[*+?]\??|\{{\d+(?:,\d*)?\}}\??)"
_PORTABLE: Final = re.compile(rf"{_ATOM}*", re.DOTALL)


def portable(pattern: str) -> re.Pattern[str]:
    r"""The pattern compiled, if Java reads it alike.

    Raises:
        UnsupportedError: for look-around, back references, possessive quantifiers, `\b`, named
            groups and the like; `$` may only stand at the end.
    """
    hint = (
        "use groups, classes such as [a-z], \\d \\s \\w, ^ at the start, $ at the end, * + ? {m,n}"
    )
    bare = re.sub(r"\\.", "", pattern)
    odd = re.search(r"\(\?(?!:)|--|\|\||~~", bare)
    if (
        odd
        or not _PORTABLE.fullmatch(pattern)
        or re.search(r"[*+?}]\+", re.sub(r"\\.", "", pattern))
    ):
        problem = f"the regular expression {pattern!r} uses what Java may read differently"
        raise UnsupportedError(problem, hint=hint)
    body = re.sub(r"(?<!\\)((?:\\\\)*)\$$", r"\1(?=\n?\\Z)", pattern)
    if re.search(r"\$", re.sub(r"\\.|\[[^\]]*\]", "", pattern)[:-1]):
        problem = f"the regular expression {pattern!r} has $ before its end"
        raise UnsupportedError(problem, hint=hint)
    # Java's `.` stops at these line ends, Python's at \n alone; its classes are ASCII.
    body = re.sub(
        r"\\.|\[(?:\\.|[^\]])*\]|\.",
        lambda m: r"[^\n\r\x85\u2028\u2029]" if m[0] == "." else _ascii_class(m[0]),
        body,
    )
    if body.endswith("(?=\n?\\Z)"):
        body = body[: -len("(?=\n?\\Z)")] + r"(?=(?:\r\n|[\n\r\x85\u2028\u2029])?\Z)"
    try:
        return re.compile(body)
    except re.error as error:
        problem = f"{pattern!r} is not a regular expression: {error}"
        raise ExpressionError(problem) from None


def _ascii_class(text: str) -> str:
    inside = text.startswith("[")
    for sign, members in (("d", "0-9"), ("w", "a-zA-Z_0-9"), ("s", r" \t\n\x0b\f\r")):
        text = text.replace("\\" + sign, members if inside else f"[{members}]")
    return text


def _like(pattern: str, escape: str) -> re.Pattern[str]:
    parts: list[str] = []
    at = 0
    while at < len(pattern):
        sign = pattern[at]
        if sign == escape:
            at += 1
            if at >= len(pattern) or pattern[at] not in ("_", "%", escape):
                problem = f"LIKE pattern {pattern!r}: {escape!r} must come before _, % or itself"
                raise ExpressionError(problem)
            parts.append(re.escape(pattern[at]))
        else:
            parts.append(".*" if sign == "%" else "." if sign == "_" else re.escape(sign))
        at += 1
    return re.compile("".join(parts), re.DOTALL)


def _pattern_of(name: str, node: Node) -> str:
    if not isinstance(node, Literal) or not isinstance(node.value, str):
        problem = f"{name} takes its pattern as a literal text, not {node}"
        raise UnsupportedError(problem, hint="write the pattern between quotes")
    return node.value


def _pattern_types(name: str, args: tuple[Node, ...]) -> tuple[tuple[Node, ...], Type]:
    if len(args) not in ((2, 3) if name == "like" else (2,)) or args[0].type.name not in (
        "string",
        "void",
    ):
        problem = (
            f"{name} takes a text and a pattern, not {', '.join(str(each.type) for each in args)}"
        )
        raise ExpressionError(problem)
    patterns = [_pattern_of(name, each) for each in args[1:]]
    _matcher(name, patterns)
    return args, BOOLEAN


def _matcher(name: str, patterns: list[str]) -> Any:
    if name == "like":
        escape = patterns[1] if len(patterns) > 1 else "\\"
        if len(escape) != 1:
            problem = f"ESCAPE takes one character, not {escape!r}"
            raise ExpressionError(problem)
        return _like(patterns[0], escape).fullmatch
    return portable(patterns[0]).search


def _match_row(name: str) -> Any:
    def row(call: Call) -> Any:
        test = _matcher(name, [_pattern_of(name, each) for each in call.args[1:]])
        return lambda text, *_: test(text) is not None

    return row


def _like_batch(call: Call, text: Any, *_: Any) -> Any:
    """Plain prefixes, suffixes and parts have fast forms; the rest runs value by value."""
    pattern = _pattern_of("like", call.args[1])
    inner = pattern.strip("%")
    if len(call.args) > 2 or "\\" in pattern or "_" in pattern or "%" in inner or not inner:
        return None
    start, end = not pattern.startswith("%"), not pattern.endswith("%")
    if start and end:
        return text == inner
    if start:
        return text.str.starts_with(inner)
    return text.str.ends_with(inner) if end else text.str.contains(inner, literal=True)


define(
    "like", resolve=_pattern_types, typed_row=_match_row("like"), batch=_like_batch, group="strings"
)
define(
    "rlike",
    resolve=_pattern_types,
    typed_row=_match_row("rlike"),
    aliases=("regexp", "regexp_like"),
    group="strings",
)


def _extract_types(name: str, args: tuple[Node, ...]) -> tuple[tuple[Node, ...], Type]:
    found = match("string, string, int=1 -> string", args)
    if found is None:
        problem = f"{name} takes a text, a pattern and a group's number"
        raise ExpressionError(problem)
    pattern = portable(_pattern_of(name, found[0][1]))
    group = found[0][2]
    if (
        not isinstance(group, Literal)
        or not isinstance(group.value, int)
        or not 0 <= group.value <= pattern.groups
    ):
        problem = f"{name}: group {group} is not one of the pattern's {pattern.groups}"
        raise ExpressionError(problem)
    return found


def _extract_row(call: Call) -> Any:
    pattern = portable(_pattern_of("regexp_extract", call.args[1]))

    def row(text: str, _pattern: str, group: int) -> str:
        found = pattern.search(text)
        return (found[group] or "") if found else ""

    return row


define("regexp_extract", resolve=_extract_types, typed_row=_extract_row, group="strings")


def _regexp_replace_types(name: str, args: tuple[Node, ...]) -> tuple[tuple[Node, ...], Type]:
    found = match("string, string, string -> string", args)
    if found is None:
        problem = f"{name} takes a text, a pattern and a replacement"
        raise ExpressionError(problem)
    if portable(_pattern_of(name, found[0][1])).fullmatch("") is not None:
        problem = f"{name}: a pattern that matches the empty text is not there"
        raise UnsupportedError(problem, hint="write + instead of *")
    if re.search(r"[\\$]", _pattern_of(name, found[0][2])):
        problem = f"{name}: $ and backslash in the replacement are not there"
        raise UnsupportedError(problem, hint="use regexp_extract and concat")
    return found


def _regexp_replace_row(call: Call) -> Any:
    pattern = portable(_pattern_of("regexp_replace", call.args[1]))
    return lambda text, _pattern, new: pattern.sub(lambda _found: new, text)


define(
    "regexp_replace", resolve=_regexp_replace_types, typed_row=_regexp_replace_row, group="strings"
)


def _split_types(name: str, args: tuple[Node, ...]) -> tuple[tuple[Node, ...], Type]:
    found = match("string, string -> array<string>", args)
    if found is None:
        problem = f"{name} takes a text and a pattern"
        raise ExpressionError(problem)
    if portable(_pattern_of(name, found[0][1])).fullmatch("") is not None:
        problem = f"{name}: a pattern that matches the empty text is not there"
        raise UnsupportedError(problem, hint="split at a sign, such as ','")
    return found


def _split_row(call: Call) -> Any:
    pattern = portable(_pattern_of("split", call.args[1]))

    def row(text: str, _pattern: str) -> list[str]:
        parts: list[str] = []
        start = 0
        for found in pattern.finditer(text):
            parts.append(text[start : found.start()])
            start = found.end()
        return [*parts, text[start:]]

    return row


define("split", resolve=_split_types, typed_row=_split_row, group="strings")

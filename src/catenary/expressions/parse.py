"""Reading Spark SQL: which term a text means, by Spark's own precedence.

sqlglot's Spark tokenizer cuts the text; the grammar here gives the tokens their Spark meaning.
sqlglot's own tree is not used: it is made for translating between dialects and rewrites
functions on the way (`date_add` and its like lose which of them was written), while here every
name must reach its one definition as it stands, with its place in the text for messages.

Loosest first: OR, AND, NOT, predicates (IS, IN, BETWEEN, LIKE, RLIKE), comparisons, |, ^, &, << >>,
+ - ||, * / % DIV, unary, then `.field`, `[index]` and `::type`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NoReturn

from catenary.errors import DefinitionError, ExpressionError, UnsupportedError
from catenary.expressions import convert
from catenary.expressions.tree import DECIMAL, Term
from catenary.schema import (
    BIGINT,
    BINARY,
    BOOLEAN,
    DATE,
    DOUBLE,
    FLOAT,
    INT,
    NULL,
    SMALLINT,
    STRING,
    TIMESTAMP,
    TINYINT,
    Type,
    parse_type,
)

if TYPE_CHECKING:
    from datetime import date, datetime


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of text: `word`, `quoted` (an identifier), `number`, `text`, `sign` or `end`."""

    kind: str
    text: str
    at: int
    end: int

    @property
    def upper(self) -> str:
        """The token as a keyword or sign; of quoted things nothing."""
        return self.text.upper() if self.kind in ("word", "sign") else ""


def parse(text: str, *, where: str | None = None) -> Term:
    """The term that `text` means.

    Raises:
        ExpressionError: if it is not an expression of Spark SQL.
        UnsupportedError: for what is not scalar: subqueries, windows, lambdas, intervals.
    """
    reader = _Reader(text, where)
    try:
        term = reader.expression()
    except RecursionError:
        problem = "the expression is nested too deeply"
        raise ExpressionError(problem, where=where, hint="split it into steps") from None
    if reader.token.kind != "end":
        reader.unexpected("the end of the expression")
    return term


def _tokens(text: str, where: str | None) -> list[Token]:
    # Imported at the first expression: the import costs more than everything else here.
    from sqlglot.dialects.spark import Spark
    from sqlglot.errors import TokenError

    try:
        found = Spark().tokenize(text)
    except TokenError as error:
        problem = f"cannot read {text!r}: a quote is not closed, or a sign is unknown"
        raise ExpressionError(problem, where=where, hint=str(error)) from None
    tokens: list[Token] = []
    for each in found:
        if tokens and each.start < tokens[-1].end:
            continue  # the suffix of a number comes again as a cast; the number's text has it
        raw = text[each.start : each.end + 1]
        tokens.append(Token(_kind(raw), raw, each.start, each.end + 1))
    tokens.append(Token("end", "", len(text), len(text)))
    return tokens


def _kind(raw: str) -> str:
    if raw[-1] in "'\"":
        return "text"
    if raw[0] == "`":
        return "quoted"
    if raw[0].isdigit():
        return "number"
    return "word" if raw[0].isalpha() or raw[0] == "_" else "sign"


_COMPARE: Final = {"=": "=", "==": "=", "<=>": "<=>", "!=": "!=", "<>": "!=", "<": "<", ">": ">", "<=": "<=", ">=": ">="}  # fmt: skip
_LEVELS: Final[tuple[tuple[str, ...], ...]] = (
    tuple(_COMPARE),
    ("|",),
    ("^",),
    ("&",),
    ("<<", ">>", ">>>"),
    ("+", "-", "||"),
    ("*", "/", "%", "DIV"),
)
_SIGN_NAMES: Final = {"<<": "shiftleft", ">>": "shiftright", ">>>": "shiftrightunsigned", "||": "concat", "DIV": "div"}  # fmt: skip
_NUMBER: Final = re.compile(r"(\d+|\d+\.\d*|\.\d+)([eE][+-]?\d+)?(L|S|Y|D|F|BD)?", re.IGNORECASE)
_TEXT: Final = re.compile(r"([rRxX]?)(['\"])(.*)\2", re.DOTALL)
_ESCAPE: Final = re.compile(r"\\(u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|[0-3][0-7][0-7]|.)", re.DOTALL)
_ESCAPES: Final = {
    "0": "\0", "b": "\b", "n": "\n", "r": "\r", "t": "\t", "Z": "\x1a", "%": "\\%", "_": "\\_",
}  # fmt: skip
_INTEGER_SUFFIX: Final = {"L": (BIGINT, 64), "S": (SMALLINT, 16), "Y": (TINYINT, 8)}
_CAST_NAMES: Final = {
    "tinyint", "smallint", "int", "bigint", "float", "double", "string", "boolean", "binary",
    "date", "timestamp",
}  # fmt: skip
_EXTRACTED: Final = {
    "year": "year", "quarter": "quarter", "month": "month", "week": "weekofyear", "day": "day",
    "dayofweek": "dayofweek", "dow": "dayofweek", "doy": "dayofyear", "hour": "hour", "minute": "minute",
}  # fmt: skip
_UNDECIDED: Final = {
    "CURRENT_DATE", "CURRENT_TIMESTAMP", "NOW", "CURDATE", "RAND", "RANDN", "RANDOM", "UUID", "LOCALTIMESTAMP",
}  # fmt: skip


class _Reader:
    """Recursive descent over the tokens of one text."""

    def __init__(self, text: str, where: str | None) -> None:
        self.text = text
        self.where = where
        self.tokens = _tokens(text, where)
        self.position = 0
        self.token = self.tokens[0]

    # -- tokens ------------------------------------------------------------------------------

    def step(self) -> Token:
        taken = self.token
        self.position += 1
        self.token = self.tokens[min(self.position, len(self.tokens) - 1)]
        return taken

    def ahead(self) -> Token:
        return self.tokens[min(self.position + 1, len(self.tokens) - 1)]

    def take(self, *words: str) -> bool:
        if self.token.upper and self.token.upper == words[0]:
            if len(words) > 1 and self.ahead().upper != words[1]:
                return False
            for _ in words:
                self.step()
            return True
        return False

    def need(self, sign: str) -> None:
        if not self.take(sign):
            self.unexpected(repr(sign))

    def unexpected(self, wanted: str) -> NoReturn:
        found = repr(self.token.text) if self.token.text else "the end"
        problem = f"expected {wanted} at position {self.token.at}, found {found}, in {self.text!r}"
        raise ExpressionError(problem, where=self.where)

    def refuse(self, what: str, hint: str) -> NoReturn:
        problem = f"{what} is not a scalar expression of Catenary, in {self.text!r}"
        raise UnsupportedError(problem, where=self.where, hint=hint)

    def call(self, name: str, *args: Term, at: int | None = None) -> Term:
        return Term("call", name, args, at=args[0].at if at is None else at)

    # -- boolean level -----------------------------------------------------------------------

    def expression(self) -> Term:
        left = self.conjunction()
        while self.take("OR"):
            left = self.call("or", left, self.conjunction())
        return left

    def conjunction(self) -> Term:
        left = self.negation()
        while self.take("AND"):
            left = self.call("and", left, self.negation())
        return left

    def negation(self) -> Term:
        at = self.token.at
        if self.take("NOT") or self.take("!"):
            return self.call("not", self.negation(), at=at)
        return self.predicates(self.binary(0))

    def predicates(self, left: Term) -> Term:
        while True:
            negated = self.token.upper == "NOT"
            if negated:
                self.step()
            found = self.predicate(left, negated=negated)
            if found is None:
                if negated:
                    self.unexpected("IN, BETWEEN, LIKE or RLIKE")
                return left
            left = found

    def predicate(self, left: Term, *, negated: bool) -> Term | None:
        if self.take("IS"):
            negated = self.take("NOT")
            found = self.is_predicate(left)
        elif self.take("IN"):
            found = self.call("in", left, *self.arguments())
        elif self.take("BETWEEN"):
            low = self.binary(0)
            self.need("AND")
            high = self.binary(0)
            found = self.call("and", self.call(">=", left, low), self.call("<=", left, high))
        elif self.take("LIKE"):
            if self.token.upper in ("ANY", "ALL", "SOME"):
                self.refuse(f"LIKE {self.token.upper}", "write LIKE … OR LIKE …")
            pattern = [self.binary(0)]
            if self.take("ESCAPE"):
                pattern.append(self.binary(0))
            found = self.call("like", left, *pattern)
        elif self.take("RLIKE") or self.take("REGEXP"):
            found = self.call("rlike", left, self.binary(0))
        elif self.take("ILIKE"):
            self.refuse("ILIKE", "write lower(x) LIKE '…'")
        else:
            return None
        return self.call("not", found) if negated else found

    def is_predicate(self, left: Term) -> Term:
        if self.take("NULL"):
            return self.call("isnull", left)
        if self.take("TRUE"):
            return self.call("<=>", left, Term("literal", True, type=BOOLEAN, at=left.at))
        if self.take("FALSE"):
            return self.call("<=>", left, Term("literal", False, type=BOOLEAN, at=left.at))
        if self.take("DISTINCT", "FROM"):
            return self.call("not", self.call("<=>", left, self.binary(0)))
        return self.unexpected("NULL, TRUE, FALSE or DISTINCT FROM")

    # -- values ------------------------------------------------------------------------------

    def operator(self, level: int) -> str | None:
        """The operator of that level that stands here; sqlglot gives `<<` as two signs."""
        sign = self.token.upper
        if sign in ("<", ">") and self.ahead().upper == sign and self.ahead().at == self.token.end:
            third = self.tokens[min(self.position + 2, len(self.tokens) - 1)]
            long = sign == ">" and third.upper == sign and third.at == self.ahead().end
            sign *= 3 if long else 2
        return sign if sign in _LEVELS[level] else None

    def binary(self, level: int) -> Term:
        if level == len(_LEVELS):
            return self.unary()
        left = self.binary(level + 1)
        while (sign := self.operator(level)) is not None:
            for _ in range(len(sign) if sign in ("<<", ">>", ">>>") else 1):
                self.step()
            name = _COMPARE.get(sign) or _SIGN_NAMES.get(sign) or sign
            left = self.call(name, left, self.binary(level + 1))
        return left

    def unary(self) -> Term:
        at = self.token.at
        if self.token.upper == "-" and self.ahead().kind == "number":
            self.step()
            return self.postfix(self.number(self.step(), sign="-"))
        if self.take("-"):
            return self.call("negative", self.unary(), at=at)
        if self.take("+"):
            return self.call("positive", self.unary(), at=at)
        if self.take("~"):
            return self.call("~", self.unary(), at=at)
        return self.postfix(self.primary())

    def postfix(self, term: Term) -> Term:
        while True:
            if self.take("."):
                if self.token.kind not in ("word", "quoted"):
                    self.unexpected("a field name")
                term = Term("field", _unquoted(self.step()), (term,), at=term.at)
            elif self.take("["):
                term = self.call("[]", term, self.expression())
                self.need("]")
            elif self.take("::"):
                term = Term("cast", "cast", (term,), type=self.type_name(), at=term.at)
            else:
                return term

    def primary(self) -> Term:
        token = self.token
        if token.kind == "number":
            return self.number(self.step())
        if token.kind == "text":
            return self.texts()
        if token.kind == "quoted":
            self.step()
            return Term("name", _unquoted(token), at=token.at)
        if token.upper == "(":
            return self.parenthesised()
        if token.upper == ".":
            self.step()
            if self.token.kind == "number" and self.token.at == token.end:
                digits = self.step()
                return self.number(Token("number", "." + digits.text, token.at, digits.end))
            self.unexpected("a number after '.'")
        if token.kind == "word":
            return self.word(self.step())
        if token.upper == "*":
            self.refuse("*", "name the columns; count(*) is an aggregation")
        return self.unexpected("a value")

    def parenthesised(self) -> Term:
        self.need("(")
        if self.token.upper in ("SELECT", "WITH"):
            self.refuse("a subquery", "make it a source of its own and join it")
        inner = self.expression()
        if self.token.upper == ",":
            self.refuse("a tuple in parentheses", "write struct(a, b)")
        self.need(")")
        if self.token.upper == "->":
            self.refuse("a lambda", "register a user function for it")
        return inner

    def word(self, token: Token) -> Term:
        word = token.upper
        if word in ("TRUE", "FALSE"):
            return Term("literal", word == "TRUE", type=BOOLEAN, at=token.at)
        if word == "NULL":
            return Term("literal", None, type=NULL, at=token.at)
        if word == "CASE":
            return self.case(token.at)
        if word == "INTERVAL" and self.token.kind in ("number", "text"):
            self.refuse("INTERVAL", "use date_add, add_months, or milliseconds")
        if word in ("DATE", "TIMESTAMP") and self.token.kind == "text":
            return self.instant(word, token.at)
        if word in ("SELECT", "FROM", "EXISTS"):
            self.refuse(word, "an expression is what stands between SELECT and FROM")
        if self.token.upper == "(":
            return self.function(token)
        if word in _UNDECIDED:
            self.refuse(word.lower(), "its value would change from run to run; use ts or ds")
        if self.token.upper == "->":
            self.refuse("a lambda", "register a user function for it")
        if word in (
            "AND",
            "OR",
            "WHEN",
            "THEN",
            "ELSE",
            "END",
            "IN",
            "IS",
            "LIKE",
            "BETWEEN",
            "AS",
        ):
            self.position -= 1
            self.token = token
            self.unexpected("a value")
        return Term("name", token.text, at=token.at)

    def case(self, at: int) -> Term:
        operand = None if self.token.upper == "WHEN" else self.expression()
        parts: list[Term] = []
        while self.take("WHEN"):
            test = self.expression()
            self.need("THEN")
            parts += [test if operand is None else self.call("=", operand, test), self.expression()]
        if not parts:
            self.unexpected("WHEN")
        otherwise = Term("literal", None, type=NULL, at=at)
        if self.take("ELSE"):
            otherwise = self.expression()
        self.need("END")
        return self.call("case", *parts, otherwise, at=at)

    # -- calls -------------------------------------------------------------------------------

    def function(self, token: Token) -> Term:
        name = token.text.lower()
        if name in ("cast", "try_cast"):
            if name == "try_cast":
                self.refuse("try_cast", "cast gives null where a value does not fit")
            return self.cast(token.at)
        if token.upper in _UNDECIDED:
            self.refuse(f"{name}()", "its value would change from run to run; use ts or ds")
        if name == "extract":
            return self.extract(token.at)
        if name == "trim" and self.ahead().upper in ("BOTH", "LEADING", "TRAILING", "FROM"):
            return self.trim(token.at)
        args = self.arguments(name)
        if self.token.upper == "OVER":
            self.refuse(f"{name}() OVER", "windows are aggregations of a GroupBy")
        if name in _CAST_NAMES and len(args) == 1:
            return Term("cast", "cast", tuple(args), type=parse_type(name), at=token.at)
        return self.call(name, *args, at=token.at)

    def arguments(self, name: str = "") -> list[Term]:
        self.need("(")
        args: list[Term] = []
        if self.token.upper in ("SELECT", "WITH"):
            self.refuse("a subquery", "make it a source of its own and join it")
        if self.token.upper == "DISTINCT":
            self.refuse("DISTINCT", "use the operation UNIQUE_COUNT")
        while not self.take(")"):
            if args and not self.take(","):
                if name in ("substring", "substr") and (self.take("FROM") or self.take("FOR")):
                    pass
                elif name == "struct" and self.take("AS"):
                    args[-1] = Term("call", "as", (args[-1], self.label()), at=args[-1].at)
                    continue
                else:
                    self.unexpected("',' or ')'")
            args.append(self.expression() if name != "position" else self.binary(0))
            if name == "position" and self.take("IN"):
                args.append(self.binary(0))
            if self.token.upper in ("->", "=>"):
                self.refuse("a lambda", "register a user function for it")
        return args

    def label(self) -> Term:
        if self.token.kind not in ("word", "quoted"):
            self.unexpected("a field name")
        token = self.step()
        return Term("literal", _unquoted(token), type=STRING, at=token.at)

    def cast(self, at: int) -> Term:
        self.need("(")
        inner = self.expression()
        self.need("AS")
        target = self.type_name()
        self.need(")")
        return Term("cast", "cast", (inner,), type=target, at=at)

    def extract(self, at: int) -> Term:
        self.need("(")
        word = self.step().text.lower()
        field = _EXTRACTED.get(word.removesuffix("s"))
        if field is None:
            # EXTRACT(SECOND …) is a decimal with its fraction in Spark.
            self.refuse(f"EXTRACT({word.upper()} …)", "use second(ts), unix_micros(ts), or year …")
        self.need("FROM")
        inner = self.expression()
        self.need(")")
        return self.call(field, inner, at=at)

    def trim(self, at: int) -> Term:
        self.need("(")
        side = self.step().upper
        names = {"BOTH": "trim", "LEADING": "ltrim", "TRAILING": "rtrim"}
        if side == "FROM" or self.take("FROM"):
            args = [self.expression()]
        else:
            what = self.expression()
            self.need("FROM")
            args = [self.expression(), what]
        self.need(")")
        if len(args) == 2:
            # The function form has the characters first.
            args.reverse()
        return self.call(names.get(side, "trim"), *args, at=at)

    def type_name(self) -> Type:
        start, depth = self.token.at, 0
        end = start
        while self.token.kind in ("word", "quoted", "sign", "number"):
            sign = self.token.upper
            if sign in ("<", "("):
                depth += 1
            elif sign == ">" or (sign == ")" and depth):
                depth -= 1
            elif depth == 0 and end != start:
                break
            end = self.step().end
            if depth == 0 and self.token.upper not in ("<", "("):
                break
        text = self.text[start:end]
        if text.lower().startswith(("decimal", "numeric", "dec(", "interval", "timestamp_", "char", "varchar", "variant", "time")) and text.lower() != "timestamp":  # fmt: skip
            hint = "use double, bigint (cents, say), string or timestamp"
            problem = f"type {text!r} is not there, in {self.text!r}"
            raise UnsupportedError(problem, where=self.where, hint=hint)
        try:
            return parse_type(text.lower() if "struct" not in text.lower() else text)
        except DefinitionError as error:
            problem = f"{error.problem}, in {self.text!r}"
            raise ExpressionError(problem, where=self.where, hint=error.hint) from None

    # -- literals ----------------------------------------------------------------------------

    def number(self, token: Token, sign: str = "") -> Term:
        found = _NUMBER.fullmatch(token.text)
        if found is None:
            if token.text[0].isdigit() and token.text.isidentifier() is False:
                return Term("name", token.text, at=token.at)
            self.unexpected("a number")
        digits, exponent, suffix = found[1], found[2] or "", (found[3] or "").upper()
        text = sign + digits + exponent
        if suffix == "BD":
            self.refuse(f"the decimal literal {token.text}", "write 1.5D for a double")
        if suffix == "D" or (not suffix and exponent):
            return Term("literal", float(text), type=DOUBLE, at=token.at)
        if suffix == "F":
            return Term("literal", convert.nearest_float(text), type=FLOAT, at=token.at)
        if "." in text:
            return Term("literal", text, type=DECIMAL, at=token.at)
        value = int(text)
        type_, bits = _INTEGER_SUFFIX.get(suffix, (INT, 32))
        if not suffix and not convert.fits(value, 32):
            type_, bits = BIGINT, 64
        if not convert.fits(value, bits):
            problem = f"{text} does not fit {type_}, in {self.text!r}"
            raise ExpressionError(problem, where=self.where, hint="write it as a double: 1e20")
        return Term("literal", value, type=type_, at=token.at)

    def texts(self) -> Term:
        at = self.token.at
        if self.token.text[0] in "xX":
            raw = self.step().text[2:-1]
            try:
                value = bytes.fromhex(raw if len(raw) % 2 == 0 else "0" + raw)
            except ValueError:
                self.unexpected("hexadecimal digits")
            return Term("literal", value, type=BINARY, at=at)
        parts: list[str] = []
        while self.token.kind == "text":
            parts.append(_unescaped(self.step().text))
        return Term("literal", "".join(parts), type=STRING, at=at)

    def instant(self, word: str, at: int) -> Term:
        text = _unescaped(self.step().text)
        value: date | datetime | None
        value = convert.to_date(text) if word == "DATE" else convert.to_timestamp(text)
        if value is None:
            problem = f"{word}'{text}' is not a {word.lower()}, in {self.text!r}"
            raise ExpressionError(problem, where=self.where, hint="write yyyy-mm-dd[ hh:mm:ss]")
        return Term("literal", value, type=DATE if word == "DATE" else TIMESTAMP, at=at)


def _unquoted(token: Token) -> str:
    return token.text[1:-1].replace("``", "`") if token.kind == "quoted" else token.text


def _unescaped(raw: str) -> str:
    """A text literal's value by Spark's rules for backslashes."""
    found = _TEXT.fullmatch(raw)
    assert found is not None, raw
    prefix, _, body = found.groups()
    return body if prefix else _ESCAPE.sub(_escape, body)


def _escape(found: re.Match[str]) -> str:
    code = found[1]
    if code[0] in "uU" and len(code) > 1:
        return chr(int(code[1:], 16))
    if len(code) == 3:
        return chr(int(code, 8))
    return _ESCAPES.get(code, code)

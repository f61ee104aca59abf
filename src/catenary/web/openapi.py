"""The service's description: every route, with the exact columns of what is served.

Tests draw requests from it and hold the service to it, so what stands here is what happens.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from catenary.ports.statuses import NAMES
from catenary.web.asked import ARROW, HEADERS, JSON, LONGEST_S
from catenary.windows import FIRST_MS, LAST_MS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from catenary.schema import Type
    from catenary.web.endpoint import About

Data = dict[str, Any]
_Wish = tuple[str, str, Data]
_BITS: Final = {"tinyint": 8, "smallint": 16, "int": 32, "bigint": 64}
_STATUSES: Final = ["ok", *NAMES.values()]
_REFUSALS: Final = {
    400: "The request is malformed.",
    401: "No API key, or one that is not known.",
    403: "The API key is not for this.",
    408: "The body did not come in time.",
    413: "The body is over its limit.",
    415: "The body's type is not read.",
    422: "The rows do not fit the definition's columns, or are too many.",
    500: "A mistake of the service.",
    503: "The store cannot be read.",
    504: "The token was not reflected, or the features were not read, in time.",
}


_AT: Final = "As of when: an instant, in UTC unless it names a zone, or milliseconds since 1970; now without one."


def description(
    joins: Iterable[About],
    groups: Iterable[About],
    *,
    topics: Collection[str],
    keyed: bool,
    batch_limit: int,
    whole: bool,
) -> Data:
    """The OpenAPI 3.1 description.

    Args:
        joins: that are served, by `/v1/features/join/…`.
        groups: likewise, by `/v1/features/groupby/…`.
        topics: that tokens may name.
        keyed: whether API keys are asked for.
        batch_limit: rows that a request may ask for.
        whole: whether it is for somebody who may ask for all that is served.
    """
    wished = _wishes(topics)
    paths: Data = {
        "/healthz": _get("Whether the process answers.", {"status": {"const": "ok"}}),
        "/readyz": _ready(),
        "/openapi.json": _get("This description.", {"openapi": {"type": "string"}}, keyed),
    }
    if whole:
        paths["/metrics"] = _metrics(keyed)
    for kind, plural, field, definitions in (
        ("join", "joins", "joinNames", list(joins)),
        ("groupby", "groupbys", "groupByNames", list(groups)),
    ):
        names: Data = {field: {"type": "array", "items": {"type": "string"}}}
        paths[f"/v1/{plural}"] = _get("The names that the key is for.", names, keyed)
        for each in definitions:
            name = quote(each.name, safe="")
            paths[f"/v1/{kind}/{name}/schema"] = _schema(each, keyed)
            paths[f"/v1/features/{kind}/{name}"] = _features(each, wished, keyed, batch_limit)
    found: Data = {
        "openapi": "3.1.0",
        "info": {"title": "Catenary", "version": "1"},
        "paths": paths,
        "components": {"schemas": {"Refusal": _refusal()}},
    }
    if keyed:
        found["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    return found


def type_schema(type_: Type) -> Data:
    """What JSON holds for a value of a type, or null."""
    name = type_.name
    if type_.is_integer:
        half = 1 << (_BITS[name] - 1)
        return {"type": ["integer", "null"], "minimum": -half, "maximum": half - 1}
    if type_.is_float:
        return {"type": ["number", "string", "null"]}
    if name == "boolean":
        return {"type": ["boolean", "null"]}
    if name == "array" and type_.item is not None:
        return {"type": ["array", "null"], "items": type_schema(type_.item)}
    if name == "map" and type_.item is not None:
        return {"type": ["object", "null"], "additionalProperties": type_schema(type_.item)}
    if name == "struct":
        members = {each.name: type_schema(each.type) for each in type_.fields}
        return {"type": ["object", "null"], "properties": members}
    formats = {"date": "date", "timestamp": "date-time"}
    found: Data = {"type": ["string", "null"]}
    if name in formats:
        found["format"] = formats[name]
    if name == "binary":
        found["contentEncoding"] = "base64"
    return found


def _key_schema(type_: Type) -> Data:
    """As `type_schema`, of what is given: numbers are numbers."""
    return {"type": ["number", "null"]} if type_.is_float else type_schema(type_)


def _object(columns: Mapping[str, Data], required: Iterable[str]) -> Data:
    return {
        "type": "object",
        "properties": dict(columns),
        "required": list(required),
        "additionalProperties": False,
    }


def _features(each: About, wished: list[_Wish], keyed: bool, batch_limit: int) -> Data:
    keys = {
        name: _key_schema(type_) if name in each.asked.read else {"description": "It is not read."}
        for name, type_ in each.asked.types.items()
    }
    requests: Data = {
        "type": "array",
        "maxItems": batch_limit,
        "items": _object(keys, each.asked.needed),
    }
    features = {name: type_schema(type_) for name, type_ in each.features.items()}
    said: Data = {
        "entityKeys": {"type": "object"},
        "rowStatus": {"enum": _STATUSES},
        "partStatuses": {
            "type": "object",
            "additionalProperties": {"type": "array", "items": {"enum": _STATUSES}},
        },
    }
    success = {"status": {"const": "Success"}, "features": _object(features, features), **said}
    failure = {"status": {"const": "Failure"}, "error": {"type": "string"}, **said}
    results: Data = {
        "type": "array",
        "items": {"oneOf": [_object(success, success), _object(failure, failure)]},
    }
    answer = _object({"results": results, "token": {"type": "string"}}, ("results", "token"))
    binary: Data = {"schema": {"type": "string", "format": "binary"}}
    operation: Data = {
        "summary": f"Features of {each.name}, a row for each key object.",
        "parameters": [*_parameters(wished), *_headers(wished)],
        "requestBody": {
            "required": True,
            "content": {JSON: {"schema": requests}, ARROW: binary},
        },
        "responses": {
            "200": {
                "description": "A result for each key object, in their order.",
                "content": {JSON: {"schema": answer}, ARROW: binary},
            },
            **_refusals(keyed, *_REFUSALS),
        },
    }
    return {"post": _guarded(operation, keyed)}


def _wishes(topics: Collection[str]) -> list[_Wish]:
    instant: Data = {
        "anyOf": [
            {"type": "integer", "minimum": FIRST_MS, "maximum": LAST_MS},
            {"type": "string", "format": "date-time"},
        ]
    }
    seconds: Data = {"type": "number", "minimum": 0, "maximum": LONGEST_S}
    position = f"({'|'.join(map(re.escape, sorted(topics)))})/[0-9]{{1,5}}:[0-9]{{1,18}}"
    pattern = f"^({position}(,{position})*)?$" if topics else "^$"
    token: Data = {"type": "string", "pattern": pattern}
    return [
        ("at", _AT, instant),
        ("min_token", "What the answer must reflect, as `publish` prints it.", token),
        ("timeout", "Seconds to wait for the token.", seconds),
    ]


def _parameters(wished: list[_Wish]) -> list[Data]:
    return [
        {"name": name, "in": "query", "description": about, "schema": schema}
        for name, about, schema in wished
    ]


def _headers(wished: list[_Wish]) -> list[Data]:
    return [
        {
            "name": HEADERS[name].decode().title(),
            "in": "header",
            "description": f"As {name} in the query, which wins.",
            "schema": schema,
        }
        for name, _, schema in wished
    ]


def _schema(each: About, keyed: bool) -> Data:
    column: Data = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "type": {"type": "string"}},
        "required": ["name", "type"],
    }
    columns: Data = {"type": "array", "items": column}
    text: Data = {"type": "string"}
    fields = {"name": text, "keySchema": columns, "valueSchema": columns, "schemaHash": text}
    found = _get(f"The columns of {each.name}.", fields, keyed)
    found["get"]["responses"] |= _refusals(keyed, 403)
    return found


def _get(summary: str, fields: Data, keyed: bool = False) -> Data:
    schema = {"type": "object", "properties": fields, "required": list(fields)}
    answer: Data = {"description": "As said.", "content": {JSON: {"schema": schema}}}
    responses = {"200": answer, **_refusals(keyed, 401)}
    return {"get": _guarded({"summary": summary, "responses": responses}, keyed)}


def _ready() -> Data:
    fields: Data = {
        "ready": {"type": "boolean"},
        "definitions": {"type": "integer"},
        "lacking": {"type": "array", "items": {"type": "string"}},
    }
    content = {JSON: {"schema": _object(fields, fields)}}
    responses: Data = {
        "200": {"description": "It may be asked.", "content": content},
        "503": {"description": "It may not: what is lacking.", "content": content},
    }
    return {"get": {"summary": "Whether the service may be asked.", "responses": responses}}


def _metrics(keyed: bool) -> Data:
    page: Data = {"text/plain": {"schema": {"type": "string"}}}
    responses = {
        "200": {"description": "Metrics, as Prometheus reads them.", "content": page},
        **_refusals(keyed, 401, 403, 503),
    }
    found: Data = {"summary": "Metrics of fetches and stages.", "responses": responses}
    return {"get": _guarded(found, keyed)}


def _refusals(keyed: bool, *codes: int) -> Data:
    content = {JSON: {"schema": {"$ref": "#/components/schemas/Refusal"}}}
    return {
        str(code): {"description": _REFUSALS[code], "content": content}
        for code in codes
        if keyed or code not in (401, 403)
    }


def _refusal() -> Data:
    text: Data = {"type": ["string", "null"]}
    parts = {"kind": {"type": "string"}, "problem": {"type": "string"}, "where": text, "hint": text}
    errors: Data = {"type": "array", "items": {"type": "string"}}
    return _object({"errors": errors, "error": _object(parts, parts)}, ("errors", "error"))


def _guarded(operation: Data, keyed: bool) -> Data:
    return {**operation, "security": [{"key": []}]} if keyed else operation

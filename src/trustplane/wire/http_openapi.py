"""The OpenAPI 3.1 page of a table of operations; nothing in it is written twice."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from trustplane.wire.http_routes import Access, Number, Operation, Text
from trustplane.wire.http_shapes import ErrorShape

_PATH_PARAMETER = re.compile(r"{(\w+)(?::\w+)?}")
_SECURITY: dict[Access, list[dict[str, list[str]]]] = {
    Access.OPEN: [],
    Access.READ: [{"reader": []}],
    Access.CHANGE: [],
    Access.DEPLOY: [{"deploy": []}],
}
_SCHEMES = {
    "reader": "JWT-SVID with audience trustplane-api, of an ID listed under readers",
    "deploy": "as trustplane rollouts token create prints it",
}
_REFERENCE = "#/components/schemas/{name}"

Schema = dict[str, Any]  # JSON, whose shape OpenAPI defines


def document(title: str, version: str, operations: Sequence[Operation]) -> bytes:
    shapes = {ErrorShape} | {one.answer for one in operations if not isinstance(one.answer, str)}
    shapes |= {one.body for one in operations if one.body} | {one.waits for one in operations if one.waits}
    ordered = sorted(shapes, key=lambda shape: shape.__name__)
    schemas, components = msgspec.json.schema_components(ordered, ref_template=_REFERENCE)
    schema_of = dict(zip(ordered, schemas, strict=True))
    paths: dict[str, Schema] = {}
    for one in operations:
        path = _PATH_PARAMETER.sub(r"{\1}", one.path)
        paths.setdefault(path, {})[one.method.lower()] = _operation(one, schema_of)
    page = {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                name: {"type": "http", "scheme": "bearer", "bearerFormat": form}
                for name, form in _SCHEMES.items()
                if any(name in given for one in operations for given in _SECURITY[one.access])
            },
        },
    }
    return msgspec.json.encode(page)


def _operation(one: Operation, schema_of: dict[type[msgspec.Struct], Schema]) -> Schema:
    if isinstance(one.answer, str):
        content: Schema = {one.answer: {}}
    else:
        content = {"application/json": {"schema": schema_of[one.answer]}}
    error = {"description": "why not", "content": {"application/json": {"schema": schema_of[ErrorShape]}}}
    described: Schema = {
        "operationId": one.name,
        "summary": one.summary,
        "responses": {"200": {"description": "done", "content": content}, "default": error},
        "security": _SECURITY[one.access],
    }
    if one.waits:
        waiting = {"application/json": {"schema": schema_of[one.waits]}}
        described["responses"]["202"] = {"description": "proposed: it waits for an approval", "content": waiting}
    if parameters := _parameters(one):
        described["parameters"] = parameters
    if one.body:
        described["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema_of[one.body]}}}
    if one.access is Access.CHANGE:
        described["description"] = "Only on the server's admin socket."
    return described


def _parameters(one: Operation) -> list[Schema]:
    found: list[Schema] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PATH_PARAMETER.findall(one.path)
    ]
    return [*found, *(_query_parameter(declared) for declared in one.query)]


def _query_parameter(declared: Number | Text) -> Schema:
    return {"name": declared.name, "in": "query", "description": declared.meaning, "schema": _schema(declared)}


def _schema(declared: Number | Text) -> Schema:
    match declared:
        case Number(_, default, least, most):
            return {"type": "integer", "default": default, "minimum": least, "maximum": most}
        case Text(_, _, most):
            return {"type": "string", "maxLength": most}

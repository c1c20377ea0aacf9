"""Routes as a table of operations, from which both the application and its OpenAPI page are made.

What a route takes is declared, read and bounded in one place: an undeclared query parameter, an unknown field or a
body over the limit is refused before a door is touched.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

import msgspec
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from trustplane.fault import Refused, Unavailable
from trustplane.wire.http_faults import answer_fault, answer_json

MAX_BODY_BYTES = 8 * 1024 * 1024
ANSWER_WITHIN_SECONDS = 30.0
MAX_OPERATOR_CHARACTERS = 64
OPERATOR_HEADER = "trustplane-operator"

_SECURITY_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

Shape = TypeVar("Shape", bound=msgspec.Struct)


class Access(Enum):
    """Who may use an operation: anyone, a listed reader, only whoever holds the admin socket, or a deploy system, whose
    token the operation itself asks for."""

    OPEN = "open"
    READ = "read"
    CHANGE = "change"
    DEPLOY = "deploy"


@dataclass(frozen=True, slots=True)
class Number:
    """An integer query parameter."""

    name: str
    default: int
    least: int
    most: int
    meaning: str


@dataclass(frozen=True, slots=True)
class Text:
    """A text query parameter; empty when absent."""

    name: str
    meaning: str
    most_characters: int = 2048


@dataclass(frozen=True, slots=True)
class Raw:
    """An answer that is no struct of ours."""

    content: bytes
    media_type: str
    status: int = 200


@dataclass(frozen=True, slots=True)
class Call:
    """One request, read through what its operation declared."""

    request: Request
    operation: Operation

    def path(self, name: str) -> str:
        return str(self.request.path_params[name])

    def number(self, name: str) -> int:
        declared = next(one for one in self.operation.query if isinstance(one, Number) and one.name == name)
        text = self.request.query_params.get(name)
        if text is None:
            return declared.default
        if not text.isascii() or not text.isdigit() or not declared.least <= int(text[:20]) <= declared.most:
            raise _bad_query(f"{name}={text!r:.60}", f"{name} is a number from {declared.least} to {declared.most}")
        return int(text)

    def text(self, name: str) -> str:
        declared = next(one for one in self.operation.query if isinstance(one, Text) and one.name == name)
        text = self.request.query_params.get(name, "")
        if len(text) > declared.most_characters:
            raise _bad_query(f"{name} has {len(text)} characters", f"at most {declared.most_characters} are allowed")
        return text

    def operator(self) -> str:
        """Who says they are acting. The admin socket's owner is who it is; the name is what they say."""
        said = self.request.headers.get(OPERATOR_HEADER, "")
        name = "".join(one for one in said[:MAX_OPERATOR_CHARACTERS] if one.isprintable())
        return f"local:{name or 'unnamed'}"

    async def body(self, shape: type[Shape], most: int = MAX_BODY_BYTES) -> Shape:
        """The request's JSON body, bounded while it arrives."""
        if self.request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            raise Refused(
                code="bad-content-type",
                what="the request's body is not declared as JSON",
                why="bodies are read as application/json and as nothing else",
                fix="send Content-Type: application/json",
            )
        received = bytearray()
        async for chunk in self.request.stream():
            received += chunk
            if len(received) > most:
                raise Refused(
                    code="body-too-large",
                    what=f"the request's body is larger than {most} bytes",
                    why="one request may not take the server's memory",
                    fix="send less; what this path is for is far below the limit",
                )
        try:
            return msgspec.json.decode(bytes(received), type=shape)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Refused(
                code="bad-body",
                what=f"the request's body is not what {self.operation.method} {self.operation.path} takes",
                why=str(error)[:300],
                fix="see /openapi.json for the body's schema",
            ) from error


Run = Callable[[Call], Awaitable[msgspec.Struct | Raw]]


@dataclass(frozen=True, slots=True)
class Operation:
    """One route. `answer` is its struct, or the media type of a `Raw` answer."""

    method: str
    path: str
    name: str
    summary: str
    access: Access
    answer: type[msgspec.Struct] | str
    run: Run
    query: tuple[Number | Text, ...] = ()
    body: type[msgspec.Struct] | None = None
    waits: type[msgspec.Struct] | None = None  # the answer, with 202, where it waits for an approval


Gate = Callable[[Request], Awaitable[None]]


def application(operations: Sequence[Operation], gate: Gate | None = None) -> ASGIApp:
    """The operations as an ASGI application. `gate` refuses requests to operations that are not open."""
    routes = [
        Route(one.path, _endpoint(one, gate if one.access is not Access.OPEN else None), methods=[one.method])
        for one in operations
    ]
    app = Starlette(routes=routes, exception_handlers={404: _unknown_path, 405: _unknown_method})
    # A trailing slash is another path; a redirect would answer for routes that are not there.
    app.router.redirect_slashes = False
    return SecurityHeaders(app)


def _endpoint(operation: Operation, gate: Gate | None) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        try:
            async with asyncio.timeout(ANSWER_WITHIN_SECONDS):
                if gate:
                    await gate(request)
                _only_declared(request, operation)
                given = await operation.run(Call(request, operation))
        except TimeoutError:
            return answer_fault(_too_slow(operation))
        except Exception as fault:  # noqa: BLE001 - the request's edge: every failure becomes its answer
            return answer_fault(fault)
        if isinstance(given, Raw):
            return Response(given.content, given.status, media_type=given.media_type)
        return answer_json(given)

    return answer


def bearer_of(request: Request) -> str:
    """Nothing where there is none, or more than one."""
    given = request.headers.getlist("authorization")
    scheme, _, token = (given[0] if len(given) == 1 else "").partition(" ")
    return token if scheme.lower() == "bearer" else ""


def _only_declared(request: Request, operation: Operation) -> None:
    declared = [one.name for one in operation.query]
    for name in request.query_params:
        if name not in declared:
            known = ", ".join(declared) or "none"
            raise _bad_query(f"{name!r:.60} is not a parameter of {operation.path}", f"it takes {known}")
    if len(request.query_params.multi_items()) > len(request.query_params):
        raise _bad_query("a query parameter is given twice", "two values for one name leave open which one counts")


def _bad_query(what: str, why: str) -> Refused:
    return Refused(code="bad-query", what=what, why=why, fix="see /openapi.json for the parameters of this path")


def _too_slow(operation: Operation) -> Unavailable:
    return Unavailable(
        code="answer-too-slow",
        what=f"{operation.method} {operation.path} took longer than {ANSWER_WITHIN_SECONDS:.0f} seconds",
        why="the database or the disk is slow, or the request's body did not arrive",
        fix="try again; when it stays slow, look at the server's metrics and its database",
    )


async def _unknown_path(request: Request, _: Exception) -> Response:
    return answer_fault(
        Refused(
            code="unknown-path",
            what=f"there is nothing at {request.url.path!r:.200}",
            why="no route has this path",
            fix="see /openapi.json for every path",
        )
    )


async def _unknown_method(request: Request, _: Exception) -> Response:
    return answer_fault(
        Refused(
            code="unknown-method",
            what=f"{request.url.path:.200} does not take {request.method:.20}",
            why="the path is known, with another method",
            fix="see /openapi.json for the method of every path",
        )
    )


class SecurityHeaders:
    """Adds to every answer what keeps a browser from making more of it than it is."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
                if scope.get("scheme") == "https":
                    headers.setdefault("Strict-Transport-Security", "max-age=31536000")
            await send(message)

        await self._app(scope, receive, with_headers if scope["type"] == "http" else send)

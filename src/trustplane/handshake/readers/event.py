"""Failures as JSON lines of our own: what `trustplane ingest` writes and `trustplane diagnose` reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, Literal

import msgspec

from trustplane.fault import Place
from trustplane.handshake.failure import MAX_FIELD, MAX_TEXT, Claims, Failure, Implementation, Side, Tls
from trustplane.handshake.readers.line import MAX_LINE, Line
from trustplane.handshake.reported import MOST_TIMES


class ClaimsShape(msgspec.Struct, frozen=True, omit_defaults=True):
    spiffe_id: str = ""
    serial: str = ""
    issuer_serial: str = ""
    not_after: datetime | None = None
    issuer_key: str = ""


class FailureShape(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    log: Literal["failure"]
    implementation: Implementation | None = None
    side: Side | None = None
    tls: Tls | None = None
    build: str = ""
    at: datetime | None = None
    text: str = ""
    flags: str = ""
    details: str = ""
    local: str = ""
    peer: str = ""
    theirs: ClaimsShape = ClaimsShape()
    ours: ClaimsShape = ClaimsShape()
    times: int = 1
    file: str = ""
    line: int = 0


# One byte of what is printed may become as many: DEL and C1 are two bytes, and six as an escape.
MOST_ESCAPED: Final = 3
MOST_OF_A_TEXT: Final = 400
MOST_OF_A_FIELD: Final = 64
_decoder = msgspec.json.Decoder(FailureShape)


def shape_of(failure: Failure) -> FailureShape:
    return FailureShape(**fields_of(failure))


def fitting(failure: Failure) -> FailureShape:
    """As much of it as is read again: a line is cut, and what was cut is no event. Only a text made of characters that
    JSON writes as escapes is that long."""
    shape = shape_of(failure)
    if MOST_ESCAPED * len(msgspec.json.encode(shape)) <= MAX_LINE:
        return shape
    return shape_of(
        replace(
            failure,
            text=failure.text[:MOST_OF_A_TEXT],
            flags=failure.flags[:MOST_OF_A_FIELD],
            details=failure.details[:MOST_OF_A_FIELD],
            local=failure.local[:MOST_OF_A_FIELD],
            peer=failure.peer[:MOST_OF_A_FIELD],
            theirs=_shortened(failure.theirs),
            ours=_shortened(failure.ours),
            place=failure.place and Place(failure.place.file[-MOST_OF_A_FIELD:], failure.place.line),
        )
    )


def _shortened(claims: Claims) -> Claims:
    return Claims(
        claims.spiffe_id[:MOST_OF_A_FIELD],
        claims.serial[:MOST_OF_A_FIELD],
        claims.issuer_serial[:MOST_OF_A_FIELD],
        claims.not_after,
        claims.issuer_key[:MOST_OF_A_FIELD],
    )


def fields_of(failure: Failure) -> dict[str, Any]:
    return {
        "log": "failure",
        "implementation": failure.implementation,
        "side": failure.side,
        "tls": failure.tls,
        "build": ".".join(map(str, failure.build)),
        "at": failure.at,
        "text": failure.text,
        "flags": failure.flags,
        "details": failure.details,
        "local": failure.local,
        "peer": failure.peer,
        "theirs": _claims(failure.theirs),
        "ours": _claims(failure.ours),
        "times": failure.times,
        "file": failure.place.file if failure.place else "",
        "line": failure.place.line if failure.place else 0,
    }


def encoded(failure: Failure) -> str:
    return msgspec.json.encode(shape_of(failure)).decode()


def read(lines: Iterable[Line]) -> Iterator[Failure]:
    for line in lines:
        try:
            shape = _decoder.decode(line.text)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            continue
        yield failure_of(shape, line.place)


def build_of(text: str) -> tuple[int, ...]:
    """1.38.3 as numbers; nothing where it is not written so."""
    parts = text.split(".")
    return (
        tuple(map(int, parts)) if len(parts) <= 4 and all(part.isascii() and part.isdigit() for part in parts) else ()
    )


def failure_of(shape: FailureShape, place: Place | None) -> Failure:
    """`place` is where it was read, which the shape's own goes before."""
    return Failure(
        text=shape.text[:MAX_TEXT],
        implementation=shape.implementation,
        side=shape.side,
        build=build_of(shape.build[:32]),
        tls=shape.tls,
        at=shape.at if shape.at and shape.at.tzinfo else None,
        flags=shape.flags,
        details=shape.details,
        local=shape.local,
        peer=shape.peer,
        theirs=_of(shape.theirs),
        ours=_of(shape.ours),
        times=min(max(shape.times, 1), MOST_TIMES),
        place=Place(shape.file[:MAX_FIELD], max(shape.line, 1)) if shape.file else place,
    )


def _claims(claims: Claims) -> ClaimsShape:
    return ClaimsShape(claims.spiffe_id, claims.serial, claims.issuer_serial, claims.not_after, claims.issuer_key)


def _of(shape: ClaimsShape) -> Claims:
    end = shape.not_after if shape.not_after and shape.not_after.tzinfo else None
    return Claims(shape.spiffe_id, shape.serial, shape.issuer_serial, end, shape.issuer_key)

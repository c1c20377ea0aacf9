"""Faults as HTTP answers: the one place that decides a status.

`Refused` and `Unavailable` answer in full. `Broken`, and whatever nobody foresaw, answers with a reference number that
the log repeats beside the cause: a caller learns that we failed, not how we are built.
"""

from __future__ import annotations

import math
import secrets

import msgspec
import structlog
from starlette.responses import Response

from trustplane.fault import Broken, Refused, Unavailable
from trustplane.wire.http_findings import error_shape
from trustplane.wire.http_shapes import ErrorShape

_log = structlog.get_logger()

_STATUS = {
    "agent-banned": 403,
    "agent-unknown": 404,
    "bad-content-type": 415,
    "bad-deploy-token": 401,
    "body-too-large": 413,
    "deploy-token-unknown": 404,
    "no-bearer-token": 401,
    "not-a-reader": 403,
    "nothing-stated": 404,
    "not-an-approver": 403,
    "proposal-unknown": 404,
    "unknown-certificate": 404,
    "unknown-identity": 404,
    "unknown-path": 404,
    "unknown-method": 405,
    "rollout-differs": 409,
    "unknown-revision": 404,
}
_UNAUTHENTICATED = 401


def answer_fault(fault: Exception) -> Response:
    """The response to any failure of a route."""
    match fault:
        case Refused():
            status = _STATUS.get(fault.code, 400)
            headers = {"WWW-Authenticate": "Bearer"} if status == _UNAUTHENTICATED else {}
            return answer_json(error_shape(fault), status, headers)
        case Unavailable(retry_after=wait):
            seconds = str(math.ceil(wait.total_seconds())) if wait else "1"
            return answer_json(error_shape(fault), 503, {"Retry-After": seconds})
        case _:
            return answer_json(_ours(fault), 500)


def _ours(fault: Exception) -> ErrorShape:
    reference = secrets.token_hex(8)
    code = fault.code if isinstance(fault, Broken) else "unforeseen"
    _log.error("http-request-failed", reference=reference, code=code, exc_info=fault)
    return ErrorShape(
        code=code,
        what="trustplane could not answer this request",
        why="something inside it does not hold; its log has the cause under the reference",
        fix=f"look for {reference} in the log and report what it says",
        reference=reference,
    )


def answer_json(body: msgspec.Struct, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(encode(body), status, headers, media_type="application/json")


def encode(body: msgspec.Struct) -> bytes:
    return msgspec.json.encode(body)

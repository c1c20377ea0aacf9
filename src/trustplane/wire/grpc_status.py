"""Faults as gRPC statuses and back: the one place that decides a status.

`Refused` and `Unavailable` answer in full. `Broken`, and whatever nobody foresaw, answers INTERNAL with a reference
number that the log repeats beside the cause. CANCELLED is never sent, and INVALID_ARGUMENT only for a request that can
never succeed, because SPIFFE clients do not retry after either.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import re
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NoReturn, ParamSpec, TypeVar, cast, overload

import grpc
import structlog
from google.protobuf.message import DecodeError

from trustplane.fault import Broken, Fault, Refused, Unavailable
from trustplane.wire.gen.trustplane.node.v1.node_pb2 import Refusal

_P = ParamSpec("_P")
_Answer = TypeVar("_Answer")

FAULT_KEY = "trustplane-fault-bin"
PUSHBACK_KEY = "grpc-retry-pushback-ms"
# Bytes of each sentence: as metadata in base64 and percent-encoded in the details, all of it must stay under the 8 KiB
# of headers that gRPC takes.
MAX_TEXT = 600
DEFAULT_WAIT = timedelta(seconds=1)
LONGEST_WAIT = timedelta(minutes=10)

_CODE = re.compile(r"[a-z][a-z0-9-]{0,63}")
_log = structlog.get_logger("grpc")

_STATUS = {
    "agent-banned": grpc.StatusCode.PERMISSION_DENIED,
    "agent-unknown": grpc.StatusCode.PERMISSION_DENIED,
    "bad-audience": grpc.StatusCode.INVALID_ARGUMENT,
    "bad-request-message": grpc.StatusCode.INVALID_ARGUMENT,
    "bad-spiffe-id": grpc.StatusCode.INVALID_ARGUMENT,
    "caller-changed": grpc.StatusCode.PERMISSION_DENIED,
    "caller-gone": grpc.StatusCode.PERMISSION_DENIED,
    "caller-unseen": grpc.StatusCode.PERMISSION_DENIED,
    "foreign-agent": grpc.StatusCode.PERMISSION_DENIED,
    "invalid-jwt-svid": grpc.StatusCode.INVALID_ARGUMENT,
    "no-audience": grpc.StatusCode.INVALID_ARGUMENT,
    "no-identity": grpc.StatusCode.PERMISSION_DENIED,
    "no-security-header": grpc.StatusCode.INVALID_ARGUMENT,
    "no-spiffe-id": grpc.StatusCode.PERMISSION_DENIED,
    "no-token": grpc.StatusCode.INVALID_ARGUMENT,
    "not-an-agent": grpc.StatusCode.PERMISSION_DENIED,
    "not-entitled": grpc.StatusCode.PERMISSION_DENIED,
    "wit-not-offered": grpc.StatusCode.UNIMPLEMENTED,
    "xds-name-too-long": grpc.StatusCode.INVALID_ARGUMENT,
    "xds-name-unknown": grpc.StatusCode.INVALID_ARGUMENT,
    "xds-silent-stream": grpc.StatusCode.INVALID_ARGUMENT,
    "xds-too-many-names": grpc.StatusCode.INVALID_ARGUMENT,
    "xds-type-unknown": grpc.StatusCode.INVALID_ARGUMENT,
}
# What BoringSSL says of a path that ends nowhere.
_UNKNOWN_ISSUER = "CERTIFICATE_VERIFY_FAILED: unable to get local issuer certificate"
_MAY_PASS = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.ABORTED,
        # The other side's own fault: nothing to change here.
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.DATA_LOSS,
    }
)


@dataclass(frozen=True, slots=True)
class Status:
    code: grpc.StatusCode
    details: str
    metadata: tuple[tuple[str, str | bytes], ...]


def status_of(fault: Exception) -> Status:
    """What the peer is told. Writes the cause of what is our fault to the log, under the reference it answers."""
    match fault:
        case Refused():
            return _told(fault, _STATUS.get(fault.code, grpc.StatusCode.FAILED_PRECONDITION))
        case Unavailable(retry_after=wait):
            return _told(fault, grpc.StatusCode.UNAVAILABLE, wait or DEFAULT_WAIT)
        case _:
            return _ours(fault)


def _told(fault: Fault, code: grpc.StatusCode, wait: timedelta | None = None) -> Status:
    found = fault.finding
    more = len(fault.findings) - 1
    what = _clip(found.what) + (f" (and {more} more)" if more else "")
    refusal = Refusal(code=found.code, what=what, why=_clip(found.why), fix=_clip(found.fix))
    pushback: tuple[tuple[str, str | bytes], ...] = ()
    if wait is not None:
        refusal.retry_after.FromTimedelta(wait)
        pushback = ((PUSHBACK_KEY, str(int(wait / timedelta(milliseconds=1)))),)
    details = f"{found.code}: {what}; {_clip(found.why)}"
    return Status(code, details, ((FAULT_KEY, refusal.SerializeToString()), *pushback))


def _ours(fault: Exception) -> Status:
    reference = secrets.token_hex(8)
    code = fault.code if isinstance(fault, Broken) else "unforeseen"
    _log.error("call-failed", reference=reference, code=code, exc_info=fault)
    return Status(grpc.StatusCode.INTERNAL, f"{code}: look for {reference} in the log", ())


def _clip(text: str) -> str:
    raw = text.encode(errors="replace")
    return text if len(raw) <= MAX_TEXT else raw[: MAX_TEXT - 3].decode(errors="ignore") + "..."


@overload
def answering(method: Callable[_P, Awaitable[_Answer]]) -> Callable[_P, Awaitable[_Answer]]: ...
@overload
def answering(method: Callable[_P, AsyncIterator[_Answer]]) -> Callable[_P, AsyncIterator[_Answer]]: ...
def answering(method: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a servicer's method `(self, request, context)`, so that what it raises is answered as a status."""
    return _answering_stream(method) if inspect.isasyncgenfunction(method) else _answering_call(method)


def _answering_call(method: Callable[..., Awaitable[_Answer]]) -> Callable[..., Awaitable[_Answer]]:
    @functools.wraps(method)
    async def answered(*args: object) -> _Answer:
        try:
            return await method(*args)
        except grpc.aio.AbortError:
            raise
        except Exception as error:  # noqa: BLE001 - a call's edge: everything becomes one status here
            await _abort(args[-1], error)

    return answered


def _answering_stream(method: Callable[..., AsyncIterator[_Answer]]) -> Callable[..., AsyncIterator[_Answer]]:
    @functools.wraps(method)
    async def answered(*args: object) -> AsyncIterator[_Answer]:
        try:
            async with contextlib.aclosing(cast("AsyncGenerator[_Answer]", method(*args))) as messages:
                async for message in messages:
                    yield message
        except grpc.aio.AbortError:
            raise
        except Exception as error:  # noqa: BLE001 - a call's edge: everything becomes one status here
            await _abort(args[-1], error)

    return answered


async def _abort(context: object, error: Exception) -> NoReturn:
    status = status_of(error)
    await cast("grpc.aio.ServicerContext[Any, Any]", context).abort(status.code, status.details, status.metadata)


class RefuseMalformed(grpc.aio.ServerInterceptor):
    """Answers a request that is no message of its method with INVALID_ARGUMENT.

    Left to itself gRPC answers UNKNOWN with our parser's words, which clients retry, and logs a traceback for each.
    Requests that stream are left alone.
    """

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        method = await continuation(handler_call_details)
        if method is None or method.request_streaming:
            return method
        deserialize = _or_malformed(method.request_deserializer)
        if method.unary_stream is not None:
            stream = _refusing_stream(method.unary_stream)
            return grpc.unary_stream_rpc_method_handler(stream, deserialize, method.response_serializer)
        call = _refusing_call(cast("Callable[..., Any]", method.unary_unary))
        return grpc.unary_unary_rpc_method_handler(call, deserialize, method.response_serializer)


class _Malformed:
    """Stands for a request that could not be read."""


def _or_malformed(deserialize: Callable[[bytes], Any] | None) -> Callable[[bytes], Any]:
    def read(raw: bytes) -> object:
        try:
            return deserialize(raw) if deserialize else raw
        except DecodeError:
            return _Malformed()

    return read


def _refusing_call(method: Callable[..., Any]) -> Callable[..., Any]:
    async def answered(request: object, context: object) -> object:
        if isinstance(request, _Malformed):
            await _abort(context, _bad_message())
        return await method(request, context)

    return answered


def _refusing_stream(method: Callable[..., Any]) -> Callable[..., Any]:
    async def answered(request: object, context: object) -> AsyncIterator[object]:
        if isinstance(request, _Malformed):
            await _abort(context, _bad_message())
        async with contextlib.aclosing(method(request, context)) as messages:
            async for message in messages:
                yield message

    return answered


def _bad_message() -> Refused:
    return Refused(
        code="bad-request-message",
        what="the request is not a message of this method",
        why="it cannot be parsed as the protobuf message the method takes",
        fix="use a client generated from the same protocol",
    )


def fault_of(error: grpc.aio.AioRpcError) -> Fault:
    """What a call's failure means to the caller. The other side's own fault is, from here, something to wait out."""
    refusal = _refusal_in(error)
    if refusal is None:
        return _unexplained(error)
    code, what, why, fix = refusal.code, _clip(refusal.what), _clip(refusal.why), _clip(refusal.fix)
    if not _CODE.fullmatch(code):
        return _unexplained(error)
    if error.code() is grpc.StatusCode.UNAVAILABLE:
        wait = min(max(_wait_in(refusal), timedelta(0)), LONGEST_WAIT)
        return Unavailable(code=code, what=what, why=why, fix=fix, retry_after=wait)
    return Refused(code=code, what=what, why=why, fix=fix)


def _wait_in(refusal: Refusal) -> timedelta:
    try:
        return refusal.retry_after.ToTimedelta() if refusal.HasField("retry_after") else DEFAULT_WAIT
    except OverflowError:  # protobuf's durations are longer than ours
        return LONGEST_WAIT


def _refusal_in(error: grpc.aio.AioRpcError) -> Refusal | None:
    found = (error.trailing_metadata() or grpc.aio.Metadata()).get(FAULT_KEY)
    if not isinstance(found, bytes):
        return None
    try:
        return Refusal.FromString(found)
    except DecodeError:
        return None


def _unexplained(error: grpc.aio.AioRpcError) -> Fault:
    status = error.code()
    why = f"{status.name}: {_clip(error.details() or 'no details')}"
    if status in _MAY_PASS and _UNKNOWN_ISSUER in why:
        return Unavailable(
            code="server-not-trusted",
            what="the other side shows a certificate that chains to no root trusted here",
            why=why,
            fix="look whether the root was changed meanwhile, and whether this is the server it should be",
        )
    if status in _MAY_PASS:
        return Unavailable(
            code="peer-unavailable",
            what="the other side did not answer the call",
            why=why,
            fix="check that it runs and is reachable; the call may be repeated",
        )
    return Refused(
        code="peer-refused",
        what="the other side refused the call",
        why=why,
        fix="check that both sides run versions that speak to each other",
    )

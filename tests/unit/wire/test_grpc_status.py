from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import cast
from urllib.parse import quote

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trustplane.fault import Broken, Finding, Refused, Unavailable
from trustplane.flows.node.node_link import SERVER_NOT_TRUSTED
from trustplane.wire.gen.trustplane.node.v1.node_pb2 import Refusal
from trustplane.wire.grpc_status import FAULT_KEY, MAX_TEXT, PUSHBACK_KEY, Status, answering, fault_of, status_of

WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=MAX_TEXT // 4)


def as_bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode()


def received(status: Status) -> grpc.aio.AioRpcError:
    """What the other side of a call has in hand."""
    return grpc.aio.AioRpcError(status.code, grpc.aio.Metadata(), grpc.aio.Metadata(*status.metadata), status.details)


@given(WORDS, WORDS, WORDS)
def test_a_refusal_arrives_as_it_was_made(what: str, why: str, fix: str) -> None:
    sent = Refused(code="bad-spiffe-id", what=what, why=why, fix=fix)
    found = fault_of(received(status_of(sent)))
    assert isinstance(found, Refused)
    assert found.finding == sent.finding


@given(st.timedeltas(timedelta(0), timedelta(minutes=10)))
def test_unavailability_arrives_with_its_wait(wait: timedelta) -> None:
    sent = Unavailable(code="agent-not-ready", what="a", why="b", fix="c", retry_after=wait)
    status = status_of(sent)
    found = fault_of(received(status))
    assert status.code is grpc.StatusCode.UNAVAILABLE
    assert isinstance(found, Unavailable)
    assert found.retry_after == (wait or timedelta(seconds=1))
    assert PUSHBACK_KEY in dict(status.metadata)


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("no-security-header", grpc.StatusCode.INVALID_ARGUMENT),
        ("no-identity", grpc.StatusCode.PERMISSION_DENIED),
        ("caller-gone", grpc.StatusCode.PERMISSION_DENIED),
        ("wit-not-offered", grpc.StatusCode.UNIMPLEMENTED),
        ("a-code-nobody-listed", grpc.StatusCode.FAILED_PRECONDITION),
    ],
)
def test_a_refusals_status_goes_by_its_code(code: str, status: grpc.StatusCode) -> None:
    assert status_of(Refused(code=code, what="a", why="b", fix="c")).code is status


@pytest.mark.parametrize(
    "fault",
    [
        Broken(code="invariant-lost", what="the secret plan", why="row 7 of /var/lib/x", fix="none"),
        ValueError("the secret plan at /var/lib/x"),
    ],
)
def test_what_is_our_fault_is_told_as_a_reference_only(fault: Exception) -> None:
    status = status_of(fault)
    assert status.code is grpc.StatusCode.INTERNAL
    assert "secret" not in status.details
    assert "/var" not in status.details
    assert status.metadata == ()
    assert isinstance(fault_of(received(status)), Unavailable)  # to the caller it is something to wait out


def test_long_sentences_are_cut_so_that_the_metadata_fits() -> None:
    finding = Finding(code="x", what="\u00e9" * 9000, why="\u20ac" * 9000, fix="z" * 9000)
    status = status_of(Refused.all_of([finding, finding, finding]))
    encoded = sum(len(name) + len(base64.b64encode(as_bytes(value))) for name, value in status.metadata)
    assert encoded + len(quote(status.details)) < 8192
    assert "and 2 more" in status.details
    assert len(fault_of(received(status)).finding.fix) == MAX_TEXT


@pytest.mark.parametrize("code", [one for one in grpc.StatusCode if one is not grpc.StatusCode.OK])
def test_a_status_without_our_words_still_says_who_must_move(code: grpc.StatusCode) -> None:
    found = fault_of(grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(), "it failed"))
    ours_to_change = {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.ALREADY_EXISTS,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.OUT_OF_RANGE,
        grpc.StatusCode.UNIMPLEMENTED,
    }
    assert isinstance(found, Refused if code in ours_to_change else Unavailable)
    assert "it failed" in found.finding.why


@pytest.mark.parametrize("content", [b"\xff\xff", b"", Refusal(code="Not A Code\n").SerializeToString()])
def test_words_that_cannot_be_read_are_ignored(content: bytes) -> None:
    metadata = grpc.aio.Metadata((FAULT_KEY, content))
    found = fault_of(grpc.aio.AioRpcError(grpc.StatusCode.NOT_FOUND, grpc.aio.Metadata(), metadata, "no"))
    assert found.code == "peer-refused"


def test_a_wait_the_other_side_exaggerates_is_bounded() -> None:
    refusal = Refusal(code="x", what="a", why="b", fix="c")
    refusal.retry_after.FromTimedelta(timedelta(days=3650))
    metadata = grpc.aio.Metadata((FAULT_KEY, refusal.SerializeToString()))
    found = fault_of(grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), metadata, ""))
    assert isinstance(found, Unavailable)
    assert found.retry_after == timedelta(minutes=10)


class FakeContext:
    """What a servicer's method is given, as far as it aborts."""

    def __init__(self) -> None:
        self.aborted: grpc.StatusCode | None = None

    async def abort(self, code: grpc.StatusCode, details: str = "", metadata: object = ()) -> None:
        del details, metadata
        self.aborted = code
        raise grpc.aio.AbortError


REFUSAL = Refused(code="no-identity", what="a", why="b", fix="c")


class Service:
    closed = False

    @answering
    async def call(self, request: str, context: FakeContext) -> str:
        if request == "refuse":
            raise REFUSAL
        if request == "abort":
            await context.abort(grpc.StatusCode.ABORTED)
        return request

    @answering
    async def stream(self, request: str, context: FakeContext) -> AsyncIterator[str]:
        del context
        try:
            yield request
            raise REFUSAL
        finally:
            self.closed = True


def test_a_calls_fault_becomes_its_status() -> None:
    async def scenario() -> None:
        context = FakeContext()
        assert await Service().call("hello", context) == "hello"
        with pytest.raises(grpc.aio.AbortError):
            await Service().call("refuse", context)
        assert context.aborted is grpc.StatusCode.PERMISSION_DENIED
        with pytest.raises(grpc.aio.AbortError):
            await Service().call("abort", context)
        assert cast("object", context.aborted) is grpc.StatusCode.ABORTED

    asyncio.run(scenario())


def test_a_streams_fault_becomes_its_status_after_what_it_said() -> None:
    async def scenario() -> None:
        context, service = FakeContext(), Service()
        stream = service.stream("hello", context)
        assert await anext(stream) == "hello"
        with pytest.raises(grpc.aio.AbortError):
            await anext(stream)
        assert context.aborted is grpc.StatusCode.PERMISSION_DENIED
        assert service.closed

    asyncio.run(scenario())


def test_a_stream_the_client_leaves_is_closed_at_once() -> None:
    async def scenario() -> None:
        service = Service()
        stream = service.stream("hello", FakeContext())
        await anext(stream)
        await stream.aclose()  # type: ignore[attr-defined]  # gRPC closes what it was given
        assert service.closed

    asyncio.run(scenario())


def test_cancellation_is_not_answered() -> None:
    class Cancelled:
        @answering
        async def call(self, request: str, context: FakeContext) -> str:
            del request, context
            raise asyncio.CancelledError

    async def scenario() -> None:
        context = FakeContext()
        with pytest.raises(asyncio.CancelledError):
            await Cancelled().call("x", context)
        assert context.aborted is None

    asyncio.run(scenario())


def test_a_server_below_a_root_of_elsewhere_is_not_taken_for_one_that_is_away() -> None:
    said = "Tls handshake failed: CERTIFICATE_VERIFY_FAILED: unable to get local issuer certificate: OK"
    found = fault_of(grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), grpc.aio.Metadata(), said))
    assert found.code == SERVER_NOT_TRUSTED

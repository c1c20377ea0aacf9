"""One gRPC client talking to a Workload API endpoint of the test's own, in the standard's terms."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest

from tests.kit.workload import Endpoint, Issuing, workload_endpoint
from trustplane.flows.node.serve_identities import HeldIdentities
from trustplane.registry.view import Entry
from trustplane.spiffe.bundle import Bundle
from trustplane.wire.gen.workload import messages_pb2 as pb
from trustplane.wire.gen.workload.service_pb2_grpc import SpiffeWorkloadAPIStub
from trustplane.wire.workload_api import HEADER

META = (HEADER,)
WEB = "spiffe://acme.example/ns/shop/sa/web"
API = "spiffe://acme.example/ns/shop/sa/api"
SECONDS = 30


@dataclass(frozen=True)
class Talk:
    endpoint: Endpoint
    stub: SpiffeWorkloadAPIStub

    def x509(self) -> AsyncIterator[pb.X509SVIDResponse]:
        return aiter(self.stub.FetchX509SVID(pb.X509SVIDRequest(), metadata=META, timeout=SECONDS))

    def x509_bundles(self) -> AsyncIterator[pb.X509BundlesResponse]:
        return aiter(self.stub.FetchX509Bundles(pb.X509BundlesRequest(), metadata=META, timeout=SECONDS))

    def jwt_bundles(self) -> AsyncIterator[pb.JWTBundlesResponse]:
        return aiter(self.stub.FetchJWTBundles(pb.JWTBundlesRequest(), metadata=META, timeout=SECONDS))

    async def jwt(self, *audience: str, spiffe_id: str = "") -> pb.JWTSVIDResponse:
        request = pb.JWTSVIDRequest(audience=audience, spiffe_id=spiffe_id)
        return await self.stub.FetchJWTSVID(request, metadata=META, timeout=SECONDS)

    async def validate(self, svid: str, audience: str) -> pb.ValidateJWTSVIDResponse:
        request = pb.ValidateJWTSVIDRequest(svid=svid, audience=audience)
        return await self.stub.ValidateJWTSVID(request, metadata=META, timeout=SECONDS)

    def publish(self, *entries: Entry, others: Sequence[Bundle] = ()) -> None:
        self.endpoint.identities.publish(self.endpoint.issuing.held(entries, *others))


def talk(
    folder: Path,
    held: Sequence[Entry] | HeldIdentities,
    scenario: Callable[[Talk], Awaitable[None]],
    issuing: Issuing | None = None,
    loop_factory: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop,
) -> None:
    async def play() -> None:
        async with (
            workload_endpoint(folder, held, issuing=issuing) as endpoint,
            grpc.aio.insecure_channel(endpoint.address) as channel,
        ):
            await scenario(Talk(endpoint, SpiffeWorkloadAPIStub(channel)))

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(play())


@contextlib.contextmanager
def answered_with(code: grpc.StatusCode) -> Iterator[None]:
    with pytest.raises(grpc.aio.AioRpcError) as refusal:
        yield
    assert refusal.value.code() is code


def ids(response: pb.X509SVIDResponse) -> list[str]:
    return [one.spiffe_id for one in response.svids]

"""SPIFFE Workload Endpoint, rule by rule: EP-1 to EP-8 of the conformance list."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import grpc
import pytest

from tests.kit.workload import entry, workload_endpoint
from trustplane.fault import Refused
from trustplane.flows.node.serve_identities import HeldIdentities
from trustplane.registry.view import Entry
from trustplane.wire.gen.workload import messages_pb2 as pb
from trustplane.wire.gen.workload.service_pb2_grpc import SpiffeWorkloadAPIStub
from trustplane.wire.workload_api import HEADER
from trustplane.wire.workload_client import endpoint_target

pytestmark = pytest.mark.network

HeaderLines = Sequence[tuple[str, str]]
STREAMS = ("FetchX509SVID", "FetchX509Bundles", "FetchJWTBundles", "FetchWITSVID", "FetchWITBundles")
REQUESTS = {
    "FetchX509SVID": pb.X509SVIDRequest(),
    "FetchX509Bundles": pb.X509BundlesRequest(),
    "FetchJWTSVID": pb.JWTSVIDRequest(audience=["ledger"]),
    "FetchJWTBundles": pb.JWTBundlesRequest(),
    "ValidateJWTSVID": pb.ValidateJWTSVIDRequest(audience="ledger", svid="a.b.c"),
    "FetchWITSVID": pb.WITSVIDRequest(),
    "FetchWITBundles": pb.WITBundlesRequest(),
}


async def call(channel: grpc.aio.Channel, method: str, metadata: HeaderLines = (HEADER,)) -> object:
    found = getattr(SpiffeWorkloadAPIStub(channel), method)(REQUESTS[method], metadata=metadata)
    return await anext(aiter(found)) if method in STREAMS else await found


def status(
    folder: Path, asked: Callable[[grpc.aio.Channel], Awaitable[object]], held: Sequence[Entry] | HeldIdentities
) -> grpc.StatusCode:
    async def scenario() -> grpc.StatusCode:
        async with workload_endpoint(folder, held) as endpoint, grpc.aio.insecure_channel(endpoint.address) as channel:
            try:
                await asked(channel)
            except grpc.aio.AioRpcError as error:
                return error.code()
            return grpc.StatusCode.OK

    return asyncio.run(scenario())


def test_ep_1_the_endpoint_is_a_socket_of_this_machine_only(socket_dir: Path) -> None:
    async def scenario() -> None:
        async with workload_endpoint(socket_dir) as endpoint:
            assert stat.S_ISSOCK(endpoint.path.stat().st_mode)

    asyncio.run(scenario())


def test_ep_2_it_is_grpc_over_a_unix_socket_every_user_may_connect_to(socket_dir: Path) -> None:
    async def scenario() -> None:
        async with workload_endpoint(socket_dir) as endpoint:
            assert stat.S_IMODE(endpoint.path.stat().st_mode) == 0o666

    asyncio.run(scenario())
    assert status(socket_dir, lambda channel: call(channel, "FetchX509SVID"), [entry("web")]) is grpc.StatusCode.OK


@pytest.mark.parametrize(
    "lines",
    [
        (),
        (("workload.spiffe.io", "True"),),
        (("workload.spiffe.io", "TRUE"),),
        (("workload.spiffe.io", "false"),),
        (("workload.spiffe.io", ""),),
        (("workload.spiffe.io", "true"), ("workload.spiffe.io", "true")),
        (("workload.spiffe.io", "true"), ("workload.spiffe.io", "false")),
        (("workload-spiffe-io", "true"),),
    ],
    ids=str,
)
def test_ep_3_a_call_without_exactly_the_header_is_invalid(socket_dir: Path, lines: HeaderLines) -> None:
    found = status(socket_dir, lambda channel: call(channel, "FetchX509SVID", lines), [entry("web")])
    assert found is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("method", REQUESTS)
def test_ep_3_holds_for_every_method(socket_dir: Path, method: str) -> None:
    found = status(socket_dir, lambda channel: call(channel, method, ()), [entry("web")])
    assert found is grpc.StatusCode.INVALID_ARGUMENT


def test_ep_3_holds_for_methods_that_do_not_exist(socket_dir: Path) -> None:
    async def unknown(channel: grpc.aio.Channel) -> object:
        check: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/grpc.health.v1.Health/Check")
        return await check(b"")

    assert status(socket_dir, unknown, [entry("web")]) is grpc.StatusCode.INVALID_ARGUMENT


def test_ep_4_tls_is_not_required(socket_dir: Path) -> None:
    # insecure_channel is plain HTTP/2.
    assert status(socket_dir, lambda channel: call(channel, "FetchX509SVID"), [entry("web")]) is grpc.StatusCode.OK


@pytest.mark.parametrize(
    ("address", "target"),
    [
        ("unix:/run/api.sock", "unix:/run/api.sock"),
        ("unix:///run/api.sock", "unix:/run/api.sock"),
        ("tcp://127.0.0.1:8000", "ipv4:127.0.0.1:8000"),
        ("tcp://[::1]:8000", "ipv6:[::1]:8000"),
    ],
)
def test_ep_5_addresses_a_client_takes(address: str, target: str) -> None:
    assert endpoint_target(address) == target


@pytest.mark.parametrize(
    "address",
    [
        "",
        "/run/api.sock",
        "unix:run/api.sock",
        "unix://run/api.sock",
        "unix:///run/api.sock?x=1",
        "unix:///run/api.sock#x",
        "unix:@abstract",
        "tcp://localhost:8000",
        "tcp://127.0.0.1",
        "tcp://127.0.0.1:8000/path",
        "tcp://user@127.0.0.1:8000",
        "tcp://127.0.0.1:99999",
        "tcp:127.0.0.1:8000",
        "http://127.0.0.1:8000",
    ],
)
def test_ep_5_addresses_a_client_refuses(address: str) -> None:
    with pytest.raises(Refused) as refusal:
        endpoint_target(address)
    assert refusal.value.code == "bad-endpoint-address"


def test_ep_6_the_workload_presents_nothing_of_its_own(socket_dir: Path) -> None:
    # The request is empty and the channel has no credentials: the kernel says who calls.
    assert pb.X509SVIDRequest().SerializeToString() == b""
    assert status(socket_dir, lambda channel: call(channel, "FetchX509SVID"), [entry("web")]) is grpc.StatusCode.OK


@pytest.mark.parametrize("method", [name for name in REQUESTS if "WIT" not in name])
def test_ep_7_an_agent_that_knows_nothing_yet_is_unavailable(socket_dir: Path, method: str) -> None:
    found = status(socket_dir, lambda channel: call(channel, method), HeldIdentities.nothing_yet())
    assert found is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("method", [name for name in REQUESTS if "WIT" not in name])
def test_ep_7_a_workload_without_identity_is_denied(socket_dir: Path, method: str) -> None:
    found = status(socket_dir, lambda channel: call(channel, method), [entry("web", "unix:uid:4242424")])
    assert found is grpc.StatusCode.PERMISSION_DENIED


def test_ep_7_a_method_that_is_not_offered_is_unimplemented(socket_dir: Path) -> None:
    async def unknown(channel: grpc.aio.Channel) -> object:
        method = "/SpiffeWorkloadAPI/FetchSSHCertificate"
        fetch: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(method)
        return await fetch(b"", metadata=(HEADER,))

    assert status(socket_dir, unknown, [entry("web")]) is grpc.StatusCode.UNIMPLEMENTED


def test_ep_8_the_endpoint_offers_the_workload_api_under_its_own_name(socket_dir: Path) -> None:
    async def by_path(channel: grpc.aio.Channel) -> object:
        method = "/SpiffeWorkloadAPI/FetchX509SVID"
        fetch: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream(method)
        return await anext(aiter(fetch(b"", metadata=(HEADER,))))

    assert status(socket_dir, by_path, [entry("web")]) is grpc.StatusCode.OK

"""A client of any SPIFFE Workload API, ours included: for `trustplane svid fetch|watch`.

What arrives is parsed into values before anyone sees it; a response with a mandatory field missing is refused whole
(WA-6). Streams end with a fault; whoever watches dials again.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import grpc

from trustplane.fault import Refused
from trustplane.spiffe.bundle import Bundle, BundleSet
from trustplane.spiffe.certificates import certificates_from_concatenated_der
from trustplane.spiffe.ids import SpiffeId, TrustDomain
from trustplane.spiffe.x509_svid import KeyedSvid, X509Svid
from trustplane.wire.gen.workload import messages_pb2 as pb
from trustplane.wire.gen.workload import service_pb2_grpc
from trustplane.wire.grpc_status import fault_of
from trustplane.wire.workload_api import HEADER

ENDPOINT_VARIABLE = "SPIFFE_ENDPOINT_SOCKET"
MAX_RESPONSE_BYTES = 16 * 1024 * 1024
CALL_SECONDS = 15.0
_OPTIONS = (
    ("grpc.max_receive_message_length", MAX_RESPONSE_BYTES),
    ("grpc.enable_retries", 0),
    ("grpc.use_local_subchannel_pool", 1),
)


@dataclass(frozen=True, slots=True)
class FetchedX509:
    """`identities` with their hints, the default first; `bundles` of the own domain and the federated ones."""

    identities: tuple[tuple[KeyedSvid, str], ...]
    bundles: BundleSet


@dataclass(frozen=True, slots=True)
class FetchedJwt:
    spiffe_id: SpiffeId
    token: str
    hint: str


def endpoint_target(address: str) -> str:
    """From a SPIFFE endpoint address (Workload Endpoint §4) to what gRPC dials."""
    match = re.fullmatch(r"unix:(?://)?(/[^/?#\0][^?#\0]*)", address)
    if match:
        return f"unix:{match[1]}"
    return _tcp_target(address)


def _tcp_target(address: str) -> str:
    try:
        parts = urlsplit(address)
        host, port = ipaddress.ip_address(parts.hostname or ""), parts.port
    except ValueError:
        raise _bad_endpoint(address) from None
    bracketed = f"[{host}]" if host.version == 6 else str(host)
    if port is None or address != f"tcp://{bracketed}:{port}":
        raise _bad_endpoint(address)
    return f"ipv{host.version}:{bracketed}:{port}"


def _bad_endpoint(address: str) -> Refused:
    return Refused(
        code="bad-endpoint-address",
        what=f"{address!r:.300} is not the address of a Workload API",
        why="it is unix: with an absolute path, or tcp: with an IP address and a port, and nothing else (EP-5)",
        fix=f"set {ENDPOINT_VARIABLE} to for example unix:///run/trustplane/workload.sock",
    )


class WorkloadClient:
    def __init__(self, address: str) -> None:
        self._channel = grpc.aio.insecure_channel(endpoint_target(address), options=_OPTIONS)
        self._stub = service_pb2_grpc.SpiffeWorkloadAPIStub(self._channel)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._channel.close()

    async def watch_x509(self) -> AsyncIterator[FetchedX509]:
        call = self._stub.FetchX509SVID(pb.X509SVIDRequest(), metadata=(HEADER,))
        try:
            async for response in call:
                yield _fetched_x509(response)
        except grpc.aio.AioRpcError as error:
            raise fault_of(error) from None
        finally:
            call.cancel()

    async def fetch_x509(self) -> FetchedX509:
        call = self._stub.FetchX509SVID(pb.X509SVIDRequest(), metadata=(HEADER,), timeout=CALL_SECONDS)
        try:
            async for response in call:
                return _fetched_x509(response)
        except grpc.aio.AioRpcError as error:
            raise fault_of(error) from None
        finally:
            call.cancel()
        raise _incomplete("no answer before the stream's end")

    async def fetch_jwt(self, audience: Sequence[str], spiffe_id: SpiffeId | None = None) -> tuple[FetchedJwt, ...]:
        request = pb.JWTSVIDRequest(audience=audience, spiffe_id=str(spiffe_id) if spiffe_id else "")
        try:
            response = await self._stub.FetchJWTSVID(request, metadata=(HEADER,), timeout=CALL_SECONDS)
        except grpc.aio.AioRpcError as error:
            raise fault_of(error) from None
        if not response.svids or not all(one.svid for one in response.svids):
            raise _incomplete("an answer without tokens")
        return tuple(FetchedJwt(SpiffeId.parse(one.spiffe_id), one.svid, one.hint) for one in response.svids)


def _fetched_x509(response: pb.X509SVIDResponse) -> FetchedX509:
    if not response.svids:
        raise _incomplete("an answer without SVIDs")
    identities, bundles = [], _federated(response.federated_bundles)
    hints: set[str] = set()
    for one in response.svids:
        if one.hint and one.hint in hints:
            continue  # of two with the same hint the first counts (WA-8)
        hints.add(one.hint)
        keyed = KeyedSvid(X509Svid.from_concatenated_der(one.x509_svid), one.x509_svid_key)
        named = keyed.svid.spiffe_id
        if str(named) != one.spiffe_id or not one.bundle:
            raise _incomplete(f"an SVID of {named} under the name {one.spiffe_id!r:.300}, or without a bundle")
        identities.append((keyed, one.hint))
        bundles[named.trust_domain] = _bundle(named.trust_domain, one.bundle)
    return FetchedX509(tuple(identities), BundleSet(bundles))


def _federated(found: Mapping[str, bytes]) -> dict[TrustDomain, Bundle]:
    bundles: dict[TrustDomain, Bundle] = {}
    for name, der in found.items():
        named = SpiffeId.parse(name)
        if named.path or not der:
            raise _incomplete(f"a bundle under the name {name!r:.300}, or an empty one")
        trust_domain = named.trust_domain
        bundles[trust_domain] = _bundle(trust_domain, der)
    return bundles


def _bundle(trust_domain: TrustDomain, der: bytes) -> Bundle:
    return Bundle(trust_domain, certificates_from_concatenated_der(der))


def _incomplete(what: str) -> Refused:
    return Refused(
        code="workload-answer-incomplete",
        what=f"the Workload API sent {what}",
        why="a message with a mandatory field missing is dropped whole (WA-6)",
        fix="report this to whoever runs the agent",
    )

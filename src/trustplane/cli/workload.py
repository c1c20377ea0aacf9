"""The Workload API as a client of ours sees it: the same stream any SPIFFE library opens."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import grpc

from trustplane.cli.fetched import Fetched, Identity
from trustplane.cli.output import WrongInput
from trustplane.cli.sockets import WORKLOAD_VARIABLE
from trustplane.fault import Fault, Refused, Unavailable
from trustplane.spiffe.bundle import Bundle, BundleSet
from trustplane.spiffe.certificates import certificates_from_concatenated_der
from trustplane.spiffe.ids import SCHEME, TrustDomain
from trustplane.spiffe.x509_svid import KeyedSvid, X509Svid
from trustplane.wire.gen.workload.messages_pb2 import X509SVIDRequest, X509SVIDResponse
from trustplane.wire.gen.workload.service_pb2_grpc import SpiffeWorkloadAPIStub
from trustplane.wire.grpc_status import fault_of

SECURITY_HEADER = (("workload.spiffe.io", "true"),)  # SPIFFE Workload Endpoint §5


async def x509_svids(socket: str) -> AsyncGenerator[Fetched, None]:
    """Every update of this process's X.509-SVIDs."""
    path = _path(socket)
    async with grpc.aio.insecure_channel(f"unix:{path}") as channel:
        try:
            stub = SpiffeWorkloadAPIStub(channel)
            async for response in stub.FetchX509SVID(X509SVIDRequest(), metadata=SECURITY_HEADER):
                yield _fetched(response)
        except grpc.aio.AioRpcError as error:
            raise _fault(error, path) from error


def _path(socket: str) -> Path:
    path = Path(socket.removeprefix("unix:").removeprefix("//") if socket.startswith("unix:") else socket)
    if not path.is_absolute():
        raise WrongInput(
            code="bad-endpoint",
            what=f"{socket!r:.200} is not the address of a Workload API",
            why="it is an absolute path, or unix:// and an absolute path (SPIFFE Workload Endpoint §4)",
            fix=f"set {WORKLOAD_VARIABLE}=unix:///run/trustplane/workload.sock, or pass --socket",
        )
    return path


def _fetched(response: X509SVIDResponse) -> Fetched:
    identities, bundles = [], {}
    for one in response.svids:
        svid = X509Svid.from_concatenated_der(one.x509_svid)
        identities.append(Identity(KeyedSvid(svid, one.x509_svid_key), one.hint))
        domain = svid.spiffe_id.trust_domain
        bundles[domain] = Bundle(domain, certificates_from_concatenated_der(one.bundle))
    for name, blob in response.federated_bundles.items():
        domain = TrustDomain(name.removeprefix(SCHEME))
        bundles[domain] = Bundle(domain, certificates_from_concatenated_der(blob))
    return Fetched(tuple(identities), BundleSet(bundles))


def _fault(error: grpc.aio.AioRpcError, path: Path) -> Fault:
    match error.code():
        case grpc.StatusCode.PERMISSION_DENIED:
            return Refused(
                code="no-identity",
                what="the agent gives this process no identity",
                why=error.details() or "no entry matches what the agent attested of this process",
                fix="compare `id` with the selectors `trustplane plan` shows, and run this as the service's user",
            )
        case grpc.StatusCode.UNAVAILABLE:
            return Unavailable(
                code="not-reachable",
                what=f"no agent serves the Workload API on {path}",
                why=error.details() or "nobody listens there",
                fix=f"start one with `trustplane agent run`, or choose its socket with --socket or {WORKLOAD_VARIABLE}",
            )
        case _:
            return fault_of(error)

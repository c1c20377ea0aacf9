"""The SPIFFE Workload API over gRPC: messages in and out of `flows.node.serve_identities`.

Who calls is never part of a message: it is the process the kernel saw connect. Every call must carry the security
header, which a browser or a proxy tricked into calling here would not send (Workload Endpoint §3).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import grpc
from google.protobuf import json_format

from trustplane.fault import Refused
from trustplane.flows.node.serve_identities import Caller, ServeIdentities, X509Grant
from trustplane.spiffe.ids import SpiffeId, TrustDomain
from trustplane.wire.gen.workload import messages_pb2 as pb
from trustplane.wire.gen.workload import service_pb2_grpc
from trustplane.wire.grpc_status import RefuseMalformed, answering, status_of

HEADER = ("workload.spiffe.io", "true")
MAX_REQUEST_BYTES = 64 * 1024

OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.max_receive_message_length", MAX_REQUEST_BYTES),
    ("grpc.max_concurrent_streams", 256),
    # Above its default of 1,000 calls in their first moments gRPC answers CANCELLED at random, and SPIFFE clients
    # give up on that for ever.
    ("grpc.server.max_pending_requests", 20_000),
    ("grpc.server.max_pending_requests_hard_limit", 40_000),
    ("grpc.so_reuseport", 0),
)

Context = grpc.aio.ServicerContext


class Callers(Protocol):
    def of(self, name: str) -> Caller:
        """The process behind a gRPC peer name."""
        ...


class RequireHeader(grpc.aio.ServerInterceptor):
    """Refuses every call without the security header, exactly one, exactly `true`, also to methods we don't have."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        key, value = HEADER
        found = [text for name, text in handler_call_details.invocation_metadata or () if name == key]
        if found != [value]:
            return grpc.stream_stream_rpc_method_handler(_refuse_call)
        return await continuation(handler_call_details)


async def _refuse_call(requests: object, context: Context[Any, Any]) -> None:
    del requests
    status = status_of(
        Refused(
            code="no-security-header",
            what="security header missing from request",  # the words clients of other agents look for
            why="every call must carry workload.spiffe.io: true, once (EP-3)",
            fix="use a SPIFFE client library, or add that metadata",
        )
    )
    await context.abort(status.code, status.details, status.metadata)


class WorkloadApi(service_pb2_grpc.SpiffeWorkloadAPIServicer):
    def __init__(self, serve: ServeIdentities, callers: Callers) -> None:
        self._serve = serve
        self._callers = callers

    @answering
    async def FetchX509SVID(  # noqa: N802 - the standard's name
        self, request: pb.X509SVIDRequest, context: Context[Any, Any]
    ) -> AsyncIterator[pb.X509SVIDResponse]:
        del request
        async for grant in self._serve.follow_x509(self._caller(context)):
            yield _x509_response(grant)

    @answering
    async def FetchX509Bundles(  # noqa: N802 - the standard's name
        self, request: pb.X509BundlesRequest, context: Context[Any, Any]
    ) -> AsyncIterator[pb.X509BundlesResponse]:
        del request
        async for found in self._serve.follow_x509_bundles(self._caller(context)):
            yield pb.X509BundlesResponse(bundles=_by_id(found.bundles), crl=found.crls)

    @answering
    async def FetchJWTSVID(  # noqa: N802 - the standard's name
        self, request: pb.JWTSVIDRequest, context: Context[Any, Any]
    ) -> pb.JWTSVIDResponse:
        wanted = SpiffeId.parse(request.spiffe_id) if request.spiffe_id else None
        found = await self._serve.fetch_jwt(self._caller(context), tuple(request.audience), wanted)
        return pb.JWTSVIDResponse(
            svids=[pb.JWTSVID(spiffe_id=str(one.spiffe_id), svid=one.token, hint=one.hint) for one in found]
        )

    @answering
    async def FetchJWTBundles(  # noqa: N802 - the standard's name
        self, request: pb.JWTBundlesRequest, context: Context[Any, Any]
    ) -> AsyncIterator[pb.JWTBundlesResponse]:
        del request
        async for bundles in self._serve.follow_jwt_bundles(self._caller(context)):
            yield pb.JWTBundlesResponse(bundles=_by_id(bundles))

    @answering
    async def ValidateJWTSVID(  # noqa: N802 - the standard's name
        self, request: pb.ValidateJWTSVIDRequest, context: Context[Any, Any]
    ) -> pb.ValidateJWTSVIDResponse:
        _check_validation(request)
        svid = await self._serve.validate_jwt(self._caller(context), request.svid, request.audience)
        response = pb.ValidateJWTSVIDResponse(spiffe_id=str(svid.spiffe_id))
        json_format.ParseDict(dict(svid.claims), response.claims)
        return response

    @answering
    async def FetchWITSVID(  # noqa: N802 - the standard's name
        self, request: pb.WITSVIDRequest, context: Context[Any, Any]
    ) -> AsyncIterator[pb.WITSVIDResponse]:
        del request, context
        for response in _no_wit():
            yield response

    @answering
    async def FetchWITBundles(  # noqa: N802 - the standard's name
        self, request: pb.WITBundlesRequest, context: Context[Any, Any]
    ) -> AsyncIterator[pb.WITBundlesResponse]:
        del request, context
        for response in _no_wit():
            yield response

    def _caller(self, context: Context[Any, Any]) -> Caller:
        return self._callers.of(context.peer())


def workload_server(serve: ServeIdentities, callers: Callers, inner: Path) -> grpc.aio.Server:
    """Not started. `inner` is the socket behind a relay; no other may reach it."""
    server = grpc.aio.server(interceptors=(RequireHeader(), RefuseMalformed()), options=OPTIONS)
    service_pb2_grpc.add_SpiffeWorkloadAPIServicer_to_server(WorkloadApi(serve, callers), server)
    server.add_insecure_port(f"unix:{inner}")
    return server


def _x509_response(grant: X509Grant) -> pb.X509SVIDResponse:
    own = grant.identities[0].spiffe_id.trust_domain
    return pb.X509SVIDResponse(
        svids=[
            pb.X509SVID(
                spiffe_id=str(one.spiffe_id),
                x509_svid=b"".join(one.keyed.svid.der()),
                x509_svid_key=one.keyed.key_pkcs8,
                bundle=grant.bundles[own],
                hint=one.hint,
            )
            for one in grant.identities
        ],
        crl=grant.crls,
        federated_bundles=_by_id({name: der for name, der in grant.bundles.items() if name != own}),
    )


def _by_id(bundles: Mapping[TrustDomain, bytes]) -> dict[str, bytes]:
    return {str(name.id): content for name, content in bundles.items()}


def _check_validation(request: pb.ValidateJWTSVIDRequest) -> None:
    if not request.audience:
        raise Refused(
            code="no-audience",
            what="a JWT-SVID is to be validated for no audience",
            why="a token is valid only for an audience it names (WA-6, JWT-SVID §3.2)",
            fix="pass the name this service goes by",
        )
    if not request.svid:
        raise Refused(
            code="no-token",
            what="there is no token to validate",
            why="the field is mandatory (WA-6)",
            fix="pass the token in compact serialisation",
        )


def _no_wit() -> tuple[Any, ...]:
    raise Refused(
        code="wit-not-offered",
        what="WIT-SVIDs are not offered",
        why="that profile of the Workload API is still incubating (WA-14)",
        fix="fetch X.509-SVIDs or JWT-SVIDs",
    )

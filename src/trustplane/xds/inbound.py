"""The way in: mTLS on the mesh port, declared callers only, then the service on the node's loopback.

A filter chain for each generation of connections, all alike. New connections get the newest; a former one stays until
none of its connections is left, so that none is cut. (A chain that leaves is cut after Envoy's drain time, and an idle
connection is not even told.)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

from trustplane.registry.view import Endpoint, Sidecar, Withdrawn
from trustplane.xds import access_log, cluster, rbac, revoked, shadow, tls
from trustplane.xds.generations import counted_as
from trustplane.xds.http import (
    DELAYED_CLOSE,
    DRAIN_TIMEOUT,
    OVERRIDING_HEADERS,
    connection_age,
    limits,
    longest_stream,
    manager,
    seconds,
)
from trustplane.xds.resources import Kind, Resource, typed
from trustplane.xds.surroundings import Surroundings

INBOUND = "inbound"
CHAIN = "mtls"
APP = "app"
APP_GRPC = "app-grpc"

# A callee closes later than its callers do (a caller's bound is a quarter of a leaf's life), and over HTTP/2, where
# closing is announced; so no request is under way on a connection that ends.
_GRACE = timedelta(seconds=10)


def last_open(leaf_lifetime: timedelta, longest_request: timedelta, longest: timedelta | None = None) -> timedelta:
    """How long a connection that was let in may last: its age, then the last request that it took."""
    ends = connection_age(leaf_lifetime, longest_request, longest) + _GRACE + DRAIN_TIMEOUT
    return ends + longest_stream(longest_request) + DELAYED_CLOSE


def resources(
    sidecar: Sidecar, here: Surroundings, withdrawn: Withdrawn, generations: Sequence[str] = ()
) -> list[Resource]:
    app = [Endpoint(here.loopback, sidecar.ports.app)]
    return [
        cluster.static(APP, app, cluster.options(explicit_http_config={"http_protocol_options": {}})),
        cluster.static(APP_GRPC, app, cluster.options(explicit_http_config={"http2_protocol_options": {}})),
        _listener(sidecar, here, generations or ("",)),
        _route(sidecar, withdrawn),
    ]


def _listener(sidecar: Sidecar, here: Surroundings, generations: Sequence[str]) -> Resource:
    content = typed(
        Kind.LISTENER.value,
        name=INBOUND,
        address={"socket_address": {"address": here.advertised, "port_value": sidecar.ports.mesh}},
        traffic_direction="INBOUND",
        filter_chains=[_chain(sidecar, here, one) for one in generations],
        access_log=access_log.of_failed_handshakes(here.access_log),
        per_connection_buffer_limit_bytes=1 << 20,
    )
    if generations[0]:
        newest = {
            "@type": "type.googleapis.com/google.protobuf.StringValue",
            "value": counted_as(CHAIN, generations[0]),
        }
        content["filter_chain_matcher"] = {"on_no_match": {"action": {"name": "newest", "typed_config": newest}}}
    return Resource(Kind.LISTENER, INBOUND, content)


def _chain(sidecar: Sidecar, here: Surroundings, generation: str) -> dict[str, object]:
    http = manager(
        INBOUND,
        identity={
            "forward_client_cert_details": "SANITIZE_SET",
            "set_current_client_cert_details": {"uri": True},
        },
        filters=[*shadow.filters(), *rbac.filters(), *revoked.filters(sidecar.foreign_callers)],
        access_log=access_log.of_inbound_requests(here.access_log),
        limits=limits(sidecar.longest_request, _age(sidecar)),
        counted_as=counted_as(INBOUND, generation),
    )
    return {
        "name": counted_as(CHAIN, generation),
        "filters": [http],
        "transport_socket": tls.inbound(sidecar.spiffe_id, sidecar.foreign_domains()),
        "transport_socket_connect_timeout": tls.HANDSHAKE_TIMEOUT,
    }


def _age(sidecar: Sidecar) -> timedelta:
    return connection_age(sidecar.leaf_lifetime, sidecar.longest_request, sidecar.connections.longest) + _GRACE


def _route(sidecar: Sidecar, withdrawn: Withdrawn) -> Resource:
    """All requests go to the service. A route's name is what a log calls the request: its declared operation."""
    host = {
        "name": INBOUND,
        "domains": ["*"],
        "routes": [*_routes(sidecar)],
        "request_headers_to_remove": list(OVERRIDING_HEADERS),
        "typed_per_filter_config": {
            **rbac.per_route(rbac.access_to(sidecar), () if sidecar.policy else sidecar.foreign_callers),
            **revoked.per_route(
                withdrawn, None if sidecar.policy or sidecar.probes else sidecar.callers, sidecar.foreign_callers
            ),
        },
    }
    content = typed(Kind.ROUTE.value, name=INBOUND, virtual_hosts=[host], validate_clusters=False)
    return Resource(Kind.ROUTE, INBOUND, content)


def _routes(sidecar: Sidecar) -> Iterator[dict[str, object]]:
    """Of several operations that a request is, a whole path names it, else the longest beginning."""
    by_weight = sorted(sidecar.operations, key=lambda one: (not one.path.endswith("/*"), len(one.path), one.name))
    for one in reversed(by_weight):
        method = {"name": ":method", "string_match": {"exact": one.method}}
        path = {"prefix": one.path[:-1]} if one.path.endswith("/*") else {"path": one.path}
        yield from _to_service(sidecar, {"name": one.name}, {**path, "headers": [method]})
    yield from _to_service(sidecar, {}, {"prefix": "/"})


def _to_service(sidecar: Sidecar, named: dict[str, object], match: dict[str, object]) -> Iterator[dict[str, object]]:
    """gRPC needs HTTP/2 to the service; everything else is given the HTTP/1.1 that every service speaks."""
    timeout = seconds(sidecar.longest_request)
    yield {**named, "match": {**match, "grpc": {}}, "route": {"cluster": APP_GRPC, "timeout": timeout}}
    yield {**named, "match": match, "route": {"cluster": APP, "timeout": timeout}}

"""The way in: mTLS on the mesh port, declared callers only, then the service on the node's loopback."""

from __future__ import annotations

from datetime import timedelta

from trustplane.registry.view import Endpoint, Sidecar, Withdrawn
from trustplane.xds import access_log, cluster, rbac, revoked, tls
from trustplane.xds.http import OVERRIDING_HEADERS, connection_age, manager, seconds
from trustplane.xds.resources import Kind, Resource, typed
from trustplane.xds.surroundings import Surroundings

INBOUND = "inbound"
APP = "app"
APP_GRPC = "app-grpc"

# A callee closes later than its callers do (a caller's bound is a quarter of a leaf's life), and over HTTP/2, where
# closing is announced; so no request is under way on a connection that ends.
_GRACE = timedelta(seconds=10)


def oldest_connection(leaf_lifetime: timedelta, longest_request: timedelta) -> timedelta:
    """How long a connection that was let in may last, and what it showed be relied on."""
    return connection_age(leaf_lifetime, longest_request) + _GRACE


def resources(sidecar: Sidecar, here: Surroundings, withdrawn: Withdrawn) -> list[Resource]:
    app = [Endpoint(here.loopback, sidecar.ports.app)]
    return [
        cluster.static(APP, app, cluster.options(explicit_http_config={"http_protocol_options": {}})),
        cluster.static(APP_GRPC, app, cluster.options(explicit_http_config={"http2_protocol_options": {}})),
        _listener(sidecar, here),
        _route(sidecar, withdrawn),
    ]


def _listener(sidecar: Sidecar, here: Surroundings) -> Resource:
    http = manager(
        INBOUND,
        identity={
            "forward_client_cert_details": "SANITIZE_SET",
            "set_current_client_cert_details": {"uri": True},
        },
        filters=[*rbac.filters(), *revoked.filters(sidecar.foreign_callers)],
        access_log=access_log.of_inbound_requests(here.access_log),
        longest_request=sidecar.longest_request,
        connection_age=oldest_connection(sidecar.leaf_lifetime, sidecar.longest_request),
    )
    chain = {
        "name": "mtls",
        "filters": [http],
        "transport_socket": tls.inbound(sidecar.spiffe_id, sidecar.foreign_domains()),
        "transport_socket_connect_timeout": tls.HANDSHAKE_TIMEOUT,
    }
    listener = typed(
        Kind.LISTENER.value,
        name=INBOUND,
        address={"socket_address": {"address": here.advertised, "port_value": sidecar.ports.mesh}},
        traffic_direction="INBOUND",
        filter_chains=[chain],
        access_log=access_log.of_failed_handshakes(here.access_log),
        per_connection_buffer_limit_bytes=1 << 20,
    )
    return Resource(Kind.LISTENER, INBOUND, listener)


def _route(sidecar: Sidecar, withdrawn: Withdrawn) -> Resource:
    """gRPC needs HTTP/2 to the service; everything else is given the HTTP/1.1 that every service speaks."""
    timeout = seconds(sidecar.longest_request)
    grpc = {"match": {"prefix": "/", "grpc": {}}, "route": {"cluster": APP_GRPC, "timeout": timeout}}
    other = {"match": {"prefix": "/"}, "route": {"cluster": APP, "timeout": timeout}}
    host = {
        "name": INBOUND,
        "domains": ["*"],
        "routes": [grpc, other],
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

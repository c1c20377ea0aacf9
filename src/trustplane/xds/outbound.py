"""The way out: a loopback port per callee, mTLS to its sidecars, its SPIFFE ID pinned.

A request is sent again only when the callee cannot have begun it, or when its method is safe (RFC 9110 §9.2.1).
"""

from __future__ import annotations

from datetime import timedelta

from trustplane.registry.view import Callee, Sidecar, Withdrawn
from trustplane.spiffe.verify import BundleSet
from trustplane.spiffe.x509_svid import X509Svid
from trustplane.xds import access_log, cluster, generations, revoked, tls
from trustplane.xds.generations import counted_as
from trustplane.xds.http import MAX_STREAMS, connection_age, limits, manager, seconds
from trustplane.xds.resources import Json, Kind, Resource, typed
from trustplane.xds.surroundings import Surroundings

_NOT_BEGUN = "connect-failure,refused-stream,reset-before-request"


def resources(
    sidecar: Sidecar, svid: X509Svid, bundles: BundleSet, here: Surroundings, withdrawn: Withdrawn
) -> list[Resource]:
    return [
        one
        for callee in sidecar.callees
        for one in (
            _cluster(
                sidecar,
                callee,
                revoked.connections(sidecar, svid, callee, withdrawn),
                generations.of_outbound(sidecar, svid, callee, bundles, withdrawn),
            ),
            _listener(callee, here),
            _route(callee),
        )
    ]


def name_of(callee: Callee) -> str:
    """A service of another trust domain is named with it; `/` and `spiffe:` keep it apart from ours."""
    return f"outbound/{callee.service or callee.spiffe_id}"


def _cluster(sidecar: Sidecar, callee: Callee, connections: Json, generation: str) -> Resource:
    """Without endpoints the cluster is still accepted, and requests get 503.

    Another generation is another name in Envoy's statistics, for which Envoy replaces the cluster: requests then go
    over new connections, and those under way end on the old ones, however long they take.
    """
    age = seconds(_age(sidecar, callee))
    counted = {"alt_stat_name": counted_as(name_of(callee), generation)} if generation else {}
    return cluster.static(
        name_of(callee),
        callee.endpoints,
        cluster.options(
            common_http_protocol_options={"max_connection_duration": age, "idle_timeout": "300s"},
            explicit_http_config={"http2_protocol_options": {"max_concurrent_streams": MAX_STREAMS}},
        ),
        metadata=connections,
        connect_timeout="2s",
        lb_policy="LEAST_REQUEST",
        outlier_detection=_OUTLIERS,
        transport_socket=tls.outbound(sidecar.spiffe_id, callee.spiffe_id),
        **counted,
    )


def _age(sidecar: Sidecar, callee: Callee) -> timedelta:
    """Whichever end wants them younger has its way, and the caller closes first."""
    own = connection_age(sidecar.leaf_lifetime, callee.longest_request, sidecar.connections.longest)
    theirs = callee.connections.longest
    return own if theirs is None else min(own, connection_age(sidecar.leaf_lifetime, callee.longest_request, theirs))


# Only failures to reach a sidecar put it aside, never a service's own 5xx answers: those are its business.
_OUTLIERS: dict[str, object] = {
    "split_external_local_origin_errors": True,
    "consecutive_local_origin_failure": 5,
    "enforcing_consecutive_5xx": 0,
    "enforcing_consecutive_gateway_failure": 0,
    "enforcing_success_rate": 0,
    "enforcing_local_origin_success_rate": 0,
    "base_ejection_time": "5s",
    "max_ejection_percent": 50,
}


def _listener(callee: Callee, here: Surroundings) -> Resource:
    name = name_of(callee)
    http = manager(
        name,
        identity={"forward_client_cert_details": "SANITIZE"},
        filters=[],
        access_log=access_log.of_outbound_requests(here.access_log),
        limits=limits(callee.longest_request, None),
    )
    listener = typed(
        Kind.LISTENER.value,
        name=name,
        address={"socket_address": {"address": here.loopback, "port_value": callee.listen}},
        traffic_direction="OUTBOUND",
        filter_chains=[{"name": "http", "filters": [http]}],
        per_connection_buffer_limit_bytes=1 << 20,
    )
    return Resource(Kind.LISTENER, name, listener)


def _route(callee: Callee) -> Resource:
    name = name_of(callee)
    timeout = seconds(callee.longest_request)
    safe = {"name": ":method", "string_match": {"safe_regex": {"regex": "GET|HEAD|OPTIONS"}}}
    routes = [
        {
            "match": {"prefix": "/", "headers": [safe]},
            "route": {"cluster": name, "timeout": timeout, "retry_policy": _retries(f"{_NOT_BEGUN},reset")},
        },
        {
            "match": {"prefix": "/"},
            "route": {"cluster": name, "timeout": timeout, "retry_policy": _retries(_NOT_BEGUN)},
        },
    ]
    host = {"name": name, "domains": ["*"], "routes": routes}
    content = typed(Kind.ROUTE.value, name=name, virtual_hosts=[host], validate_clusters=False)
    return Resource(Kind.ROUTE, name, content)


def _retries(on: str) -> dict[str, object]:
    return {
        "retry_on": on,
        "num_retries": 2,
        "retry_back_off": {"base_interval": "0.025s", "max_interval": "0.250s"},
    }

"""Clusters: where requests go.

Endpoints stand in the cluster itself. Endpoints served apart (EDS) would keep connections when only they change, but a
cluster that is replaced may then wait 15 seconds for endpoints that nobody sends again (decisions/0040).
"""

from __future__ import annotations

from collections.abc import Iterable

from trustplane.registry.view import Endpoint
from trustplane.xds.resources import Kind, Resource, typed

_HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"

# Envoy's own limits (1,024 each) turn a burst into 503s long before anything is short.
_CIRCUIT_BREAKERS = {
    "thresholds": [
        {
            "max_connections": 16384,
            "max_pending_requests": 65536,
            "max_requests": 65536,
            "retry_budget": {"budget_percent": {"value": 20}, "min_retry_concurrency": 16},
        }
    ]
}


def options(**fields: object) -> dict[str, object]:
    return {_HTTP_OPTIONS: typed(_HTTP_OPTIONS, **fields)}


def static(name: str, endpoints: Iterable[Endpoint], protocol: dict[str, object], **fields: object) -> Resource:
    content = typed(
        Kind.CLUSTER.value,
        name=name,
        type="STATIC",
        circuit_breakers=_CIRCUIT_BREAKERS,
        typed_extension_protocol_options=protocol,
        load_assignment={
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [_endpoint(one) for one in sorted(endpoints)]}],
        },
        **fields,
    )
    return Resource(Kind.CLUSTER, name, content)


def _endpoint(one: Endpoint) -> dict[str, object]:
    return {"endpoint": {"address": {"socket_address": {"address": one.address, "port_value": one.port}}}}

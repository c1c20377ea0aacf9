"""The bootstrap of a managed sidecar: who it is, where its agent is, and its limits. All else comes over ADS.

Only the sidecar's own files and sockets appear in it: no TCP administration port, no secret.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import PurePath

from trustplane.fault import Refused
from trustplane.registry.view import Sidecar
from trustplane.spiffe.names import ServiceName
from trustplane.xds.resources import typed

MAX_SOCKET_PATH_BYTES = 107  # sockaddr_un.sun_path holds 108 with its final zero
MAX_CONNECTIONS = 20_000
AGENT = "agent"
METADATA, ADMIN = "trustplane", "admin"  # where a sidecar tells its agent of its administration
# Envoy's own waits grow to half a minute, in which a short leaf expires unrenewed; the agent is on this very machine.
_RECONNECTING = {"retry_back_off": {"base_interval": "0.2s", "max_interval": "2s"}}
BOOTSTRAP = "envoy.config.bootstrap.v3.Bootstrap"
_CONNECTIONS_MONITOR = "envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig"
_HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


@dataclass(frozen=True, slots=True)
class Sockets:
    """`ads`: the agent's xDS socket. `admin`: where the sidecar opens its own administration."""

    ads: PurePath
    admin: PurePath

    def __post_init__(self) -> None:
        for path in (self.ads, self.admin):
            length = len(str(path).encode())
            if not path.is_absolute() or length > MAX_SOCKET_PATH_BYTES:
                raise Refused(
                    code="socket-path-unusable",
                    what=f"the socket path {path} has {length} bytes",
                    why=f"a Unix socket needs an absolute path of at most {MAX_SOCKET_PATH_BYTES} bytes",
                    fix="choose a shorter directory, for example --run-dir /run/trustplane",
                )


def drain_time(sidecar: Sidecar) -> timedelta:
    """For Envoy's `--drain-time-s`: longer than any request, because those still under way at its end are cut off."""
    requests = [sidecar.longest_request, *(callee.longest_request for callee in sidecar.callees)]
    return max(requests) + timedelta(seconds=5)


def bootstrap(service: ServiceName, sockets: Sockets) -> dict[str, object]:
    """As JSON for Envoy's `--config-path`; the node's ID is the service's name."""
    ads = {"ads": {}, "resource_api_version": "V3"}
    return {
        "node": {
            "id": str(service),
            "cluster": service.namespace,
            "metadata": {METADATA: {ADMIN: str(sockets.admin)}},
        },
        "admin": {"address": {"pipe": {"path": str(sockets.admin), "mode": 0o600}}},
        "dynamic_resources": {
            "ads_config": {
                "api_type": "DELTA_GRPC",
                "transport_api_version": "V3",
                "grpc_services": [{"envoy_grpc": {"cluster_name": AGENT, "retry_policy": _RECONNECTING}}],
                "set_node_on_first_message_only": True,
            },
            "cds_config": ads,
            "lds_config": ads,
        },
        "static_resources": {"clusters": [_agent(sockets.ads)]},
        "overload_manager": {
            "resource_monitors": [
                {
                    "name": "envoy.resource_monitors.global_downstream_max_connections",
                    "typed_config": typed(_CONNECTIONS_MONITOR, max_active_downstream_connections=str(MAX_CONNECTIONS)),
                }
            ]
        },
    }


def _agent(path: PurePath) -> dict[str, object]:
    return {
        "name": AGENT,
        "type": "STATIC",
        "connect_timeout": "1s",
        "typed_extension_protocol_options": {
            _HTTP_OPTIONS: typed(
                _HTTP_OPTIONS,
                explicit_http_config={
                    "http2_protocol_options": {"connection_keepalive": {"interval": "30s", "timeout": "10s"}}
                },
            )
        },
        "load_assignment": {
            "cluster_name": AGENT,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": {"pipe": {"path": str(path)}}}}]}],
        },
    }

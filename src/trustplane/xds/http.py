"""The HTTP connection managers of both directions, with every safety default spelled out.

Paths are normalised before anything is decided by them, and what cannot be read one way only is refused. Nobody is
trusted to set the proxy's own `x-envoy-` headers or to say which identity a request has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from trustplane.xds.resources import Json, typed
from trustplane.xds.tls import SDS_FROM_ADS

_MANAGER = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_ROUTER = "envoy.extensions.filters.http.router.v3.Router"
MAX_HEADERS_KB = 60
MAX_STREAMS = 256
DRAIN_TIMEOUT = timedelta(seconds=5)  # from the announcement that a connection ends until it takes no more requests
DELAYED_CLOSE = timedelta(seconds=1)

# Frameworks let these replace the method or the path after our rules have been applied to the real ones.
OVERRIDING_HEADERS = (
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-url",
    "x-rewrite-url",
)


def seconds(duration: timedelta) -> str:
    return f"{duration.total_seconds():.3f}s"


def connection_age(leaf_lifetime: timedelta, longest_request: timedelta, longest: timedelta | None = None) -> timedelta:
    """How old a connection may get: as `longest` says, or a quarter of the leaf's life, so that its peer is verified
    anew."""
    by_leaf = min(leaf_lifetime / 4, timedelta(hours=1))
    return max(by_leaf if longest is None else longest, longest_request + timedelta(seconds=1), timedelta(seconds=5))


def longest_stream(longest_request: timedelta) -> timedelta:
    """How long a request may be under way, whoever does not end it: Envoy counts its timeout from the request's end,
    which a stream that goes both ways may never come to."""
    return longest_request + timedelta(seconds=5)


def manager(
    name: str,
    *,
    identity: Json,
    filters: Sequence[Json],
    access_log: Sequence[Json],
    limits: Json,
    counted_as: str = "",
) -> dict[str, object]:
    """A filter chain's only filter. `name` is also the name of its route configuration."""
    return {
        "name": "http",
        "typed_config": typed(
            _MANAGER,
            stat_prefix=counted_as or name,
            codec_type="AUTO",
            rds={"route_config_name": name, "config_source": SDS_FROM_ADS},
            http_filters=[*filters, {"name": "router", "typed_config": typed(_ROUTER)}],
            access_log=list(access_log),
            **_NORMALISED,
            **limits,
            **identity,
        ),
    }


# The direct peer's address is the client's. Without a list of internal ranges, Envoy would take any private address
# for a colleague whose `x-envoy-` headers may change timeouts and retries.
_NORMALISED: Mapping[str, object] = {
    "normalize_path": True,
    "merge_slashes": True,
    "path_with_escaped_slashes_action": "REJECT_REQUEST",
    "strip_any_host_port": True,
    "use_remote_address": True,
    "internal_address_config": {"unix_sockets": False, "cidr_ranges": []},
    "preserve_external_request_id": True,
    "server_header_transformation": "PASS_THROUGH",
}


def limits(longest_request: timedelta, connection_age: timedelta | None) -> dict[str, object]:
    """With a connection age its streams end too, or a connection would be as old as its longest stream."""
    common: dict[str, object] = {
        "headers_with_underscores_action": "REJECT_REQUEST",
        "idle_timeout": "3600s",
        "max_headers_count": 100,
    }
    if connection_age is not None:
        common["max_connection_duration"] = seconds(connection_age)
        common["max_stream_duration"] = seconds(longest_stream(longest_request))
    return {
        "common_http_protocol_options": common,
        "http2_protocol_options": {"max_concurrent_streams": MAX_STREAMS},
        "max_request_headers_kb": MAX_HEADERS_KB,
        "request_headers_timeout": "10s",
        "stream_idle_timeout": seconds(longest_request + timedelta(seconds=5)),
        "drain_timeout": seconds(DRAIN_TIMEOUT),
        "delayed_close_timeout": seconds(DELAYED_CLOSE),
    }

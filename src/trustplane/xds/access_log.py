"""Access logs: one JSON line per request, and one per connection whose handshake failed.

Both sides of a call write the TLS fields that join their lines: the caller's `upstream_local` is the callee's `peer`
address. Identity fields of a failed handshake are what the peer claimed, never proof of who it is.

The agent is sent an entry of every request that came in, with what was decided about it, and of a sample of those that
went out, with whom they met. Of connections that failed it is sent all that the files say, and the peer's certificate.
How many those are Envoy counts as well: it sends an agent that is away nothing again, and calls that flushed.
"""

from __future__ import annotations

from trustplane.registry.links import Side
from trustplane.xds.bootstrap import AGENT
from trustplane.xds.resources import typed

PEER, ISSUER = "peer", "issuer"  # how an entry for the agent names what it saw
PEER_CERTIFICATE = "peer_certificate"  # in PEM, as in a URL
ASKED, JUDGED = "asked", "judged"  # port, method and path; what RBAC filters wrote
FAILED_IN, FAILED_OUT = "failed-inbound", "failed-outbound"  # the logs of connections that were refused or broke
COUNTED = "trustplane_log"  # the scope in which Envoy counts what it wrote for the agent, by the name of the log
DECISIONS = "decisions"  # the log of every request that came in
SAMPLED_PERCENT = 10  # of requests that went out
DECISIONS_A_MESSAGE = 65_536  # bytes; a message costs the agent as much as dozens of entries
STDOUT = "/dev/stdout"
_FILE = "envoy.extensions.access_loggers.file.v3.FileAccessLog"
_STDOUT = "envoy.extensions.access_loggers.stream.v3.StdoutAccessLog"
_GRPC = "envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig"
_TCP_GRPC = "envoy.extensions.access_loggers.grpc.v3.TcpGrpcAccessLogConfig"
_STATS = "envoy.extensions.access_loggers.stats.v3.Config"
_CEL = "envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter"

_DOWNSTREAM_TLS = {
    "tls_version": "%DOWNSTREAM_TLS_VERSION%",
    "tls_group": "%DOWNSTREAM_TLS_GROUP%",
    "tls_cipher": "%DOWNSTREAM_TLS_CIPHER%",
    "peer_id": "%DOWNSTREAM_PEER_URI_SAN%",
    "peer_serial": "%DOWNSTREAM_PEER_SERIAL%",
    "peer_issuer_serial": "%DOWNSTREAM_PEER_ISSUER_SERIAL%",
    "peer_not_after": "%DOWNSTREAM_PEER_CERT_V_END%",
    "local_id": "%DOWNSTREAM_LOCAL_URI_SAN%",
}
_UPSTREAM_TLS = {
    "tls_version": "%UPSTREAM_TLS_VERSION%",
    "tls_group": "%UPSTREAM_TLS_GROUP%",
    "tls_cipher": "%UPSTREAM_TLS_CIPHER%",
    "peer_id": "%UPSTREAM_PEER_URI_SAN%",
    "peer_not_after": "%UPSTREAM_PEER_CERT_V_END%",
    "local_id": "%UPSTREAM_LOCAL_URI_SAN%",
    "tls_failure": "%UPSTREAM_TRANSPORT_FAILURE_REASON%",
}
_REQUEST = {
    "start": "%START_TIME%",
    "duration_ms": "%DURATION%",
    "method": "%REQUEST_HEADER(:METHOD)%",
    "path": "%PATH(NQ)%",
    "authority": "%REQUEST_HEADER(:AUTHORITY)%",
    "request_id": "%REQUEST_HEADER(X-REQUEST-ID)%",
    "status": "%RESPONSE_CODE%",
    "details": "%RESPONSE_CODE_DETAILS%",
    "flags": "%RESPONSE_FLAGS%",
    "bytes_received": "%BYTES_RECEIVED%",
    "bytes_sent": "%BYTES_SENT%",
    "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
    "connection": "%CONNECTION_ID%",
    "peer": "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%",
    "upstream": "%UPSTREAM_REMOTE_ADDRESS%",
    "upstream_host": "%UPSTREAM_HOST%",  # all that is known of a connection that was never made
    "upstream_local": "%UPSTREAM_LOCAL_ADDRESS%",
}
_DECISION = {
    "operation": "%ROUTE_NAME%",
    "rule": "%DYNAMIC_METADATA(envoy.filters.http.rbac:enforced_effective_policy_id)%",
    "rbac": "%DYNAMIC_METADATA(envoy.filters.http.rbac)%",
}
_FAILED_HANDSHAKE = {
    "start": "%START_TIME%",
    "duration_ms": "%DURATION%",
    "peer": "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%",
    "local": "%DOWNSTREAM_LOCAL_ADDRESS%",
    "tls_failure": "%DOWNSTREAM_TRANSPORT_FAILURE_REASON%",
    "details": "%CONNECTION_TERMINATION_DETAILS%",
    "connection": "%CONNECTION_ID%",
}
_FAILED_REQUEST = ("start", "details", "flags", "upstream", "upstream_host", "upstream_local")
_BROKEN_OFF: dict[str, object] = {
    "filter": {
        "extension_filter": {
            "name": "failed-handshake",
            "typed_config": typed(
                _CEL, expression="connection.transport_failure_reason != '' || connection.termination_details != ''"
            ),
        }
    }
}


def of_inbound_requests(path: str) -> list[dict[str, object]]:
    """`rule` is the one that decided; none where nothing allowed the request. `operation` is as declared, if it is."""
    return [_file(path, {"log": "inbound", **_REQUEST, **_DOWNSTREAM_TLS, **_DECISION}), _decisions()]


def of_outbound_requests(path: str) -> list[dict[str, object]]:
    return [_file(path, {"log": "outbound", **_REQUEST, **_UPSTREAM_TLS}), _sample_of_outbound(), *_failed_outbound()]


def _decisions() -> dict[str, object]:
    """Every one: a denial that was left out would be the one somebody looks for."""
    tags = {
        **_met("DOWNSTREAM"),
        ASKED: "%DOWNSTREAM_LOCAL_PORT% %REQUEST_HEADER(:METHOD)% %PATH(NQ)%",
        JUDGED: "%DYNAMIC_METADATA(envoy.filters.http.rbac)%",
    }
    return _to_agent(DECISIONS, tags, buffer_size_bytes=DECISIONS_A_MESSAGE)


def _met(stream: str) -> dict[str, str]:
    return {PEER: f"%{stream}_PEER_URI_SAN%", ISSUER: f"%{stream}_PEER_ISSUER%"}


def _to_agent(log: str, tags: dict[str, str], kind: str = _GRPC, **fields: object) -> dict[str, object]:
    """In batches; an agent that is away costs the request nothing."""
    config = {
        "log_name": log,
        "grpc_service": {"envoy_grpc": {"cluster_name": AGENT}},
        "transport_api_version": "V3",
        "buffer_flush_interval": "1s",
        "custom_tags": [{"tag": tag, "value": value} for tag, value in tags.items()],
        **fields,
    }
    return {"name": "agent", "typed_config": typed(kind, common_config=config)}


def _sample_of_outbound() -> dict[str, object]:
    """Whom a request met and below which issuer."""
    sample = {
        "runtime_key": "trustplane.links",  # where an operator's own runtime layer may say otherwise
        "percent_sampled": {"numerator": SAMPLED_PERCENT, "denominator": "HUNDRED"},
        "use_independent_randomness": True,
    }
    return {**_to_agent(Side.CALLEE.value, _met("UPSTREAM")), "filter": {"runtime_filter": sample}}


def of_failed_handshakes(path: str) -> list[dict[str, object]]:
    """Response flags are empty for these connections, so only an expression can select them."""
    fields = {**_FAILED_HANDSHAKE, **_DOWNSTREAM_TLS}
    tags = {**fields, PEER_CERTIFICATE: "%DOWNSTREAM_PEER_CERT%"}
    return [
        {**_file(path, {"log": "handshake", **fields}), **_BROKEN_OFF},
        {**_to_agent(FAILED_IN, tags, _TCP_GRPC), **_BROKEN_OFF},
        {**_counted(FAILED_IN), **_BROKEN_OFF},
    ]


def _counted(log: str) -> dict[str, object]:
    counter = {"stat": {"name": log}, "value_fixed": "1"}
    return {"name": "count", "typed_config": typed(_STATS, stats_scope={"prefix": COUNTED}, counters=[counter])}


def _failed_outbound() -> list[dict[str, object]]:
    """What never became a connection, or ended before an answer."""
    fields = {**{name: _REQUEST[name] for name in _FAILED_REQUEST}, **_UPSTREAM_TLS}
    tags = {**fields, PEER_CERTIFICATE: "%UPSTREAM_PEER_CERT%"}
    failed = {"filter": {"response_flag_filter": {"flags": ["UF", "UC"]}}}
    return [{**_to_agent(FAILED_OUT, tags), **failed}, {**_counted(FAILED_OUT), **failed}]


def _file(path: str, fields: dict[str, str]) -> dict[str, object]:
    log_format = {"json_format": fields}
    if path == STDOUT:
        # Opening the path again would fail for an Envoy that changed its user: a pipe belongs to who made it.
        return {"name": "stdout", "typed_config": typed(_STDOUT, log_format=log_format)}
    return {"name": "file", "typed_config": typed(_FILE, path=path, log_format=log_format)}

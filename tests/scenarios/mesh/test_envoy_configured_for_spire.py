"""An Envoy with the static configuration that SPIRE's users write works against the agent's socket, unchanged."""

from __future__ import annotations

import json
import os
import ssl
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.kit.ca import TestCa
from tests.kit.mesh import Mesh, until
from tests.kit.mesh_peers import REFUSED, answer, client_context, forged
from tests.kit.mesh_repository import DOMAIN, Member, Repository
from tests.kit.mesh_traffic import status

_TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3"
_HTTP = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
_HTTP2 = "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def _sds(name: str) -> dict[str, object]:
    source = {
        "resource_api_version": "V3",
        "api_config_source": {
            "api_type": "GRPC",
            "transport_api_version": "V3",
            "grpc_services": {"envoy_grpc": {"cluster_name": "spire_agent"}},
        },
    }
    return {"name": name, "sds_config": source}


def _tls(identity: str, trust: str, peer: str) -> dict[str, object]:
    return {
        "tls_certificate_sds_secret_configs": [_sds(identity)],
        "combined_validation_context": {
            "default_validation_context": {
                "match_typed_subject_alt_names": [{"san_type": "URI", "matcher": {"exact": peer}}]
            },
            "validation_context_sds_secret_config": _sds(trust),
        },
    }


def _listener(
    port: int, address: str, route: Mapping[str, object], tls: Mapping[str, object] | None
) -> dict[str, object]:
    everything = {"name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, **route}]}
    manager = {
        "@type": _HTTP,
        "stat_prefix": "http",
        "route_config": {"virtual_hosts": [everything]},
        "http_filters": [{"name": "router", "typed_config": {"@type": _ROUTER}}],
    }
    chain: dict[str, object] = {"filters": [{"name": "http", "typed_config": manager}]}
    if tls is not None:
        context = {
            "@type": f"{_TLS}.DownstreamTlsContext",
            "require_client_certificate": True,
            "common_tls_context": tls,
        }
        chain["transport_socket"] = {"name": "envoy.transport_sockets.tls", "typed_config": context}
    return {
        "name": str(port),
        "address": {"socket_address": {"address": address, "port_value": port}},
        "filter_chains": [chain],
    }


def _cluster(name: str, endpoint: Mapping[str, object], **more: object) -> dict[str, object]:
    load = {"cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": {"address": endpoint}}]}]}
    return {"name": name, "type": "STATIC", "connect_timeout": "5s", "load_assignment": load, **more}


def _bootstrap(mesh: Mesh, one: Member, peer: str) -> dict[str, object]:
    """Three ways to name the secrets, each on a port of its own, and one port that calls the first over mTLS."""
    hello = {"direct_response": {"status": 200, "body": {"inline_string": one.name}}}
    names = [("default", "ROOTCA"), ("default", "ALL"), (one.spiffe_id, f"spiffe://{DOMAIN}")]
    doors = [_listener(one.app + number, mesh.address, hello, _tls(*pair, peer)) for number, pair in enumerate(names)]
    doors.append(_listener(one.app + 4, mesh.address, hello, _tls("default", "ROOTCA", one.spiffe_id)))
    doors.append(_listener(one.app + 5, mesh.address, {"route": {"cluster": "itself"}}, None))
    out = {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": f"{_TLS}.UpstreamTlsContext",
            "common_tls_context": _tls("default", "ROOTCA", one.spiffe_id),
        },
    }
    http2 = {_HTTP2: {"@type": _HTTP2, "explicit_http_config": {"http2_protocol_options": {}}}}
    agent = _cluster(
        "spire_agent",
        {"pipe": {"path": str(mesh.node.xds)}},
        typed_extension_protocol_options={"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": http2[_HTTP2]},
    )
    itself = {"socket_address": {"address": mesh.address, "port_value": one.app + 4}}
    return {
        "node": {"id": "my-own-envoy", "cluster": "mine"},
        "static_resources": {
            "listeners": doors,
            "clusters": [agent, _cluster("itself", itself, transport_socket=out)],
        },
    }


def test_a_static_configuration_for_spire_works_with_another_socket_path(mesh: Mesh) -> None:
    legacy = Member("legacy", 0, mesh.executable("legacy"))
    tester = Member("tester", 1, Path(os.path.realpath(sys.executable)))
    mesh.start_server()
    mesh.apply(Repository((legacy, tester), lifetime="20s"))
    node = mesh.join()
    config = mesh.folder / "envoy.json"
    config.write_text(json.dumps(_bootstrap(mesh, legacy, tester.spiffe_id)))
    words = ("--config-path", str(config), "--disable-hot-restart", "--concurrency", "1", "--log-level", "warning")
    mesh.background("legacy", [str(legacy.executable), *words])
    mesh.ask("svid", "fetch", "--write", str(mesh.folder), "--socket", f"unix://{node.workload}")
    own = client_context(mesh.folder / "svid.pem", mesh.folder / "key.pem")
    stranger = client_context(*forged(TestCa.root(DOMAIN).intermediate(), tester.spiffe_id, mesh.folder))
    for port in range(legacy.app, legacy.app + 3):
        until(lambda port=port: _reached(own, mesh.address, port) == "200", f"port {port} lets the tester in")  # type: ignore[misc] # bound at once
        assert answer(stranger, mesh.address, port) == REFUSED
    until(lambda: status(mesh.address, legacy.app + 5) == 200, "it also calls over mTLS")
    until(lambda: any(one.participant.startswith("envoy ") for one in mesh.server.held()), "what it holds is known")


def _reached(context: ssl.SSLContext, address: str, port: int) -> str:
    try:
        return answer(context, address, port)
    except OSError:
        return REFUSED

"""An Envoy configured for SPIRE, by hand and statically, works with our socket in place of SPIRE's."""

from __future__ import annotations

import asyncio
import hashlib
from datetime import timedelta
from pathlib import Path

import pytest

from tests.kit.ca import TestCa
from tests.kit.envoy_bench import ACME, EnvoyBench, RefusedConnection, dial
from trustplane.host.envoy import EnvoySettings, running
from trustplane.main.envoy_bench import LOOPBACK, free_port
from trustplane.xds.guards import published
from trustplane.xds.sds_names import secrets_offer

HTTP = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


SDS = {
    "resource_api_version": "V3",
    "api_config_source": {
        "api_type": "GRPC",
        "transport_api_version": "V3",
        "grpc_services": [{"envoy_grpc": {"cluster_name": "spire_agent"}}],
    },
}
WEB = "spiffe://acme.example/ns/shop/sa/web"


def spire_style(folder: Path, port: int, bundle: str) -> dict[str, object]:
    """As in SPIRE's Envoy tutorial: a static listener whose certificate and bundle come from SDS by name."""
    chain = {
        "transport_socket": {"name": "tls", "typed_config": _tls(bundle)},
        "filters": [{"name": "http", "typed_config": _answers_ok()}],
    }
    address = {"socket_address": {"address": LOOPBACK, "port_value": port}}
    return {
        "node": {"id": "by-hand", "cluster": "demo"},
        "admin": {"address": {"pipe": {"path": str(folder / "admin.sock")}}},
        "static_resources": {
            "listeners": [{"name": "in", "address": address, "filter_chains": [chain]}],
            "clusters": [_spire_agent(folder)],
        },
    }


def _tls(bundle: str) -> dict[str, object]:
    return {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        "require_client_certificate": True,
        "common_tls_context": {
            "tls_certificate_sds_secret_configs": [{"name": "default", "sds_config": SDS}],
            "combined_validation_context": {
                "default_validation_context": {
                    "match_typed_subject_alt_names": [{"san_type": "URI", "matcher": {"exact": WEB}}]
                },
                "validation_context_sds_secret_config": {"name": bundle, "sds_config": SDS},
            },
        },
    }


def _answers_ok() -> dict[str, object]:
    routes = [{"match": {"prefix": "/"}, "direct_response": {"status": 200}}]
    router = {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}
    return {
        "@type": f"type.googleapis.com/{HTTP}",
        "stat_prefix": "in",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
        "http_filters": [{"name": "router", "typed_config": router}],
    }


def _spire_agent(folder: Path) -> dict[str, object]:
    options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    endpoint = {"endpoint": {"address": {"pipe": {"path": str(folder / "ads.sock")}}}}
    return {
        "name": "spire_agent",
        "type": "STATIC",
        "typed_extension_protocol_options": {
            options: {
                "@type": f"type.googleapis.com/{options}",
                "explicit_http_config": {"http2_protocol_options": {}},
            }
        },
        "load_assignment": {"cluster_name": "spire_agent", "endpoints": [{"lb_endpoints": [endpoint]}]},
    }


@pytest.mark.parametrize("bundle", ["ROOTCA", "ALL", "spiffe://acme.example"])
def test_a_static_listener_takes_its_certificate_and_bundle_from_us(socket_dir: Path, bundle: str) -> None:
    async def scenario() -> None:
        async with EnvoyBench(socket_dir) as bench:
            first, web = bench.keyed("/ns/shop/sa/by-hand"), bench.keyed("/ns/shop/sa/web")
            bench.desired.identities = published(secrets_offer([first], bench.bundles, ACME), bench.at)
            bench.desired.move()
            port = free_port()
            settings = EnvoySettings(bench.binary, socket_dir, socket_dir / "admin.sock", timedelta(seconds=1))
            async with running(settings, spire_style(socket_dir, port, bundle)) as envoy:
                await envoy.ready()
                assert (await dial(port, GET, bench.client_tls(web))).status == 200
                foreign = bench.keyed("/ns/shop/sa/web", TestCa.root(ACME))
                for stranger in (bench.client_tls(foreign), bench.client_tls(None)):
                    with pytest.raises(RefusedConnection):
                        await dial(port, GET, stranger)
                renewed = bench.keyed("/ns/shop/sa/by-hand")
                bench.desired.identities = published(secrets_offer([renewed], bench.bundles, ACME), bench.at)
                bench.desired.move()
                record = ("unix: 'by-hand'", "secret/default")
                leaf = hashlib.sha256(renewed.svid.der()[0]).hexdigest()
                await bench.uptake.until(lambda: bench.uptake.held[record].held == leaf)
                serials = {each["cert_chain"][0]["serial_number"] for each in await envoy.admin.certs()}  # type: ignore[index] # JSON from Envoy
                assert {int(one, 16) for one in serials} == {renewed.svid.serial}

    asyncio.run(scenario())

"""What an Envoy's configuration dump says of a side, and what is no such dump."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from tests.kit.faults import SERVER_ID, mesh
from trustplane.fault import Refused
from trustplane.handshake.failure import Side, Tls
from trustplane.handshake.holding import UNKNOWN, Demands, Like, NameRule, Parameters
from trustplane.handshake.readers import envoy_config

OURS = mesh().client
CHAIN = {"inline_bytes": base64.b64encode(OURS.chain_pem()).decode()}
ROOTS = {"inline_string": OURS.roots_pem().decode()}
CRL = mesh().crl(mesh().issuing)
LISTS = {"inline_bytes": base64.b64encode(CRL.public_bytes(Encoding.PEM)).decode()}
URI = {"san_type": "URI", "matcher": {"exact": SERVER_ID}}


def context(**common: object) -> dict[str, Any]:
    return {"transport_socket": {"typed_config": {"common_tls_context": common}}}


def dump(**configs: object) -> bytes:
    return json.dumps({"configs": [configs]}).encode()


def listener(address: str, port: int, **more: object) -> dict[str, Any]:
    return {"address": {"socket_address": {"address": address, "port_value": port}}, **more}


INLINE = context(
    tls_certificates=[{"certificate_chain": CHAIN, "private_key": {"inline_bytes": "W3JlZGFjdGVkXQ=="}}],
    validation_context={
        "trusted_ca": ROOTS, "crl": LISTS, "max_verify_depth": 2, "verify_certificate_hash": ["AA:BB"],
        "match_typed_subject_alt_names": [URI],
    },
    tls_params={"tls_minimum_protocol_version": "TLSv1_3", "ecdh_curves": ["X25519"]},
)  # fmt: skip
BY_SECRET = context(
    tls_certificate_sds_secret_configs=[{"name": "leaf"}],
    combined_validation_context={
        "default_validation_context": {
            "match_typed_subject_alt_names": [{"san_type": "URI", "matcher": {"prefix": "x"}}]
        },
        "validation_context_sds_secret_config": {"name": "roots"},
    },
)
SECRETS = [
    {"secret": {"name": "leaf", "tls_certificate": {"certificate_chain": CHAIN}}},
    {"secret": {"name": "roots", "validation_context": {"trusted_ca": ROOTS}}},
]


def test_a_listener_says_all_that_its_side_holds() -> None:
    found = envoy_config.read(
        dump(static_listeners=[{"listener": listener("::", 8443, filter_chains=[INLINE])}]), Side.SERVER
    )
    here = found.at("10.0.0.2:8443")
    assert (here.chain, here.roots, here.crls) == (OURS.chain, OURS.roots, (CRL,))
    assert here.demands == Demands((NameRule(Like.EXACT, SERVER_ID),), 2, frozenset({"aabb"}))
    assert here.speaks == Parameters(oldest=Tls.V1_3, groups=frozenset({"X25519"}))


def test_a_cluster_is_known_by_its_endpoints_and_its_secrets_by_name() -> None:
    endpoint = {"endpoint": {"address": {"socket_address": {"address": "10.0.0.2", "port_value": 8443}}}}
    cluster = {**BY_SECRET, "load_assignment": {"endpoints": [{"lb_endpoints": [endpoint]}]}}
    found = envoy_config.read(
        dump(dynamic_active_clusters=[{"cluster": cluster}], dynamic_active_secrets=SECRETS), Side.CLIENT
    )
    there = found.at("10.0.0.2:8443")
    assert (there.chain, there.roots) == (OURS.chain, OURS.roots)
    assert there.demands == Demands((NameRule(Like.PREFIX, "x"),))
    assert found.usual == there


def test_the_bundles_of_several_domains_are_taken_together() -> None:
    validator = {
        "@type": "type.googleapis.com/x.SPIFFECertValidatorConfig",
        "trust_domains": [{"name": "a.example", "trust_bundle": ROOTS}, {"name": "b.example", "trust_bundle": {}}],
    }
    chains = [context(tls_certificates=[], validation_context={"custom_validator_config": {"typed_config": validator}})]
    found = envoy_config.read(
        dump(dynamic_listeners=[{"active_state": {"listener": listener("127.0.0.1", 1, filter_chains=chains)}}]),
        Side.SERVER,
    )
    assert (found.usual.roots, found.usual.chain) == (OURS.roots, ())


def test_what_differs_between_places_is_not_known_of_others_and_a_place_without_tls_says_nothing() -> None:
    listeners = [
        {"listener": listener("127.0.0.1", 1, filter_chains=[INLINE])},
        {"listener": listener("127.0.0.1", 2, filter_chains=[context(tls_certificates=[])])},
        {"listener": listener("127.0.0.1", 3, filter_chains=[{}])},
    ]
    found = envoy_config.read(dump(static_listeners=listeners), Side.SERVER)
    assert found.at("127.0.0.1:4").chain is None
    assert found.at("127.0.0.1:2").chain == ()
    assert found.at("127.0.0.1:3") is UNKNOWN


def test_a_rule_that_is_not_understood_leaves_open_whom_it_takes() -> None:
    matchers = [URI, {"san_type": "URI", "matcher": {"safe_regex": {"regex": ".*"}}}]
    chain = context(validation_context={"match_typed_subject_alt_names": matchers})
    found = envoy_config.read(
        dump(static_listeners=[{"listener": listener("::", 1, filter_chains=[chain])}]), Side.SERVER
    )
    assert found.usual.demands == Demands()


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff", b"[" * 5000, b'{"configs":"x"}'])
def test_what_is_no_dump_is_refused(content: bytes) -> None:
    with pytest.raises(Refused, match="no-config-dump"):
        envoy_config.read(content, Side.CLIENT)


@pytest.mark.parametrize("broken", ["!!", base64.b64encode(b"no certificate").decode(), 7])
def test_a_certificate_that_cannot_be_read_is_not_known(broken: object) -> None:
    chain = context(tls_certificates=[{"certificate_chain": {"inline_bytes": broken}}])
    found = envoy_config.read(
        dump(static_listeners=[{"listener": listener("::", 1, filter_chains=[chain])}]), Side.SERVER
    )
    assert found.usual.chain is None

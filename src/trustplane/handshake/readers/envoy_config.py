"""What a side holds, from its Envoy's `/config_dump`: certificates, bundles, lists, the names it wants, how it speaks.

Secrets that came by SDS are looked up among those that the dump has; private keys are never in one. Whatever is of
another kind than Envoy writes is passed over, and what a file on the proxy's own disk holds is not known here.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from typing import Final

import msgspec
from cryptography import x509

from trustplane.fault import Refused
from trustplane.handshake.failure import Side, Tls
from trustplane.handshake.holding import UNKNOWN, Chain, Demands, Holding, Holdings, Like, NameRule, Parameters
from trustplane.spiffe.certificates import certificates_from_pem

MAX_CONTEXTS: Final = 20_000
MAX_RULES: Final = 1_000
_VERSIONS: Final = {"TLSv1_2": Tls.V1_2, "TLSv1_3": Tls.V1_3}
_SPIFFE: Final = "SPIFFECertValidatorConfig"

Json = Mapping[str, object]


def read(document: bytes, side: Side) -> Holdings:
    """`side` says whether its clusters or its listeners are meant."""
    try:
        dump = _object(msgspec.json.decode(document))
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise _no_dump(str(error)) from error
    configs = list(_objects(dump.get("configs")))
    if not configs:
        raise _no_dump('it has no "configs"')
    secrets = {name: one for one in _secrets(configs) if isinstance(name := one.get("name"), str)}
    contexts = _of_clusters(configs) if side is Side.CLIENT else _of_listeners(configs)
    reader = _Reader(secrets)
    found: dict[str, Holding] = {}
    for _, (address, context) in zip(range(MAX_CONTEXTS), contexts, strict=False):
        found.setdefault(address, reader.holding(context))
    return Holdings(_alike([one for one in found.values() if one is not UNKNOWN]), found)


class _Reader:
    """A proxy has few certificates and many places that use them: each is parsed once."""

    def __init__(self, secrets: Mapping[str, Json]) -> None:
        self._secrets = secrets
        self._certificates = cache(_certificates)

    def holding(self, context: Json) -> Holding:
        if not context:
            return UNKNOWN  # nothing of TLS there
        common = _object(context.get("common_tls_context"))
        validation = self._validation(common)
        return Holding(
            chain=self._chain(common),
            roots=self._roots(validation),
            crls=_lists(_inline(validation.get("crl"))),
            demands=_demands(validation),
            speaks=_parameters(_object(common.get("tls_params"))),
        )

    def _chain(self, common: Json) -> Chain | None:
        named = list(_objects(common.get("tls_certificate_sds_secret_configs")))
        pairs = list(_objects(common.get("tls_certificates")))
        pairs += [_object(self._secret(one).get("tls_certificate")) for one in named]
        if not pairs:
            return ()
        return self._certificates(_inline(pairs[0].get("certificate_chain")))

    def _validation(self, common: Json) -> Json:
        """Envoy joins the two halves of a combined context; matchers stand in either."""
        combined = _object(common.get("combined_validation_context"))
        by_name = common.get("validation_context_sds_secret_config") or combined.get(
            "validation_context_sds_secret_config"
        )
        secret = _object(self._secret(_object(by_name)).get("validation_context"))
        here = _object(common.get("validation_context")) or _object(combined.get("default_validation_context"))
        return {**secret, **here}

    def _roots(self, validation: Json) -> Chain | None:
        custom = _object(_object(validation.get("custom_validator_config")).get("typed_config"))
        if not str(custom.get("@type", "")).endswith(_SPIFFE):
            return self._certificates(_inline(validation.get("trusted_ca")))
        bundles = [
            self._certificates(_inline(one.get("trust_bundle"))) or () for one in _objects(custom.get("trust_domains"))
        ]
        return tuple(dict.fromkeys(one for bundle in bundles for one in bundle)) or None

    def _secret(self, config: Json) -> Json:
        name = config.get("name")
        return self._secrets.get(name, {}) if isinstance(name, str) else {}


def _secrets(configs: Iterable[Json]) -> Iterator[Json]:
    for config in configs:
        for kind in ("static_secrets", "dynamic_active_secrets"):
            for one in _objects(config.get(kind)):
                yield _object(one.get("secret"))


def _of_clusters(configs: Iterable[Json]) -> Iterator[tuple[str, Json]]:
    for config in configs:
        for kind in ("static_clusters", "dynamic_active_clusters"):
            for one in _objects(config.get(kind)):
                cluster = _object(one.get("cluster"))
                for address in _endpoints(cluster):
                    yield address, _context(cluster)


def _of_listeners(configs: Iterable[Json]) -> Iterator[tuple[str, Json]]:
    for config in configs:
        static = [one.get("listener") for one in _objects(config.get("static_listeners"))]
        active = [_object(one.get("active_state")).get("listener") for one in _objects(config.get("dynamic_listeners"))]
        for listener in _objects([*static, *active]):
            chains = [*_objects(listener.get("filter_chains")), _object(listener.get("default_filter_chain"))]
            if address := _address(_object(listener.get("address"))):
                yield address, next(filter(None, map(_context, chains)), {})


def _endpoints(cluster: Json) -> Iterator[str]:
    for locality in _objects(_object(cluster.get("load_assignment")).get("endpoints")):
        for one in _objects(locality.get("lb_endpoints")):
            if address := _address(_object(_object(one.get("endpoint")).get("address"))):
                yield address


def _address(address: Json) -> str:
    """With its port alone where it is every address of a host."""
    socket = _object(address.get("socket_address"))
    host, port = socket.get("address"), socket.get("port_value")
    if not isinstance(host, str) or not isinstance(port, int):
        return ""
    return f":{port}" if host in {"0.0.0.0", "::"} else f"{host}:{port}"  # noqa: S104 - compared, not listened on


def _context(of: Json) -> Json:
    config = _object(_object(of.get("transport_socket")).get("typed_config"))
    return config if "common_tls_context" in config else {}


def _demands(validation: Json) -> Demands:
    depth = _object(validation).get("max_verify_depth")
    pins = validation.get("verify_certificate_hash")
    return Demands(
        _rules(validation),
        depth if isinstance(depth, int) else None,
        frozenset(one.replace(":", "").lower() for one in _texts(pins)),
    )


def _rules(validation: Json) -> tuple[NameRule, ...]:
    """None where one of them is no rule for a URI that is understood here: then whom it takes is not known."""
    found = []
    for one in list(_objects(validation.get("match_typed_subject_alt_names")))[:MAX_RULES]:
        matcher = _object(one.get("matcher"))
        like = next((like for like in Like if isinstance(matcher.get(like.value), str)), None)
        if like is None or one.get("san_type") != "URI":
            return ()
        found.append(NameRule(like, str(matcher[like.value])))
    return tuple(found)


def _parameters(params: Json) -> Parameters:
    return Parameters(
        _VERSIONS.get(str(params.get("tls_minimum_protocol_version"))),
        _VERSIONS.get(str(params.get("tls_maximum_protocol_version"))),
        frozenset(_texts(params.get("cipher_suites"))) or None,
        frozenset(_texts(params.get("ecdh_curves"))) or None,
    )


def _certificates(pem: bytes | None) -> Chain | None:
    if pem is None:
        return None
    try:
        return certificates_from_pem(pem)
    except Refused:
        return None


def _lists(pem: bytes | None) -> tuple[x509.CertificateRevocationList, ...] | None:
    if pem is None:
        return None
    end = b"-----END X509 CRL-----"
    found = []
    for part in pem.split(end)[:-1]:
        try:
            found.append(x509.load_pem_x509_crl(part.lstrip() + end + b"\n"))
        except ValueError:
            return None
    return tuple(found)


def _inline(source: object) -> bytes | None:
    source = _object(source)
    if isinstance(text := source.get("inline_string"), str):
        return text.encode()
    try:
        encoded = source.get("inline_bytes")
        return base64.b64decode(encoded, validate=True) if isinstance(encoded, str) else None
    except (binascii.Error, ValueError):
        return None


def _alike(found: Iterable[Holding]) -> Holding:
    """What is the same in all places; for an address that is not among them."""
    first, *others = list(found) or [UNKNOWN]
    differs = {
        name: None
        for name in ("chain", "roots", "crls", "demands", "speaks")
        if any(getattr(one, name) != getattr(first, name) for one in others)
    }
    return replace(first, **differs)


def _object(value: object) -> Json:
    return value if isinstance(value, dict) else {}


def _objects(value: object) -> Iterator[Json]:
    return (one for one in value if isinstance(one, dict)) if isinstance(value, list) else iter(())


def _texts(value: object) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _no_dump(why: str) -> Refused:
    return Refused(
        code="no-config-dump",
        what="this is no configuration dump of an Envoy",
        why=why[:200],
        fix="ask the proxy's administration for /config_dump and give what it answers, in JSON",
    )

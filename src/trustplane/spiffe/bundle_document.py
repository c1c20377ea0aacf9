"""Bundles as JSON documents, both ways (Trust Domain and Bundle §4 and §5, X509-SVID §6, JWT-SVID §6).

Elements of an unknown kind or use are passed over, as the standard asks. Anything else that is wrong refuses the whole
document, so that a damaged one never replaces a good one. `"keys": []` is not damage: it revokes the domain.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import cast

from cryptography import x509

from trustplane.fault import Refused
from trustplane.spiffe.bundle import MAX_REFRESH_HINT, Bundle, BundleSet, JwtAuthority
from trustplane.spiffe.certificates import certificate_from_der, der_of, read_whole
from trustplane.spiffe.ids import TrustDomain
from trustplane.spiffe.jwk import KNOWN_TYPES, from_jwk, to_jwk
from trustplane.spiffe.public_keys import supported
from trustplane.spiffe.strict_json import parse_object

MAX_DOCUMENT_BYTES = 1024 * 1024
MAX_BUNDLES = 1000

_X509_USE = "x509-svid"
_JWT_USE = "jwt-svid"
_CURVES = ("P-256", "P-384", "P-521")

Element = Mapping[str, object]


def encode(bundle: Bundle) -> bytes:
    """The same bytes for the same bundle."""
    document: dict[str, object] = {"keys": _elements(bundle)}
    if bundle.sequence is not None:
        document["spiffe_sequence"] = bundle.sequence
    if bundle.refresh_hint is not None:
        document["spiffe_refresh_hint"] = bundle.refresh_hint // timedelta(seconds=1)
    return _dump(document)


def decode(document: bytes, trust_domain: TrustDomain) -> Bundle:
    """`trust_domain` comes from configuration: a document does not say whose it is."""
    return _bundle(parse_object(document, f"the bundle of {trust_domain}", MAX_DOCUMENT_BYTES), trust_domain)


def jwks(bundle: Bundle) -> bytes:
    """The JWT authorities as a plain JWK Set: without `use`, which ordinary JWT libraries take for unusable."""
    return _dump({"keys": [_jwt_key(authority) for authority in bundle.jwt_authorities]})


def encode_map(bundles: BundleSet) -> bytes:
    """A bundle map (§5), without refresh hints: the map's own source says when to ask again."""
    domains: dict[str, object] = {}
    for trust_domain, bundle in bundles.items():
        document: dict[str, object] = {"keys": _elements(bundle)}
        if bundle.sequence is not None:
            document["spiffe_sequence"] = bundle.sequence
        domains[trust_domain.name] = document
    return _dump({"trust_domains": domains})


def decode_map(document: bytes) -> BundleSet:
    """Hints inside a map are dropped, since they must not change when it is fetched (§5.1.1)."""
    fields = parse_object(document, "the bundle map", MAX_DOCUMENT_BYTES)
    domains = fields.get("trust_domains")
    if not isinstance(domains, dict) or not all(isinstance(each, dict) for each in domains.values()):
        raise _refuse(
            "the bundle map has no object `trust_domains` of bundles", "it must be set, if only to {} (§5.1.1)"
        )
    if len(domains) > MAX_BUNDLES:
        raise _refuse(f"the bundle map has {len(domains)} bundles", f"at most {MAX_BUNDLES} are read")
    return BundleSet.of(*(_bundle(_without_hint(each), TrustDomain(name)) for name, each in domains.items()))


def _without_hint(fields: Element) -> Element:
    return {name: each for name, each in fields.items() if name != "spiffe_refresh_hint"}


def _bundle(fields: Element, trust_domain: TrustDomain) -> Bundle:
    keys = fields.get("keys")
    if not isinstance(keys, list):
        raise _refuse(
            f"the bundle of {trust_domain} has no array `keys`",
            "without it nothing is said about trust; an empty array would revoke everything (§4.1.3)",
        )
    elements = [element for each in keys if _is_known(element := _element(each, trust_domain))]
    authorities = (_x509_authority(each, trust_domain) for each in elements if each["use"] == _X509_USE)
    return Bundle(
        trust_domain,
        # A certificate that is listed twice is trusted no more for it.
        tuple(dict.fromkeys(each for each in authorities if each is not None)),
        tuple(_jwt_authority(each, trust_domain) for each in elements if each["use"] == _JWT_USE),
        _whole_number(fields, "spiffe_sequence"),
        _refresh_hint(fields),
    )


def _element(value: object, trust_domain: TrustDomain) -> Element:
    if not isinstance(value, dict):
        raise _refuse(f"the bundle of {trust_domain} holds a key that is no object", "`keys` is an array of JWKs")
    return cast("Element", value)


def _is_known(element: Element) -> bool:
    """§4.1.3, §4.2.1, §4.2.2: of known type and use; a curve we cannot use is a type we do not know."""
    kind, use = element.get("kty"), element.get("use")
    if kind not in KNOWN_TYPES or use not in (_X509_USE, _JWT_USE):
        return False
    return kind != "EC" or element.get("crv") in _CURVES


def _x509_authority(element: Element, trust_domain: TrustDomain) -> x509.Certificate | None:
    """X509-SVID §6.2: nothing without `x5c`; of several values the first."""
    values = element.get("x5c")
    if values is None or values == []:
        return None
    holder = f"an X.509 authority of {trust_domain}"
    if not isinstance(values, list) or not isinstance(values[0], str):
        raise _refuse(f"{holder} has an `x5c` that is no array of text", "it holds one base64 DER certificate (§6.1)")
    try:
        der = base64.b64decode(values[0], validate=True)
    except ValueError as error:
        raise _refuse(f"{holder} has an `x5c` that is not base64", str(error)) from error
    certificate = certificate_from_der(der)
    read_whole(certificate)
    if from_jwk(element, holder) != supported(certificate.public_key(), holder):
        raise _refuse(
            f"{holder} names one key and holds the certificate of another", "they are the same (RFC 7517 §4.7)"
        )
    return certificate


def _jwt_authority(element: Element, trust_domain: TrustDomain) -> JwtAuthority:
    kid = element.get("kid")
    if not isinstance(kid, str):
        raise _refuse(f"a JWT authority of {trust_domain} has no `kid`", "tokens name their key by it (JWT-SVID §6.1)")
    return JwtAuthority(kid, from_jwk(element, f"the JWT authority {kid!r:.300} of {trust_domain}"))


def _whole_number(fields: Element, name: str) -> int | None:
    value = fields.get(name)
    if name not in fields:
        return None
    if not isinstance(value, int) or isinstance(value, bool):
        raise _refuse(f"`{name}` is {value!r:.100}", "it is an integer (Trust Domain and Bundle §4.1)")
    return value


def _refresh_hint(fields: Element) -> timedelta | None:
    """Nought is how some producers write that they have no hint."""
    seconds = _whole_number(fields, "spiffe_refresh_hint")
    if not seconds:
        return None
    if not 0 < seconds <= MAX_REFRESH_HINT // timedelta(seconds=1):
        raise _refuse(f"`spiffe_refresh_hint` is {seconds}", f"it is seconds, at most {MAX_REFRESH_HINT.days} days")
    return timedelta(seconds=seconds)


def _elements(bundle: Bundle) -> list[dict[str, object]]:
    x509_keys = [_x509_key(certificate) for certificate in bundle.x509_authorities]
    return [*x509_keys, *({**_jwt_key(authority), "use": _JWT_USE} for authority in bundle.jwt_authorities)]


def _x509_key(certificate: x509.Certificate) -> dict[str, object]:
    key = to_jwk(supported(certificate.public_key(), "an X.509 authority"))
    return {**key, "use": _X509_USE, "x5c": [base64.b64encode(der_of(certificate)).decode()]}


def _jwt_key(authority: JwtAuthority) -> dict[str, object]:
    return {**to_jwk(authority.public_key), "kid": authority.kid}


def _dump(document: Mapping[str, object]) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def _refuse(what: str, why: str) -> Refused:
    return Refused(
        code="bad-bundle-document",
        what=what,
        why=why,
        fix="keep the bundle you hold, and tell the trust domain's operators",
    )

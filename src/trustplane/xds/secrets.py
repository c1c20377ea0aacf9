"""Secrets as Envoy takes them: a leaf with its key in one resource, so that they can never be torn apart, and bundles.

Our own trust domain's bundle goes to Envoy's default verifier, which checks key usages and names what it refused. A
foreign domain's bundle, or several together, goes to the SPIFFE verifier: the default one would let any authority in
the list vouch for any identity.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Iterable, Sequence
from textwrap import wrap

from cryptography.hazmat.primitives.serialization import Encoding

from trustplane.spiffe.bundle import Bundle
from trustplane.spiffe.ids import TrustDomain
from trustplane.spiffe.x509_svid import KeyedSvid
from trustplane.xds.resources import Kind, Resource, typed

_SPIFFE_VALIDATOR = "envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig"


def leaf(name: str, keyed: KeyedSvid) -> Resource:
    certificate = {
        "certificate_chain": {"inline_string": keyed.svid.pem().decode()},
        "private_key": {"inline_string": keyed.key_pem().decode()},
    }
    return Resource(
        Kind.SECRET,
        name,
        typed(Kind.SECRET.value, name=name, tls_certificate=certificate),
        stands_for=hashlib.sha256(keyed.svid.der()[0]).hexdigest(),
    )


def bundle(name: str, trusted: Bundle, own: TrustDomain, crls: Sequence[bytes] = ()) -> Resource:
    """`crls` are the own domain's. The SPIFFE verifier would ignore CRLs, so a foreign domain has none."""
    if trusted.trust_domain != own:
        return bundles(name, (trusted,))
    context = {"trusted_ca": {"inline_string": _pem(trusted)}}
    if crls:
        context["crl"] = {"inline_string": "".join(map(_crl_pem, crls))}
    content = typed(Kind.SECRET.value, name=name, validation_context=context)
    return Resource(Kind.SECRET, name, content, bundle_digest(trusted, crls))


def bundle_digest(trusted: Bundle, crls: Sequence[bytes] = ()) -> str:
    """What our own domain's bundle is known by once a proxy holds it."""
    if not crls:
        return trusted.digest
    return hashlib.sha256(b"".join([trusted.digest.encode(), *crls])).hexdigest()


def bundles(name: str, trusted: Iterable[Bundle]) -> Resource:
    ordered = sorted(trusted, key=lambda one: one.trust_domain)
    domains = [{"name": str(one.trust_domain), "trust_bundle": {"inline_string": _pem(one)}} for one in ordered]
    validator = {
        "name": "envoy.tls.cert_validator.spiffe",
        "typed_config": typed(_SPIFFE_VALIDATOR, trust_domains=domains),
    }
    context = {"custom_validator_config": validator}
    return Resource(
        Kind.SECRET, name, typed(Kind.SECRET.value, name=name, validation_context=context), known_as(ordered)
    )


def known_as(trusted: Sequence[Bundle]) -> str:
    """What a secret with these bundles is known by: which bundle it is, or which ones."""
    if len(trusted) == 1:
        return trusted[0].digest
    return hashlib.sha256("".join(sorted(one.digest for one in trusted)).encode()).hexdigest()


def _crl_pem(der: bytes) -> str:
    lines = wrap(b64encode(der).decode(), 64)
    return "\n".join(("-----BEGIN X509 CRL-----", *lines, "-----END X509 CRL-----", ""))


def _pem(trusted: Bundle) -> str:
    """Sorted, so that equal bundles are equal resources whatever order they came in."""
    return "".join(sorted(one.public_bytes(Encoding.PEM).decode() for one in trusted.x509_authorities))

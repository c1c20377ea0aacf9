"""What must be true of secrets before a proxy is given them, read back from the very text it would get."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from trustplane.fault import Finding, Refused
from trustplane.spiffe.bundle import Bundle, BundleSet
from trustplane.spiffe.certificates import certificates_from_pem
from trustplane.spiffe.ids import SCHEME, SpiffeId, TrustDomain
from trustplane.spiffe.verify import verify_x509
from trustplane.spiffe.x509_svid import X509Svid
from trustplane.xds.resources import Json, Resource

_Value = TypeVar("_Value")
_ALLOWED_BESIDE_VALIDATOR = frozenset({"custom_validator_config"})
_NAMELESS = TrustDomain("unnamed")
_CRL_ENDS = "-----END X509 CRL-----\n"


@dataclass(frozen=True, slots=True)
class _Found:
    """A secret's parts, or why they cannot be read."""

    leaves: Mapping[str, X509Svid]
    bundles: Mapping[TrustDomain, Bundle]
    crls: Mapping[str, Sequence[x509.CertificateRevocationList]]  # by the secret's name; none: left out
    findings: tuple[Finding, ...]


def secret_findings(secrets: Mapping[str, Resource], at: datetime) -> Iterator[Finding]:
    read = _read(secrets)
    yield from read.findings
    trusted = BundleSet(read.bundles)
    for name, svid in read.leaves.items():
        if name.startswith(SCHEME) and name != str(svid.spiffe_id):
            yield _finding(name, f"it holds the identity {svid.spiffe_id}", "a secret named by an ID holds that ID")
        try:
            verify_x509(svid, trusted, at)
        except Refused as refused:
            yield _finding(name, refused.finding.what, refused.finding.why)
    for name, crls in read.crls.items():
        chains = [svid.chain[1:] for svid in read.leaves.values() if svid.spiffe_id.trust_domain in trusted]
        roots = [trusted[domain].x509_authorities for domain in trusted if str(domain.id) == name]
        signers = {one for chain in [*chains, *roots] for one in chain}
        for what, why in _lacks_of_crls(crls, signers, at):
            yield _finding(name, what, why)


def _lacks_of_crls(
    crls: Sequence[x509.CertificateRevocationList], signers: Collection[x509.Certificate], at: datetime
) -> Iterator[tuple[str, str]]:
    """Envoy takes any CRL and then refuses every handshake; all of these have been seen (docs/decisions/0121)."""
    for crl in crls:
        if not crl.last_update_utc <= at < (crl.next_update_utc or at):
            yield f"a CRL is out of date: {crl.issuer.rfc4514_string()[:200]}", "every handshake would fail"
    for signer in signers:
        of_signer = [crl for crl in crls if crl.issuer == signer.subject]
        key = signer.public_key()
        if not isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
            continue
        if not any(crl.is_signature_valid(key) for crl in of_signer):
            yield (
                f"no CRL signed by {signer.subject.rfc4514_string()[:200]} is among its CRLs",
                "with some CRLs, Envoy refuses every chain that has a CA without one",
            )


def _read(secrets: Mapping[str, Resource]) -> _Found:
    leaves: dict[str, X509Svid] = {}
    bundles: dict[TrustDomain, Bundle] = {}
    crls: dict[str, Sequence[x509.CertificateRevocationList]] = {}
    findings: list[Finding] = []
    for name, one in secrets.items():
        match one.content:
            case {"tls_certificate": Mapping() as certificate}:
                svid = _collected(findings, name, partial(_leaf, certificate))
                if svid is not None:
                    leaves[name] = svid
            case {"validation_context": Mapping() as context}:
                found = _collected(findings, name, partial(_authorities, context, name))
                bundles.update({each.trust_domain: each for each in found or () if each.trust_domain != _NAMELESS})
                listed = _collected(findings, name, partial(_crls, context)) if "crl" in context else None
                crls.update({name: listed} if listed is not None else {})
            case _:
                findings.append(_finding(name, "it is neither a certificate nor a validation context", "no other is"))
    return _Found(leaves, bundles, crls, tuple(findings))


def _collected(findings: list[Finding], name: str, read: Callable[[], _Value]) -> _Value | None:
    try:
        return read()
    except Refused as refused:
        findings.extend(_finding(name, each.what, each.why) for each in refused.findings)
    return None


def _leaf(certificate: Json) -> X509Svid:
    svid = X509Svid.from_pem(_inline(certificate, "certificate_chain"))
    for below, above in zip(svid.chain, svid.chain[1:], strict=False):
        try:
            below.verify_directly_issued_by(above)
        except Exception as error:
            raise _refuse("the chain is out of order", f"{above.subject.rfc4514_string()!r:.200} signed not") from error
    key = load_pem_private_key(_inline(certificate, "private_key"), password=None)
    if key.public_key() != svid.leaf.public_key():
        raise _refuse("the private key is not the leaf's", "the proxy would refuse both")
    if isinstance(svid.public_key, ec.EllipticCurvePublicKey) and svid.public_key.curve.key_size > 384:
        raise _refuse("the leaf's key is on P-521", "Envoy takes it and then agrees with no peer over TLS 1.3")
    return svid


def _authorities(context: Json, name: str) -> tuple[Bundle, ...]:
    if "match_typed_subject_alt_names" in context:
        raise _refuse("it carries identities", "Envoy joins them to the listener's or cluster's, which widens the pin")
    match context:
        case {"custom_validator_config": {"typed_config": {"trust_domains": [_, *_] as domains}}}:
            if extra := set(context) - _ALLOWED_BESIDE_VALIDATOR:
                raise _refuse(f"it sets {', '.join(sorted(extra))}", "the SPIFFE verifier ignores that silently")
            return _distinct([_bundle(TrustDomain(str(one["name"])), one, "trust_bundle") for one in domains])
        case {"trusted_ca": Mapping()}:
            return (_bundle(_domain(name), context, "trusted_ca"),)
        case _:
            raise _refuse("it names no authority", "Envoy would ask no client for a certificate")


def _distinct(bundles: list[Bundle]) -> tuple[Bundle, ...]:
    if len({one.trust_domain for one in bundles}) != len(bundles):
        raise _refuse("a trust domain is in it twice", "the proxy would refuse it")
    return tuple(bundles)


def _bundle(domain: TrustDomain, holder: Json, field: str) -> Bundle:
    bundle = Bundle(domain, certificates_from_pem(_inline(holder, field)))
    if not bundle.x509_authorities:
        raise _refuse(f"the bundle of {domain} is empty", "Envoy would ask no client for a certificate")
    return bundle


def _crls(context: Json) -> list[x509.CertificateRevocationList]:
    text = _inline(context, "crl").decode()
    if not text.endswith(_CRL_ENDS):
        raise _refuse("its CRLs are not whole", "the proxy would take them and refuse every handshake")
    try:
        return [x509.load_pem_x509_crl((one + _CRL_ENDS).encode()) for one in text.split(_CRL_ENDS)[:-1]]
    except ValueError as error:
        raise _refuse("a CRL cannot be read", "the proxy would take it and refuse every handshake") from error


def _domain(name: str) -> TrustDomain:
    return SpiffeId.parse(name).trust_domain if name.startswith(SCHEME) else _NAMELESS


def _inline(holder: Json, field: str) -> bytes:
    match holder.get(field):
        case {"inline_string": str() as text} if text:
            return text.encode()
        case _:
            raise _refuse(f"its {field} is empty", "the proxy would have nothing to use")


def _refuse(what: str, why: str) -> Refused:
    return Refused(code="xds-secret-unfit", what=what, why=why, fix="see trustplane status and the agent's log")


def _finding(name: str, what: str, why: str) -> Finding:
    return Finding(
        code="xds-secret-unfit",
        what=f"the secret {name} must not be published: {what}",
        why=why,
        fix="see trustplane status; what was published before stays in use",
    )

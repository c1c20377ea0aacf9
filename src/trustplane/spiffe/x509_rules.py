"""The rules of X509-SVID on single certificates, one function a rule, each citing its clause.

A leaf is what a workload shows; a signer is what stands behind it in the chain. Each rule answers with a finding or
nothing, so that a bad certificate is told all its faults at once.
"""

from __future__ import annotations

from collections.abc import Callable

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.x509.oid import ExtendedKeyUsageOID

from trustplane.fault import Finding, Refused
from trustplane.spiffe.certificates import extension
from trustplane.spiffe.ids import SCHEME, SpiffeId

Rule = Callable[[x509.Certificate], Finding | None]

_BOTH_USES = {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}


def uri_names(certificate: x509.Certificate) -> list[str]:
    names = extension(certificate, x509.SubjectAlternativeName)
    return names.value.get_values_for_type(x509.UniformResourceIdentifier) if names else []


def leaf_id(certificate: x509.Certificate) -> SpiffeId:
    """X509-SVID §2, §3.1 and §5.2: exactly one URI SAN, a SPIFFE ID with a path."""
    uris = uri_names(certificate)
    if len(uris) != 1:
        raise Refused(
            code="svid-uri-sans",
            what=f"the leaf has {len(uris)} URI names",
            why="an X509-SVID has exactly one URI SAN, its SPIFFE ID (X509-SVID §2)",
            fix="issue it with one URI SAN; DNS names may stand beside it",
        )
    spiffe_id = SpiffeId.parse(uris[0])
    if not spiffe_id.path:
        raise Refused(
            code="svid-without-path",
            what=f"the leaf is named {spiffe_id}",
            why="an ID without a path names the trust domain, and only signing certificates bear it (X509-SVID §5.2)",
            fix="issue it for a workload's ID, such as spiffe://acme.example/ns/shop/sa/web",
        )
    return spiffe_id


def _names_critical_without_subject(leaf: x509.Certificate) -> Finding | None:
    names = extension(leaf, x509.SubjectAlternativeName)
    if names is None or names.critical or len(leaf.subject) > 0:
        return None
    return Finding(
        code="svid-names-not-critical",
        what="the leaf has no subject and its subject alternative names are not critical",
        why="without a subject they are the only name, so they must be critical (X509-SVID §3.1, RFC 5280 §4.2.1.6)",
        fix="mark the subject alternative name extension critical",
    )


def _leaf_is_no_authority(leaf: x509.Certificate) -> Finding | None:
    constraints = extension(leaf, x509.BasicConstraints)
    if constraints is None or not constraints.value.ca:
        return None
    return Finding(
        code="svid-leaf-is-authority",
        what="the leaf's basic constraints say it is a certificate authority",
        why="what signs must not authenticate (X509-SVID §4.1, §5.2)",
        fix="issue it with cA false",
    )


def _key_usage_present_and_critical(certificate: x509.Certificate) -> Finding | None:
    usage = extension(certificate, x509.KeyUsage)
    if usage is not None and usage.critical:
        return None
    return Finding(
        code="svid-key-usage-not-critical",
        what="key usage is not critical" if usage else "the certificate has no key usage",
        why="it is present and critical on every SVID (X509-SVID §4.3)",
        fix="issue it with a critical key usage extension",
    )


def _leaf_key_usage(leaf: x509.Certificate) -> Finding | None:
    usage = extension(leaf, x509.KeyUsage)
    if usage is None or (usage.value.digital_signature and not usage.value.key_cert_sign and not usage.value.crl_sign):
        return None
    return Finding(
        code="svid-leaf-key-usage",
        what="the leaf's key usage lacks digitalSignature, or holds keyCertSign or cRLSign",
        why="a leaf proves itself by signing and signs nothing for others (X509-SVID §4.3, §5.2)",
        fix="issue it with digitalSignature and neither keyCertSign nor cRLSign",
    )


def _both_extended_uses(leaf: x509.Certificate) -> Finding | None:
    usage = extension(leaf, x509.ExtendedKeyUsage)
    if usage is None or _BOTH_USES.issubset(usage.value):
        return None
    return Finding(
        code="svid-extended-key-usage",
        what="the leaf's extended key usage lacks serverAuth or clientAuth",
        why="when it is present it must hold both, for a workload is both (X509-SVID §4.4)",
        fix="issue it with serverAuth and clientAuth, or without the extension",
    )


def _signer_is_authority(signer: x509.Certificate) -> Finding | None:
    constraints = extension(signer, x509.BasicConstraints)
    if constraints is not None and constraints.value.ca:
        return None
    return Finding(
        code="svid-signer-not-authority",
        what=f"the intermediate {signer.subject.rfc4514_string()!r:.200} is no certificate authority",
        why="every certificate behind the leaf must have cA true (X509-SVID §4.1)",
        fix="put the leaf first and only signing certificates behind it",
    )


def _signer_key_usage(signer: x509.Certificate) -> Finding | None:
    usage = extension(signer, x509.KeyUsage)
    if usage is None or usage.value.key_cert_sign:
        return None
    return Finding(
        code="svid-signer-key-usage",
        what=f"the key usage of the intermediate {signer.subject.rfc4514_string()!r:.200} lacks keyCertSign",
        why="without it, it may not sign certificates (X509-SVID §4.3)",
        fix="issue the intermediate with keyCertSign",
    )


def _signer_id_without_path(signer: x509.Certificate) -> Finding | None:
    """Its ID may be missing (§3.2 says SHOULD); a corporate CA may bear other URIs."""
    uris = uri_names(signer)
    if not any(uri.startswith(SCHEME) for uri in uris):
        return None
    if len(uris) == 1 and _names_a_domain(uris[0]):
        return None
    return Finding(
        code="svid-signer-id",
        what=f"an intermediate is named {', '.join(uris)!r:.300}",
        why="a signing certificate's SPIFFE ID is its only URI and has no path (X509-SVID §2, §3.2)",
        fix="issue the intermediate with the trust domain's own ID, or without one",
    )


def _names_a_domain(uri: str) -> bool:
    try:
        return not SpiffeId.parse(uri).path
    except Refused:
        return False


def _signer_is_no_root(signer: x509.Certificate) -> Finding | None:
    """Self-issued is not yet self-signed: a CA that changes its key signs the new one under the same name."""
    if signer.subject != signer.issuer:
        return None
    try:
        signer.verify_directly_issued_by(signer)
    except (InvalidSignature, ValueError, TypeError, UnsupportedAlgorithm):
        return None
    return Finding(
        code="svid-holds-root",
        what=f"the chain holds the self-signed root {signer.subject.rfc4514_string()!r:.200}",
        why="roots are trusted because a bundle says so; one that arrives with a leaf proves nothing",
        fix="send the chain without the root",
    )


LEAF_RULES: tuple[Rule, ...] = (
    _names_critical_without_subject,
    _leaf_is_no_authority,
    _key_usage_present_and_critical,
    _leaf_key_usage,
    _both_extended_uses,
)
SIGNER_RULES: tuple[Rule, ...] = (
    _signer_is_authority,
    _key_usage_present_and_critical,
    _signer_key_usage,
    _signer_id_without_path,
    _signer_is_no_root,
)


def leaf_findings(leaf: x509.Certificate) -> list[Finding]:
    return _findings(leaf, LEAF_RULES)


def signer_findings(signer: x509.Certificate) -> list[Finding]:
    return _findings(signer, SIGNER_RULES)


def _findings(certificate: x509.Certificate, rules: tuple[Rule, ...]) -> list[Finding]:
    return [finding for rule in rules if (finding := rule(certificate)) is not None]

"""Who is this? A peer's X509-SVID, verified against the bundle of the trust domain it claims.

Path validation (RFC 5280) is the library's; the SPIFFE rules it does not know are in `x509_rules` and hold for every
`X509Svid`. The claimed trust domain picks the bundle, so that one domain's root can never vouch for another's names.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.x509.verification import Criticality, ExtensionPolicy, PolicyBuilder, Store, VerificationError

from trustplane.fault import Refused
from trustplane.spiffe.bundle import Bundle, BundleSet
from trustplane.spiffe.ids import SpiffeId, TrustDomain
from trustplane.spiffe.instants import utc
from trustplane.spiffe.revoked import NOTHING_REVOKED, Revoked
from trustplane.spiffe.x509_svid import MAX_CHAIN, X509Svid

__all__ = ["BundleSet", "bundle_of", "verify_x509"]

# RFC 5280 asks for key identifiers, SPIFFE does not, and peers leave them out.
_SIGNERS: Final = (
    ExtensionPolicy.webpki_defaults_ca()
    .may_be_present(x509.AuthorityKeyIdentifier, Criticality.NON_CRITICAL, None)
    .may_be_present(x509.SubjectKeyIdentifier, Criticality.NON_CRITICAL, None)
)
# WebPKI also fixes criticalities that X509-SVID §3.1 and §4.4 leave open.
_LEAVES: Final = (
    ExtensionPolicy.webpki_defaults_ee()
    .may_be_present(x509.AuthorityKeyIdentifier, Criticality.NON_CRITICAL, None)
    .may_be_present(x509.ExtendedKeyUsage, Criticality.AGNOSTIC, None)
    .require_present(x509.SubjectAlternativeName, Criticality.AGNOSTIC, None)
)


def verify_x509(svid: X509Svid, bundles: BundleSet, at: datetime, revoked: Revoked = NOTHING_REVOKED) -> SpiffeId:
    """The peer's name, or `Refused`. An empty bundle refuses all of its domain."""
    instant = utc(at)
    bundle = bundle_of(svid.spiffe_id.trust_domain, bundles)
    if not bundle.x509_authorities:
        raise Refused(
            code="no-x509-authorities",
            what=f"{svid.spiffe_id} cannot be verified",
            why=f"the bundle of {bundle.trust_domain} holds no X.509 authority: all its X509-SVIDs are revoked",
            fix=f"find out from the operators of {bundle.trust_domain} whether that is meant",
        )
    _check_time(svid, instant)
    _check_path(svid, bundle, instant)
    if finding := revoked.finding(svid):
        raise Refused.all_of([finding])
    return svid.spiffe_id


def bundle_of(trust_domain: TrustDomain, bundles: BundleSet) -> Bundle:
    bundle = bundles.get(trust_domain)
    if bundle is None:
        raise Refused(
            code="untrusted-trust-domain",
            what=f"nothing of {trust_domain} can be verified",
            why="no bundle of that trust domain is held",
            fix=f"federate with {trust_domain}, or use a workload of a domain that is trusted here",
        )
    return bundle


def _check_time(svid: X509Svid, at: datetime) -> None:
    if at > svid.not_after:
        raise Refused(
            code="svid-expired",
            what=f"the X509-SVID of {svid.spiffe_id} expired at {svid.not_after.isoformat()}",
            why=f"it is {at.isoformat()}",
            fix="see why its holder did not renew it, and compare the two machines' clocks",
        )
    if at < svid.not_before:
        raise Refused(
            code="svid-not-yet-valid",
            what=f"the X509-SVID of {svid.spiffe_id} is valid from {svid.not_before.isoformat()}",
            why=f"it is {at.isoformat()}",
            fix="compare the clocks of issuer and verifier",
        )


def _check_path(svid: X509Svid, bundle: Bundle, at: datetime) -> None:
    verifier = (
        PolicyBuilder()
        .store(Store(list(bundle.x509_authorities)))
        .time(at)
        .max_chain_depth(MAX_CHAIN)
        .extension_policies(ca_policy=_SIGNERS, ee_policy=_LEAVES)
        .build_client_verifier()
    )
    try:
        verifier.verify(svid.leaf, list(svid.chain[1:]))
    except VerificationError as error:
        # The rest quotes the peer's certificate, and the peer chose what stands in it.
        why = str(error).partition(" (encountered")[0][:300]
        raise Refused(
            code="svid-not-vouched-for",
            what=f"no authority of {bundle.trust_domain} vouches for the X509-SVID of {svid.spiffe_id}",
            why=why,
            fix="see that the peer sends its intermediates and that the bundle holds the root that signed them"
            if not ("path length" in why or "name constraint" in why)
            else "have the authority issued again with room below it, or issue from the one above it"
            if "path length" in why
            else "give the workload a name that its authorities may sign for, or lift their constraint",
        ) from error

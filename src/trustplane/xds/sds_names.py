"""The names under which SDS serves identities and bundles to Envoys we do not manage, as SPIRE serves them.

So an Envoy configured for SPIRE works with another socket path. A request without names gets every identity and every
bundle once, under its SPIFFE name.
"""

from __future__ import annotations

from collections.abc import Sequence

from trustplane.fault import Refused
from trustplane.spiffe.ids import TrustDomain
from trustplane.spiffe.verify import BundleSet
from trustplane.spiffe.x509_svid import KeyedSvid
from trustplane.xds import secrets
from trustplane.xds.resources import Offer

DEFAULT = "default"
ROOTCA = "ROOTCA"
ALL = "ALL"


def secrets_offer(
    identities: Sequence[KeyedSvid], bundles: BundleSet, own: TrustDomain, crls: Sequence[bytes] = ()
) -> Offer:
    """`identities`: those one process is entitled to, the first being its default."""
    # A bundle without authorities revokes its whole domain. Envoy would read an empty context as "ask nobody", so the
    # domain is left out: to the SPIFFE verifier a domain it does not know is a refusal.
    trusted = BundleSet({domain: bundle for domain, bundle in bundles.items() if bundle.x509_authorities})
    if not identities or own not in trusted:
        raise Refused(
            code="no-identity",
            what="no identity is issued to this process",
            why="no registration entry matches what is attested of it",
            fix="compare trustplane explain with the selectors in its service.yaml",
        )
    named = [
        *(secrets.leaf(str(one.svid.spiffe_id), one) for one in identities),
        *(secrets.bundle(str(domain.id), trusted[domain], own, crls) for domain in sorted(trusted)),
    ]
    aliases = [
        secrets.leaf(DEFAULT, identities[0]),
        secrets.bundle(ROOTCA, bundles[own], own, crls),
        secrets.bundles(ALL, trusted.values()),
    ]
    return Offer((*named, *aliases), wildcard=frozenset(one.name for one in named))

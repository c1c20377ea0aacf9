"""Another trust domain's bundle: which fetched one takes the place of the one that is held, and when to ask again.

It promises: a sequence never goes back and never means two contents; a bundle is of the trust domain it is held for
and of no other; a domain that was known by its roots stays known by them until an operator forgets it; nothing that a
peer publishes makes us ask it more often than every few seconds or less often than every day.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from cryptography import x509

from trustplane.fault import Finding, Refused
from trustplane.spiffe.bundle import DEFAULT_REFRESH_HINT, Bundle
from trustplane.spiffe.certificates import extension
from trustplane.spiffe.ids import SCHEME, TrustDomain
from trustplane.spiffe.revoked import digest_of

SHORTEST_INTERVAL = timedelta(seconds=5)
LONGEST_INTERVAL = timedelta(days=1)
MAX_KNOWN_ROOTS = 1000
EARLIEST = 0.9  # of the interval: peers that began together are not asked together for ever
HINTS_BEFORE_USE = 5  # FE-1 asks for 3 to 5

Roots = frozenset[str]  # SHA-256 of certificates, hex


@dataclass(frozen=True, slots=True)
class Failure:
    """Why the last attempt brought no bundle, and since when no attempt has."""

    finding: Finding
    since: datetime


@dataclass(frozen=True, slots=True)
class Peer:
    """What is known of a trust domain that is, or was, federated with. `version` counts what was written of it."""

    trust_domain: TrustDomain
    version: int = 0
    bundle: Bundle | None = None  # the newest that was taken; none before the first, and after the end
    taken_at: datetime | None = None
    known_roots: Roots = frozenset()
    asked_at: datetime | None = None
    next_at: datetime | None = None
    failure: Failure | None = None
    ended_at: datetime | None = None

    def begun(self, first: Bundle | None, at: datetime) -> Peer:
        """With the bundle that the operator handed over, if there is one. It is asked for a newer one at once."""
        fresh = Peer(self.trust_domain, self.version, known_roots=self.known_roots, next_at=at)
        return fresh if first is None else _holding(fresh, first, at)

    def took(self, bundle: Bundle, at: datetime) -> Peer:
        due = next_poll(self.trust_domain, bundle.refresh_hint, at)
        return replace(_holding(self, bundle, at), asked_at=at, next_at=due, failure=None)

    def failed(self, finding: Finding, at: datetime) -> Peer:
        """FE-15: what is held stays, and the next attempt is an interval away, whatever the reason."""
        since = self.failure.since if self.failure else at
        due = next_poll(self.trust_domain, self.bundle.refresh_hint if self.bundle else None, at)
        return replace(self, asked_at=at, next_at=due, failure=Failure(finding, since))

    def ended(self, at: datetime) -> Peer:
        return Peer(self.trust_domain, self.version, known_roots=self.known_roots, ended_at=at)


def _holding(peer: Peer, bundle: Bundle, at: datetime) -> Peer:
    return replace(peer, bundle=bundle, taken_at=at, known_roots=_remembered(peer.known_roots, roots_of(bundle)))


def _remembered(known: Roots, new: Roots) -> Roots:
    """Bounded, so that a peer cannot make us remember without end; the newest are always kept."""
    older = sorted(known - new)[: MAX_KNOWN_ROOTS - len(new)]
    return new | frozenset(older)


def roots_of(bundle: Bundle) -> Roots:
    return frozenset(map(digest_of, bundle.x509_authorities))


def interval(hint: timedelta | None) -> timedelta:
    """FE-2, BU-9: the hint, or about five minutes; within our bounds."""
    return min(max(hint or DEFAULT_REFRESH_HINT, SHORTEST_INTERVAL), LONGEST_INTERVAL)


def next_poll(trust_domain: TrustDomain, hint: timedelta | None, at: datetime) -> datetime:
    """At most an interval away, spread by the name and the instant: the same however often it is asked."""
    drawn = hashlib.sha256(f"{trust_domain} {at.isoformat()}".encode()).digest()
    share = int.from_bytes(drawn[:4]) / 2**32
    return at + interval(hint) * (EARLIEST + (1 - EARLIEST) * share)


def published_before_use(hint: timedelta) -> timedelta:
    """FE-1: how long a new key is at the endpoint before anything is signed with it."""
    return hint * HINTS_BEFORE_USE


def check_successor(peer: Peer, fetched: Bundle, pinned: Roots, others: Mapping[TrustDomain, Roots]) -> None:
    """Refuse a bundle that must not take the place of the one held. `others`: the roots of everybody else."""
    name, roots = peer.trust_domain, roots_of(fetched)
    _check_sequence(peer, fetched)
    _check_names(fetched)
    holder = next((other for other, theirs in sorted(others.items()) if other != name and roots & theirs), None)
    if holder:
        raise Refused(
            code="bundle-of-another-domain",
            what=f"the bundle served for {name} holds a root of {holder}",
            why="whoever has its key could be a service of either",
            fix=f"ask the operators of {name} whose bundle their endpoint serves",
        )
    expected = pinned | peer.known_roots
    if peer.bundle is None and expected and not roots & expected:
        raise Refused(
            code="first-bundle-not-pinned",
            what=f"the first bundle served for {name} holds none of the roots pinned for it or known of it",
            why="it is of somebody else, or the roots were made anew meanwhile",
            fix=f"compare the fingerprints with the operators of {name} by another channel; "
            f"to let it begin anew: trustplane federation forget {name}",
        )


def _check_sequence(peer: Peer, fetched: Bundle) -> None:
    """FE-3, BU-2. Without numbers the newest fetch wins; a domain that has begun to number does not stop."""
    held, name = peer.bundle, peer.trust_domain
    if held is None or held.sequence is None:
        return
    if fetched.sequence is None or fetched.sequence < held.sequence:
        served = "no sequence" if fetched.sequence is None else f"sequence {fetched.sequence}"
        raise Refused(
            code="bundle-sequence-went-back",
            what=f"the bundle served for {name} has {served}, and the one held has {held.sequence}",
            why="an old bundle would bring back roots that were taken out (Trust Domain and Bundle §4.1.1)",
            fix=f"ask the operators of {name}; if they began anew, compare roots with them by another channel, "
            f"then trustplane federation forget {name}",
        )
    if fetched.sequence == held.sequence and fetched.digest != held.digest:
        raise Refused(
            code="bundle-sequence-reused",
            what=f"the bundle served for {name} changed and kept its sequence {held.sequence}",
            why="a sequence names one content (Trust Domain and Bundle §4.1.1); which is newer cannot be known",
            fix=f"ask the operators of {name} to publish it under a higher sequence",
        )


def _check_names(bundle: Bundle) -> None:
    """X509-SVID §3.2: an authority that has a SPIFFE ID has that of its trust domain."""
    name = bundle.trust_domain
    for authority in bundle.x509_authorities:
        for uri in _spiffe_names(authority):
            if uri != str(name.id):
                raise Refused(
                    code="bundle-of-another-domain",
                    what=f"the bundle served for {name} holds an authority that calls itself {uri!r:.200}",
                    why="it is another trust domain's bundle, or an issuing certificate is in it",
                    fix=f"ask the operators of {name} whose bundle their endpoint serves",
                )


def _spiffe_names(authority: x509.Certificate) -> list[str]:
    names = extension(authority, x509.SubjectAlternativeName)
    uris = names.value.get_values_for_type(x509.UniformResourceIdentifier) if names else []
    return [uri for uri in uris if uri.startswith(SCHEME)]

"""What the trust domain publishes about its authorities.

Roots and JWT keys are in the bundle from their preparation until they retire; issuing authorities never are, they come
with the leaf. The sequence number counts the steps authorities have taken, so replicas that read one table agree on it
without a counter, and it rises whenever the content changes. A root may sign, stop and sign again, so of roots only
entering and leaving the bundle count.
"""

from __future__ import annotations

from collections.abc import Iterable

from cryptography import x509

from trustplane.spiffe.bundle import DEFAULT_REFRESH_HINT, Bundle, JwtAuthority
from trustplane.spiffe.ids import TrustDomain
from trustplane.trust.authority import Authority, AuthorityKind, AuthorityState

# How many steps each state stands for; only its rising along every path matters.
_STEPS = {
    AuthorityState.STAGED: 0,
    AuthorityState.PREPARED: 1,
    AuthorityState.ACTIVE: 2,
    AuthorityState.DRAINING: 3,
    AuthorityState.TAINTED: 4,
    AuthorityState.RETIRED: 5,
}


def bundle_of(authorities: Iterable[Authority], trust_domain: TrustDomain, sequence: int) -> Bundle:
    """The bundle that these authorities make, in order of their beginning."""
    published = sorted(
        (each for each in authorities if each.trust_domain == trust_domain and _is_published(each)),
        key=lambda each: (each.not_before, each.id),
    )
    roots: list[x509.Certificate] = [each.certificate for each in published if each.certificate is not None]
    keys = [JwtAuthority(kid_of(each), each.public_key) for each in published if each.kind is AuthorityKind.JWT]
    return Bundle(trust_domain, tuple(roots), tuple(keys), sequence, DEFAULT_REFRESH_HINT)


def sequence_of(authorities: Iterable[Authority]) -> int:
    """Never falls, as long as retired authorities stay listed."""
    return sum(map(_steps, authorities))


def kid_of(authority: Authority) -> str:
    """The `kid` by which tokens name a JWT authority."""
    return authority.id.hex[:32]


def _steps(authority: Authority) -> int:
    match authority.kind:
        case AuthorityKind.ISSUING:
            return 0
        case AuthorityKind.ROOT if _is_published(authority):
            return _STEPS[AuthorityState.ACTIVE]
        case _:
            return _STEPS[authority.state]


def _is_published(authority: Authority) -> bool:
    hidden = {AuthorityState.STAGED, AuthorityState.RETIRED}
    return authority.kind is not AuthorityKind.ISSUING and authority.state not in hidden

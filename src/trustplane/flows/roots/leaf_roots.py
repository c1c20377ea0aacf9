"""Below which root each leaf is that somebody holds, out of the issued certificates.

Most hold the newest they were issued, and those are read anyway. Who holds an older one is looked up by its SPIFFE ID
and node, which the name of its secret says: a bounded number at a time, each once for as long as it is held. So a
server that has only begun to look, or an agent that was killed between two leaves, leaves nobody unknown for longer
than a look. What is not found is not known, and taken for the worst.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from trustplane.fault import Refused
from trustplane.issuance.record import IssuedCertificate
from trustplane.registry.records import Holding
from trustplane.spiffe.ids import SpiffeId, TrustDomain
from trustplane.spiffe.names import NodeName
from trustplane.trust.authority import Authority, AuthorityId
from trustplane.xds.cross_check import PROXY

KNOWN_FOR = timedelta(seconds=5)  # far below any leaf's life
LOOKED_UP_AT_ONCE = 1000
LOOKED_UP_OF_A_NODE = 50  # whatever one agent says, it cannot keep others from being looked up
_SECRET = "secret/"  # noqa: S105 - how an acknowledged secret is named

Whose = tuple[SpiffeId, NodeName]
Roots = Mapping[str, AuthorityId | None]  # by a leaf's digest


class Issued(Protocol):
    async def authorities(self) -> Sequence[Authority]: ...

    async def newest_certificates(self) -> Sequence[IssuedCertificate]: ...

    async def recent_certificates(self, whose: Sequence[Whose]) -> Sequence[IssuedCertificate]:
        """The newest few of each of those, among the ones that have not expired."""
        ...


class LeafRoots:
    def __init__(self, issued: Issued) -> None:
        self._issued = issued
        self._known: Roots = {}
        self._looked_at: datetime | None = None

    async def know(self, at: datetime) -> None:
        """A leaf that is replaced while this looks must be known from before, and who looks seldom knows too little."""
        if self._looked_at is None or not timedelta(0) <= at - self._looked_at <= KNOWN_FOR:
            newest, authorities = await self._issued.newest_certificates(), await self._issued.authorities()
            self._known = {**self._known, **roots_of_leaves(newest, authorities)}
        self._looked_at = at

    async def of(
        self,
        holdings: Iterable[Holding],
        newest: Iterable[IssuedCertificate],
        authorities: Sequence[Authority],
        own: TrustDomain,
    ) -> Roots:
        """Of each leaf that is the newest, or that somebody still holds."""
        told = list(holdings)
        held = {one.held for one in told}
        known = {digest: root for digest, root in self._known.items() if digest in held}
        known |= roots_of_leaves(newest, authorities)
        unknown = _unknown(told, known, own)
        if unknown:
            whose = sorted({each for _, each in unknown})
            found = roots_of_leaves(await self._issued.recent_certificates(whose), authorities)
            known |= {digest: found.get(digest) for digest, _ in unknown}
        self._known = known
        return known


def roots_of_leaves(
    issued: Iterable[IssuedCertificate], authorities: Iterable[Authority]
) -> dict[str, AuthorityId | None]:
    parents = {each.id: each.parent for each in authorities}
    return {hashlib.sha256(one.leaf).hexdigest(): parents.get(one.authority) for one in issued}


def _unknown(told: Iterable[Holding], known: Roots, own: TrustDomain) -> set[tuple[str, Whose]]:
    """Digests of leaves, and who is said to hold each."""
    found: set[tuple[str, Whose]] = set()
    of_node: Counter[NodeName] = Counter()
    for one in told:
        if not one.held or one.held in known:
            continue
        spiffe_id = _named(one.thing.removeprefix(PROXY), own)
        if spiffe_id is None or of_node[one.node] >= LOOKED_UP_OF_A_NODE:
            continue
        found.add((one.held, (spiffe_id, one.node)))
        of_node[one.node] += 1
        if len(found) >= LOOKED_UP_AT_ONCE:
            break
    return found


def _named(thing: str, own: TrustDomain) -> SpiffeId | None:
    """The workload of ours whose leaf it is."""
    name = thing.removeprefix(_SECRET)
    if name == thing:
        return None
    try:
        spiffe_id = SpiffeId.parse(name)
    except Refused:
        return None
    return spiffe_id if spiffe_id.path and spiffe_id.trust_domain == own else None

"""Below which root each link was seen: what agents tell of their sidecars' access logs, by the issuers we know."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet

from trustplane.fault import Refused
from trustplane.registry.links import links
from trustplane.registry.records import Holding
from trustplane.rotation.root_change import LinkBelow, Participant
from trustplane.spiffe.names import NodeName
from trustplane.trust.authority import Authority, AuthorityId


def links_below(
    holdings: Iterable[Holding], authorities: Iterable[Authority], nodes: AbstractSet[NodeName]
) -> tuple[LinkBelow, ...]:
    """Of issuers that are not ours, or forgotten, the root is not known: such a link proves nothing."""
    roots: dict[str, AuthorityId] = {}
    for one in authorities:
        if one.certificate is not None:
            roots[f"{one.certificate.serial_number:x}"] = one.parent or one.id
    return tuple(sorted(_known(holdings, roots, nodes), key=lambda one: (one.participant, one.side, one.issuer)))


def _known(
    holdings: Iterable[Holding], roots: dict[str, AuthorityId], nodes: AbstractSet[NodeName]
) -> Iterator[LinkBelow]:
    for one in links(holdings):
        try:
            participant = Participant(one.name)
        except Refused:
            continue  # whatever a node calls it
        if one.node in nodes:
            root = roots.get(one.issuer)
            yield LinkBelow(participant, one.side, one.issuer, root, one.node, one.since, is_seen=one.is_seen)

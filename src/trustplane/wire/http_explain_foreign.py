"""An identity of another trust domain, explained: what of its domain is trusted here, who lets it in, who calls it."""

from __future__ import annotations

from collections.abc import Iterator

from trustplane.registry.federation import Relation
from trustplane.registry.model import DesiredState, Service
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.names import ServiceName
from trustplane.spiffe.patterns import IdPattern
from trustplane.trust.federation import Peer


def of_another_domain(spiffe_id: SpiffeId, state: DesiredState | None, peer: Peer | None) -> tuple[str, ...]:
    """In sentences. `peer`: what is known of its trust domain, if anything."""
    services = state.services.values() if state else ()
    relation = state.federation.get(spiffe_id.trust_domain) if state else None
    if relation is None:
        return (*_strange(spiffe_id, peer),)
    ruled = frozenset(state.policies) if state else frozenset[ServiceName]()
    callers = [one for each in services for one in _lets_in(each, spiffe_id, decided=each.name in ruled)]
    calls = [one for each in services for one in _calls(each, spiffe_id)]
    return (
        f"it is of {spiffe_id.trust_domain}, another trust domain; nothing is issued to it here",
        *_accepted(spiffe_id, relation),
        *_held(relation, peer),
        *(callers or ["no service here lets it in"]),
        *(calls or ["no service here calls it"]),
    )


def _strange(spiffe_id: SpiffeId, peer: Peer | None) -> Iterator[str]:
    name = spiffe_id.trust_domain
    yield f"it is of {name}, another trust domain, and there is no relation with it: nobody of it is verified here"
    if peer is not None and peer.ended_at is not None:
        yield f"there was one, which ended {peer.ended_at:%Y-%m-%d %H:%M:%S} UTC"


def _accepted(spiffe_id: SpiffeId, relation: Relation) -> Iterator[str]:
    paths = ", ".join(one.path_text for one in relation.accepts)
    is_accepted = bool(spiffe_id.path) and relation.allows(
        IdPattern(spiffe_id.trust_domain, spiffe_id.path, below=False)
    )
    yield f"what of it may be named here is {paths}{'' if is_accepted else ': not this one'}"


def _held(relation: Relation, peer: Peer | None) -> Iterator[str]:
    name = relation.trust_domain
    bundle = peer.bundle if peer else None
    if bundle is None:
        yield f"no bundle of {name} is held yet, so its handshakes fail: trustplane federation status"
    elif not bundle.x509_authorities:
        yield f"{name} publishes no X.509 authority: its handshakes fail"
    else:
        numbered = f"sequence {bundle.sequence}" if bundle.sequence is not None else "no sequence"
        yield f"it is verified by the bundle of {name}, {numbered}, taken from {relation.endpoint.host}"
    if peer is not None and peer.failure is not None:
        yield f"no newer one was taken since {peer.failure.since:%Y-%m-%d %H:%M:%S} UTC: {peer.failure.finding.code}"


def _lets_in(service: Service, spiffe_id: SpiffeId, *, decided: bool) -> Iterator[str]:
    declared = [one for one in service.foreign_callers if one.pattern.matches(spiffe_id)]
    if decided and spiffe_id.trust_domain in service.foreign_domains():
        question = f'"{spiffe_id} METHOD /path {service.name}"'
        yield f"{service.name} has a policy, which decides: trustplane policy explain {question}"
        return
    for one in declared:
        what = ", ".join(one.operations) or "every operation"
        yield f"{service.name} lets it in by {one.pattern}, for {what}"


def _calls(service: Service, spiffe_id: SpiffeId) -> Iterator[str]:
    for one in service.foreign_calls:
        if one.spiffe_id == spiffe_id:
            where = ", ".join(f"{each.address}:{each.port}" for each in one.endpoints)
            yield f"{service.name} calls it at {where}, by its own port {one.listen}"

"""Whom a policy speaks of: services, namespaces, groups and other domains, by the names policies use."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from trustplane.fault import Place, Refused
from trustplane.policy.schema import DOMAIN, GROUP, NAMESPACE, PEER, SERVICE
from trustplane.policy.tree import Who
from trustplane.registry.fields import nearest
from trustplane.registry.findings import shown
from trustplane.registry.model import DesiredState, Service
from trustplane.spiffe.ids import SpiffeId, TrustDomain
from trustplane.spiffe.names import ServiceName


@dataclass(frozen=True, slots=True)
class Callers:
    """The names of one desired state. Membership is resolved now: a group's new member changes what is compiled."""

    state: DesiredState

    def named(self, kind: str, name: str, place: Place) -> Who:
        match kind:
            case "Service":
                return Who(ids=frozenset({self.service(name, place).spiffe_id}))
            case "Peer":
                return Who(ids=frozenset({self._peer(name, place)}))
            case "Namespace":
                if name not in self.state.namespaces:
                    raise _unknown(name, NAMESPACE, self.state.namespaces, place)
                members = [one for one in self.state.services.values() if one.name.namespace == name]
            case "Group":
                members = [one for one in self.state.services.values() if name in one.owners]
                owners = {owner for one in self.state.services.values() for owner in one.owners}
                if name not in owners:
                    raise _unknown(name, GROUP, owners, place)
            case "TrustDomain":
                return Who(domains=frozenset({_domain(name, place)}))
            case _:
                raise unknown_kind(kind, place)
        return Who(ids=frozenset(one.spiffe_id for one in members))

    def own(self) -> Who:
        return Who(domains=frozenset({self.state.trust_domain}))

    def service(self, name: str, place: Place) -> Service:
        found = self._service(name)
        if found is None:
            raise _unknown(name, SERVICE, [str(one) for one in self.state.services], place)
        return found

    def holding(self, data: str) -> Who:
        """The services that declare this data class."""
        return Who(ids=frozenset(one.spiffe_id for one in self.state.services.values() if data in one.data))

    def _service(self, name: str) -> Service | None:
        parsed = _service_name(name)
        return self.state.services.get(parsed) if parsed else None

    def _peer(self, name: str, place: Place) -> SpiffeId:
        try:
            found = SpiffeId.parse(name)
        except Refused as refusal:
            raise _bad_peer(name, refusal.finding.why, place) from refusal
        if found.trust_domain == self.state.trust_domain:
            raise _bad_peer(name, "it is of this trust domain, whose members are services", place)
        return found


def _service_name(name: str) -> ServiceName | None:
    try:
        return ServiceName.parse(name)
    except Refused:
        return None  # and so nobody's


def _unknown(name: str, kind: str, known: Collection[str], place: Place) -> Refused:
    return Refused(
        code="policy-unknown-name",
        what=f'{kind}::"{shown(name)}" is not in this trust repository{nearest(name, known)}',
        why="a rule about a name that nobody has would look as if it had an effect",
        fix=f"use one of {', '.join(sorted(known)[:10]) or 'none: nothing of this kind is declared'}",
        place=place,
    )


def unknown_kind(kind: str, place: Place) -> Refused:
    known = (SERVICE, PEER, NAMESPACE, GROUP, DOMAIN)
    return Refused(
        code="policy-unknown-name",
        what=f"{shown(kind)} is no kind of caller{nearest(kind, known)}",
        why=f"callers are named as {', '.join(known)}",
        fix='write for example principal == Service::"shop/checkout" or principal in Namespace::"shop"',
        place=place,
    )


def _domain(name: str, place: Place) -> TrustDomain:
    try:
        return TrustDomain(name)
    except Refused as refusal:
        raise Refused(
            code="policy-unknown-name",
            what=f'TrustDomain::"{shown(name)}" is not the name of a trust domain',
            why=refusal.finding.why,
            fix='write for example TrustDomain::"partner.example"',
            place=place,
        ) from refusal


def _bad_peer(name: str, why: str, place: Place) -> Refused:
    return Refused(
        code="policy-bad-peer",
        what=f'Peer::"{shown(name)}" is not an identity of another trust domain',
        why=why,
        fix='write for example Peer::"spiffe://partner.example/ns/shop/sa/web", or Service::"shop/web" for one of ours',
        place=place,
    )

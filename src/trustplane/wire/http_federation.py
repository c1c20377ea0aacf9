"""The bundle endpoint (SPIFFE Federation §5), and what is known of other trust domains.

The endpoint has an application of its own: the bundle, for anyone, by GET, beside it what is stated of the uptake of
another's bundle, and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from starlette.types import ASGIApp

from trustplane.clock import Clock
from trustplane.flows.federation.partner_trust import told
from trustplane.flows.roots.federation_uptake import Reach
from trustplane.registry.federation import Relation
from trustplane.spiffe import bundle_document
from trustplane.spiffe.bundle import Bundle
from trustplane.spiffe.ids import TrustDomain
from trustplane.trust.federation import Peer
from trustplane.trust.partner import Shown
from trustplane.trust.statement import PATH as STATEMENT_PATH
from trustplane.wire import http_federation_shapes as shapes
from trustplane.wire.http_door import FederationPort
from trustplane.wire.http_findings import finding_shape
from trustplane.wire.http_routes import Access, Call, Operation, Raw, application

BUNDLE_PATH = "/bundle"
_SIGNED = "application/jose"
_STATED = "a signed statement of who here holds that trust domain's bundle, for itself"
_WHAT = "the trust domain's SPIFFE bundle document, for federation"


def endpoint_application(door: FederationPort) -> ASGIApp:
    return application([bundle_operation(door), statement_operation(door)])


def bundle_operation(door: FederationPort) -> Operation:
    async def bundle(_: Call) -> Raw:
        return Raw(bundle_document.encode(await door.published_bundle()), "application/json")

    return Operation("GET", BUNDLE_PATH, "bundle", _WHAT, Access.OPEN, "application/json", bundle)


def statement_operation(door: FederationPort) -> Operation:
    async def statement(call: Call) -> Raw:
        return Raw(await door.statement(TrustDomain(call.path("trust_domain"))), _SIGNED)

    path = f"/{STATEMENT_PATH}/{{trust_domain}}"
    return Operation("GET", path, "uptake", _STATED, Access.OPEN, _SIGNED, statement)


class FederationAnswers:
    def __init__(self, door: FederationPort, clock: Clock) -> None:
        self._door = door
        self._clock = clock

    async def status(self, _: Call) -> shapes.FederationShape:
        own = await self._door.published_bundle()
        shown = {one.trust_domain: one for one in await self._door.shown()}
        given = await self._door.published_before_use()
        return shapes.FederationShape(
            trust_domain=own.trust_domain.name,
            now=self._clock.now(),
            digest=own.digest,
            sequence=own.sequence or 0,
            refresh_hint_seconds=own.refresh_hint.total_seconds() if own.refresh_hint else 0.0,
            publish_before_use_seconds=given.total_seconds(),
            peers=tuple(
                _peer(
                    peer,
                    relation,
                    reach,
                    _Believed.of(shown.get(peer.trust_domain, Shown(peer.trust_domain)), own, given),
                )
                for peer, relation, reach in await self._door.federation()
            ),
        )

    async def refresh(self, call: Call) -> shapes.FederationShape:
        await self._door.refresh_peer(TrustDomain(call.path("trust_domain")))
        return await self.status(call)

    async def forget(self, call: Call) -> shapes.FederationShape:
        await self._door.forget_peer(TrustDomain(call.path("trust_domain")), call.operator())
        return await self.status(call)


@dataclass(frozen=True, slots=True)
class _Believed:
    """What a trust domain shows of our bundle, and by which rule that counts."""

    rule: str
    shows: str

    @classmethod
    def of(cls, shown: Shown, own: Bundle, given: timedelta) -> _Believed:
        return cls(shown.rule.value, told(shown, own, given))


def _peer(peer: Peer, relation: Relation | None, reach: Sequence[Reach], believed: _Believed) -> shapes.PeerShape:
    bundle, failure = peer.bundle, peer.failure
    return shapes.PeerShape(
        trust_domain=peer.trust_domain.name,
        endpoint=str(relation.endpoint) if relation else None,
        profile=relation.profile.value if relation else None,
        endpoint_id=str(relation.endpoint_id) if relation and relation.endpoint_id else None,
        accepts=tuple(str(one) for one in relation.accepts) if relation else (),
        # A number of 64 bits is not the same number to every reader of JSON.
        sequence=str(bundle.sequence) if bundle and bundle.sequence is not None else None,
        digest=bundle.digest if bundle else None,
        x509_authorities=len(bundle.x509_authorities) if bundle else 0,
        jwt_authorities=len(bundle.jwt_authorities) if bundle else 0,
        taken_at=peer.taken_at,
        asked_at=peer.asked_at,
        next_at=peer.next_at,
        ended_at=peer.ended_at,
        failure=finding_shape(failure.finding) if failure else None,
        failing_since=failure.since if failure else None,
        holders=tuple(
            shapes.HolderShape(node=one.node.name, participant=one.participant, state=one.state.value) for one in reach
        ),
        believed_by=believed.rule if relation else None,
        shows=believed.shows if relation else None,
    )

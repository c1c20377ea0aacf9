"""Changes of root over HTTP, and the table of who holds which bundle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import repeat

import msgspec

from trustplane.clock import Clock
from trustplane.fault import Refused
from trustplane.flows.approvals.root_changes import root_change, waiver
from trustplane.flows.roots.change_root import Progress
from trustplane.registry.partner_probes import ShownProbe
from trustplane.registry.records import Holding
from trustplane.rotation.root_change import LinkBelow, Order, Participant, RootChange, Seen, Waiver
from trustplane.rotation.root_clusters import ClusterProgress, by_cluster
from trustplane.rotation.root_gates import EMERGENCY_GIVES_UP, Lack, Waiting
from trustplane.rotation.root_story_text import markdown, picture
from trustplane.spiffe.bundle import Bundle
from trustplane.trust.authority import Authority, AuthorityId, AuthorityKind, AuthorityState
from trustplane.wire import http_rotation_shapes as shapes
from trustplane.wire.http_door import RotationPort
from trustplane.wire.http_proposals import Approvals
from trustplane.wire.http_routes import Call, Raw
from trustplane.xds.cross_check import PROXY

MAX_HOLDERS = 10_000


class RotationAnswers:
    def __init__(self, door: RotationPort, clock: Clock) -> None:
        self._door = door
        self._clock = clock
        self._approvals = Approvals(door.proposals())

    async def status(self, _: Call) -> shapes.RotationStatusShape:
        progress = await self._door.rotation()
        change = progress.change
        seen = progress.surveyed.survey.seen
        late = {one.participant for one in progress.waits} & {one.participant for one in seen}
        return shapes.RotationStatusShape(
            now=self._clock.now(),
            rotation=_rotation(change) if change else None,
            participants=len(seen),
            ready=len(seen) - len(late),
            clusters=_clusters(by_cluster(seen, progress.waits)),
            waiting=tuple(map(_waiting, progress.waits)),
            partners=tuple(_partner(one) for one in seen if one.rule is not None),
            gives_up=EMERGENCY_GIVES_UP if change and change.is_emergency else (),
        )

    async def plan(self, call: Call) -> shapes.RotationPlanShape:
        order = Order(call.operator(), "a plan", is_emergency=bool(call.number("emergency")))
        told = await self._door.rotation_plan(order)
        return shapes.RotationPlanShape(
            phases=tuple(one.phase.value for one in told.chapters),
            markdown=markdown(told.change, told.chapters, told.seen),
            svg=picture(told.chapters),
        )

    async def readiness(self, _: Call) -> shapes.ReadinessShape:
        found = await self._door.rotation_readiness()
        return shapes.ReadinessShape(
            now=self._clock.now(),
            root=found.root.hex,
            participants=found.participants,
            let_in=found.let_in,
            blocking=tuple(map(_waiting, found.blocking)),
            unreached=tuple(
                shapes.UnreachedShape(participant=one.participant.name, why=one.why) for one in found.unreached
            ),
        )

    async def history(self, call: Call) -> shapes.RotationsShape:
        found = await self._door.rotations(call.number("limit") + 1)
        shown = tuple(map(_rotation, found[: call.number("limit")]))
        return shapes.RotationsShape(rotations=shown, more=len(found) > len(shown))

    async def start(self, call: Call) -> msgspec.Struct | Raw:
        request = await call.body(shapes.RotationRequest)
        order = Order(call.operator(), request.reason, is_emergency=request.emergency)

        async def do() -> shapes.RotationShape:
            return _rotation(await self._door.start_rotation(order))

        act = root_change(request.reason, is_emergency=request.emergency)
        return await self._approvals.instead(call, act, request.reason, do)

    async def pause(self, call: Call) -> shapes.RotationShape:
        return _rotation(await self._door.pause_rotation(call.operator()))

    async def resume(self, call: Call) -> shapes.RotationShape:
        return _rotation(await self._door.resume_rotation(call.operator()))

    async def abort(self, call: Call) -> shapes.RotationShape:
        return _rotation(await self._door.abort_rotation(call.operator()))

    async def waive(self, call: Call) -> msgspec.Struct | Raw:
        asked = await call.body(shapes.WaiverRequest)
        until = _zoned(asked.until)
        participant = Participant(asked.participant)
        one = Waiver(participant, asked.reason, asked.owner, call.operator(), self._clock.now(), until)

        async def do() -> shapes.RotationShape:
            return _rotation(await self._door.waive_participant(one))

        return await self._approvals.instead(call, waiver(one), asked.reason, do)

    async def bundle_status(self, _: Call) -> shapes.BundleStatusShape:
        progress = await self._door.rotation()
        authorities, bundle = await self._door.authorities(), await self._door.published_bundle()
        return bundle_status(progress, authorities, bundle, self._clock.now())


def bundle_status(
    progress: Progress, authorities: Sequence[Authority], bundle: Bundle, now: datetime
) -> shapes.BundleStatusShape:
    survey = progress.surveyed.survey
    seen = {one.participant.name: one for one in survey.seen}
    # Who differs is told of, whoever else is left off.
    holdings = sorted(progress.surveyed.holdings, key=lambda one: one.held == one.desired)
    holders = tuple(_holder(one, seen.get(_name(one))) for one in holdings[:MAX_HOLDERS])
    links = tuple(map(_link, survey.links[:MAX_HOLDERS], repeat(survey.roots)))
    # Other trust domains hold nothing that is told of here one by one: rotate status says what they show.
    ours = {name: one for name, one in seen.items() if one.rule is None}
    silent = tuple(sorted(ours.keys() - {_name(one) for one in holdings}))
    hidden = {AuthorityState.STAGED, AuthorityState.RETIRED}
    return shapes.BundleStatusShape(
        now=now,
        digest=bundle.digest,
        x509_digest=bundle.x509_digest,
        sequence=bundle.sequence,
        roots=tuple(
            shapes.RootShape(id=each.id.hex, state=each.state.value, not_after=each.not_after)
            for each in authorities
            if each.kind is AuthorityKind.ROOT and each.state not in hidden
        ),
        clusters=_clusters(by_cluster(ours.values(), _not_holding(holdings, ours))),
        holders=holders,
        holders_left_off=len(holdings) - len(holders),
        links=links,
        links_left_off=len(survey.links) - len(links),
        partner_probes=tuple(map(_partner_probe, progress.surveyed.probes[:MAX_HOLDERS])),
        silent=silent,
        agree=not silent and all(one.held == one.desired for one in holdings),
    )


def _not_holding(holdings: Sequence[Holding], seen: Mapping[str, Seen]) -> tuple[Waiting, ...]:
    """Who holds another bundle, or of whom nothing is known."""
    agreeing = {_name(one) for one in holdings} - {_name(one) for one in holdings if one.held != one.desired}
    late = (one for name, one in seen.items() if name not in agreeing)
    return tuple(
        Waiting(Lack.ROOT, one.participant, one.since, is_away=one.is_away, cluster=one.cluster) for one in late
    )


def _clusters(found: Sequence[ClusterProgress]) -> tuple[shapes.ClusterProgressShape, ...]:
    """Where none is declared there is nothing to tell apart."""
    if all(one.name is None for one in found):
        return ()
    return tuple(
        shapes.ClusterProgressShape(
            name=one.name.name if one.name else None,
            participants=one.participants,
            ready=one.ready,
            agents=one.agents,
            agents_away=one.agents_away,
            cut_off=one.is_cut_off,
            since=one.since,
            unblock=one.unblock or None,
        )
        for one in found
    )


def _cluster(one: Seen | Waiting) -> str | None:
    return one.cluster.name if one.cluster else None


def _name(one: Holding) -> str:
    kind = one.participant.partition(" ")[0]
    return one.participant if kind in {"server", "agent"} else f"{one.participant} on {one.node}"


def _holder(one: Holding, seen: Seen | None) -> shapes.BundleHolderShape:
    proven = sorted(seen.accepts) if seen and seen.accepts else []
    return shapes.BundleHolderShape(
        participant=one.participant,
        node=one.node.name,
        cluster=_cluster(seen) if seen else None,
        thing=one.thing,
        desired=one.desired,
        held=one.held,
        agrees=one.held == one.desired,
        since=one.since,
        refusal=one.refusal or None,
        in_doubt=bool(one.refusal) and one.thing.startswith(PROXY),
        proven_by_probe=tuple(str(root) for root in proven),
    )


def _link(one: LinkBelow, roots: Mapping[AuthorityId, AuthorityState]) -> shapes.LinkShape:
    state = roots.get(one.root) if one.root else None
    return shapes.LinkShape(
        link=one.participant.name.partition(" ")[2],
        shown_by=one.side,
        issuer=one.issuer,
        root=one.root.hex if one.root else None,
        root_state=state.value if state else None,
        node=one.node.name,
        seen=one.is_seen,
        since=one.since,
    )


def _partner_probe(one: ShownProbe) -> shapes.PartnerProbeShape:
    return shapes.PartnerProbeShape(
        service=str(one.callee),
        node=one.node.name,
        root=one.root,
        outcome=one.outcome.value,
        refusal=one.refusal or None,
        since=one.since,
    )


def _rotation(change: RootChange) -> shapes.RotationShape:
    return shapes.RotationShape(
        number=change.number,
        phase=change.phase.value,
        since=change.since,
        started_at=change.started_at,
        by=change.by,
        reason=change.reason,
        emergency=change.is_emergency,
        paused=change.is_paused,
        going_back=change.is_going_back,
        leaving=change.leaving.hex,
        coming=change.coming.hex if change.coming else None,
        leaves_replaced_at=change.replaced_at,
        last_leaf_ends_at=change.last_leaf,
        waivers=tuple(map(_waiver, change.waivers)),
    )


def _waiver(one: Waiver) -> shapes.RotationWaiverShape:
    return shapes.RotationWaiverShape(
        participant=one.participant.name, reason=one.reason, owner=one.owner, by=one.by, at=one.at, until=one.until
    )


def _waiting(one: Waiting) -> shapes.WaitingShape:
    return shapes.WaitingShape(
        code=one.lack.name.lower().replace("_", "-"),
        what=one.because,
        participant=one.participant.name if one.participant else None,
        cluster=_cluster(one),
        since=one.since,
        until=one.until,
        refusal=one.refusal or None,
        away=one.is_away,
        unblock=one.unblock,
    )


def _partner(one: Seen) -> shapes.PartnerRuleShape:
    name = one.participant.name.partition(" ")[2]
    return shapes.PartnerRuleShape(
        trust_domain=name, rule=one.rule.value if one.rule else "", shows=one.told, since=one.since
    )


def _zoned(until: datetime) -> datetime:
    if until.tzinfo is None:
        raise Refused(
            code="bad-instant",
            what=f"{until.isoformat()} has no zone",
            why="without one it names another moment on every machine",
            fix="write it as 2030-01-31T12:00:00Z",
        )
    return until.astimezone(UTC)

"""What the server answers to each operation: ask the door, write its values as a body."""

from __future__ import annotations

from datetime import datetime, timedelta

from prometheus_client import CollectorRegistry, generate_latest

from trustplane.clock import Clock
from trustplane.fault import Refused
from trustplane.registry.budgets import Budgets
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.names import NodeName
from trustplane.trust.authority import Authority, AuthorityKind
from trustplane.wire import http_shapes as shapes
from trustplane.wire.http_answers import (
    agent_shape,
    audit_entry_shape,
    authority_shape,
    certificate_shape,
    hosting_shape,
    outage_budget_shape,
    revision_files_shape,
    revision_shape,
)
from trustplane.wire.http_door import ServerDoor
from trustplane.wire.http_explain import certificate_asked_for, explain
from trustplane.wire.http_faults import encode
from trustplane.wire.http_findings import finding_shape
from trustplane.wire.http_holdings import page
from trustplane.wire.http_plan import plan_shape
from trustplane.wire.http_routes import Call, Raw

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MAX_NOT_HELD = 200


class ServerAnswers:
    def __init__(self, door: ServerDoor, metrics: CollectorRegistry, clock: Clock) -> None:
        self._door = door
        self._metrics = metrics
        self._clock = clock

    async def health(self, _: Call) -> Raw:
        reasons = tuple(finding_shape(one) for one in await self._door.cannot_issue())
        body = shapes.HealthShape(ok=not reasons, reasons=reasons)
        return Raw(encode(body), "application/json", 503 if reasons else 200)

    async def metrics(self, _: Call) -> Raw:
        return Raw(generate_latest(self._metrics), METRICS_TYPE)

    async def status(self, _: Call) -> shapes.ServerStatusShape:
        facts, current = await self._door.facts(), await self._door.current()
        bundle, connected = await self._door.published_bundle(), await self._door.connected()
        reasons = await self._door.cannot_issue()
        holdings = page(await self._door.holdings(), "", MAX_NOT_HELD, differing=True)
        now = self._clock.now()
        return shapes.ServerStatusShape(
            trust_domain=facts.trust_domain.name,
            instance=facts.instance.name,
            version=facts.version,
            database=facts.database,
            started_at=facts.started_at,
            now=now,
            can_issue=not reasons,
            reasons=tuple(finding_shape(one) for one in reasons),
            revision=revision_shape(current[0]) if current else None,
            services=len(current[1].services) if current else 0,
            bundle_digest=bundle.digest,
            bundle_sequence=bundle.sequence,
            authorities=tuple(map(authority_shape, sorted(await self._door.authorities(), key=_rank))),
            agents=tuple(agent_shape(one, connected) for one in await self._door.agents()),
            sidecars=tuple(hosting_shape(one) for one in await self._door.hostings()),
            not_held=holdings.holdings,
            not_held_left_off=holdings.left_off,
            outage_budget=outage_budget_shape(
                await self._door.outage_budget(), current[1].budgets if current else Budgets(), now
            ),
            findings=tuple(finding_shape(one) for one in await self._door.to_be_mended()),
        )

    async def explain(self, call: Call) -> shapes.ExplanationShape:
        return await explain(self._door, call.text("query"))

    async def certificates(self, call: Call) -> shapes.CertificatesShape:
        spiffe_id, serial = call.text("id"), call.text("serial")
        if bool(spiffe_id) == bool(serial):
            raise Refused(
                code="bad-query",
                what="ask for certificates by id or by serial",
                why="every certificate at once is more than one answer may carry",
                fix="add ?id=spiffe://... or ?serial=...",
            )
        if serial:
            found = [await certificate_asked_for(self._door, serial)]
        else:
            found = list(await self._door.certificates_of(SpiffeId.parse(spiffe_id), call.number("limit") + 1))
        shown = tuple(map(certificate_shape, found[: call.number("limit")]))
        return shapes.CertificatesShape(certificates=shown, more=len(found) > len(shown))

    async def holdings(self, call: Call) -> shapes.HoldingsShape:
        found, differing = await self._door.holdings(), bool(call.number("differing"))
        return page(found, call.text("after"), call.number("limit"), differing=differing)

    async def plan(self, call: Call) -> shapes.PlanShape:
        request = await call.body(shapes.RepositoryRequest)
        return plan_shape(await self._door.plan(_files(request)), await self._current_number())

    async def apply(self, call: Call) -> shapes.AppliedShape:
        request = await call.body(shapes.RepositoryRequest)
        before = await self._current_number()
        revision, plan = await self._door.apply(_files(request), call.operator())
        return shapes.AppliedShape(revision=revision_shape(revision), plan=plan_shape(plan, before))

    async def revisions(self, call: Call) -> shapes.RevisionsShape:
        found = await self._door.revisions(call.number("limit") + 1, call.number("before") or None)
        shown = tuple(map(revision_shape, found[: call.number("limit")]))
        return shapes.RevisionsShape(revisions=shown, more=len(found) > len(shown))

    async def revision(self, call: Call) -> shapes.RevisionFilesShape:
        if call.path("number") == "current":
            current = await self._door.current()
            if current is None:
                raise _no_revision("nothing is applied yet", "a new server starts with no revision")
            return revision_files_shape(current[0])
        return revision_files_shape(await self._door.revision(_revision_number(call)))

    async def restore(self, call: Call) -> shapes.AppliedShape:
        before = await self._current_number()
        revision, plan = await self._door.restore(_revision_number(call), call.operator())
        return shapes.AppliedShape(revision=revision_shape(revision), plan=plan_shape(plan, before))

    async def _current_number(self) -> int | None:
        current = await self._door.current()
        return current[0].number if current else None

    async def create_token(self, call: Call) -> shapes.TokenShape:
        request = await call.body(shapes.TokenRequest)
        node = NodeName(request.node)
        # NaN, infinity and absurd lengths end here; which lengths are sensible the flow decides.
        life = timedelta(seconds=request.ttl_seconds) if 0 <= request.ttl_seconds <= 1e9 else timedelta(0)
        token = await self._door.create_token(node, life, call.operator())
        return shapes.TokenShape(node=node.name, token=token.text, expires_at=token.expires_at)

    async def agents(self, _: Call) -> shapes.AgentsShape:
        connected = await self._door.connected()
        return shapes.AgentsShape(agents=tuple(agent_shape(one, connected) for one in await self._door.agents()))

    async def ban_agent(self, call: Call) -> shapes.AgentShape:
        return agent_shape(await self._door.ban_agent(NodeName(call.path("node")), call.operator()), {})

    async def audit_entries(self, call: Call) -> shapes.AuditEntriesShape:
        found = await self._door.audit_entries(call.number("start"), call.number("limit"))
        return shapes.AuditEntriesShape(entries=tuple(audit_entry_shape(one) for one in found))

    async def audit_head(self, _: Call) -> shapes.AuditHeadShape:
        size, hashes = await self._door.audit_head()
        return shapes.AuditHeadShape(size=size, frontier=tuple(one.hex() for one in hashes), key=self._door.audit_key())

    async def audit_checkpoint(self, _: Call) -> shapes.CheckpointShape:
        return shapes.CheckpointShape(note=await self._door.audit_checkpoint(), key=self._door.audit_key())

    async def audit_checkpoints(self, call: Call) -> shapes.CheckpointsShape:
        found = await self._door.audit_checkpoints(call.number("limit") + 1)
        shown = tuple(found[: call.number("limit")])
        return shapes.CheckpointsShape(notes=shown, more=len(found) > len(shown))


def _rank(authority: Authority) -> tuple[int, datetime]:
    """Roots first, then who they signed; of one kind the oldest first."""
    return list(AuthorityKind).index(authority.kind), authority.not_before


def _files(request: shapes.RepositoryRequest) -> dict[str, bytes]:
    return {path: text.encode() for path, text in request.files.items()}


def _revision_number(call: Call) -> int:
    text = call.path("number")
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise _no_revision(f"{text!r:.60} is not the number of a revision", "revisions are numbered from 1")
    return int(text)


def _no_revision(what: str, why: str) -> Refused:
    return Refused(code="unknown-revision", what=what, why=why, fix="GET /v1/revisions lists them")

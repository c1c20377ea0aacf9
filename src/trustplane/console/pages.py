"""What is on each page: ask the server, make the read model, name the template. Writing it is the template's."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from markupsafe import Markup
from starlette.requests import Request

from trustplane.clock import Clock
from trustplane.console import pictures, spreadsheet
from trustplane.console.acts import MAX_TARGET, Acts, by
from trustplane.console.audit import LOOKED_THROUGH, Filter, audit_page
from trustplane.console.failure_trend import failure_trend
from trustplane.console.failures import failures
from trustplane.console.handshakes import LATELY, failed_handshakes
from trustplane.console.looking import Looking
from trustplane.console.markdown import blocks
from trustplane.console.nodes import node_list
from trustplane.console.port import Server
from trustplane.console.proof import Prove
from trustplane.console.search import MAX_QUERY, found, serial_of
from trustplane.console.services import (
    MOST_CERTIFICATES,
    MOST_HELD,
    ServicePage,
    known_by,
    service_list,
    service_page,
)
from trustplane.fault import Refused
from trustplane.knowledge.library import Library
from trustplane.people.account import Role, how_to_become
from trustplane.people.session import SignedIn
from trustplane.spiffe.names import ServiceName
from trustplane.verdict.coverage import Cover

MOST_DIFFERENCES = 100


@dataclass(frozen=True, slots=True)
class Asked:
    """One request of someone who is signed in."""

    request: Request
    who: SignedIn
    at: datetime

    def text(self, name: str, most: int = MAX_QUERY) -> str:
        return self.request.query_params.get(name, "")[:most]

    def number(self, name: str) -> int:
        text = self.request.query_params.get(name, "")
        return int(text) if text.isascii() and text.isdigit() and len(text) <= 15 else 0

    def path(self, name: str) -> str:
        return str(self.request.path_params[name])


@dataclass(frozen=True, slots=True)
class Page:
    """A template with what it prints."""

    template: str
    title: str
    values: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Saved:
    """A file to be kept: a picture (`svg`), the figures behind one (`csv`), or a note (`txt`)."""

    content: str
    name: str
    kind: str


class Pages:
    def __init__(self, server: Server, library: Library, clock: Clock) -> None:
        self._server = server
        self._library = library
        self._index = library.index()
        self._looking = Looking(server, clock)
        self._prove = Prove(server)
        self.acts = Acts(server)

    async def overview(self, _: Asked) -> Page:
        of = await self._looking.overview.now()
        picture = Markup(pictures.expiry_timeline(of.timeline))  # noqa: S704 - drawn by us, its words escaped
        trend = Markup(failure_trend(of.failures))  # noqa: S704 - likewise
        return Page("overview.html", "Overview", {"of": of, "picture": picture, "trend": trend, "now": of.at})

    async def trend(self, _: Asked) -> Saved:
        return Saved(failure_trend((await self._looking.overview.now()).failures), "failures", "svg")

    async def trend_figures(self, _: Asked) -> Saved:
        return Saved(spreadsheet.failures((await self._looking.overview.now()).failures), "failures", "csv")

    async def expiry(self, _: Asked) -> Saved:
        of = await self._looking.overview.now()
        return Saved(pictures.expiry_timeline(of.timeline), "expiry", "svg")

    async def expiry_figures(self, _: Asked) -> Saved:
        """Of every service: the picture has room for the first to end."""
        of = await self._looking.expiries.now()
        return Saved(await asyncio.to_thread(spreadsheet.expiries, of), "expiry", "csv")

    async def trust(self, _: Asked) -> Page:
        of = await self._looking.trust.now()
        return Page("trust.html", "Trust", {"of": of, "now": of.at})

    async def services(self, asked: Asked) -> Page:
        current = await self._server.current()
        of = service_list(
            current[1] if current else None,
            await self._looking.hostings.now(),
            await self._looking.budget.now(),
            (await self._looking.uptake.now()).otherwise,
            (asked.text("words"), asked.number("page") or 1),
        )
        return Page("services.html", "Services", {"of": of})

    async def service(self, asked: Asked) -> Page:
        of = await self._service(asked)
        picture = Markup(pictures.neighbours(of))  # noqa: S704 - drawn by us, its words escaped
        return Page("service.html", str(of.service.name), {"of": of, "picture": picture})

    async def calls(self, asked: Asked) -> Saved:
        of = await self._service(asked)
        return Saved(pictures.neighbours(of), f"calls-{of.service.name.namespace}-{of.service.name.name}", "svg")

    async def calls_figures(self, asked: Asked) -> Saved:
        of = await self._service(asked)
        return Saved(spreadsheet.calls(of), f"calls-{of.service.name.namespace}-{of.service.name.name}", "csv")

    async def _service(self, asked: Asked) -> ServicePage:
        name = ServiceName(asked.path("namespace"), asked.path("name"))
        current, server = await self._server.current(), self._server
        service = current[1].services.get(name) if current else None
        if current is None or service is None:
            raise _unknown(f"there is no service {name}", "/services lists those of the applied trust repository")
        certificates = await server.certificates_of(service.spiffe_id, MOST_CERTIFICATES)
        issued = (certificates, (await server.revocations())[0])
        things = await server.holdings_about(*known_by(service), MOST_HELD + 1)
        return service_page(current[1], service, await self._looking.hostings.now(), things, issued)

    async def certificate(self, asked: Asked) -> Page:
        serial = serial_of(asked.path("serial"))
        of = await self._server.certificate(serial) if serial is not None else None
        if of is None:
            raise _unknown("no certificate with this serial number is on record", "compare it digit by digit")
        current = await self._server.current()
        services = current[1].services.values() if current else ()
        service = next((one.name for one in services if one.spiffe_id == of.spiffe_id), None)
        revoked = any(one.serial == of.serial for one in (await self._server.revocations())[0].certificates)
        values = {"of": of, "service": service, "revoked": revoked}
        return Page("certificate.html", "Certificate", values)

    async def nodes(self, asked: Asked) -> Page:
        agents, connected = await self._server.agents(), await self._server.connected()
        wanted = (asked.text("words"), asked.number("page") or 1)
        of = node_list(agents, connected, await self._looking.hostings.now(), wanted)
        return Page("nodes.html", "Nodes", {"of": of})

    async def failures(self, asked: Asked) -> Page:
        failed, groups = await self._server.handshakes().explained(asked.at - LATELY)
        shown = failed_handshakes(failed, groups)
        of = failures(await self._looking.uptake.now())
        common = await self._looking.in_common.now()
        return Page("failures.html", "Failures", {"of": of, "handshakes": shown, "common": common})

    async def runbooks(self, asked: Asked) -> Page:
        query = asked.text("q")
        named = {one.slug: one for one in self._library.runbooks}
        hits = [(named[one.entry.name], one.line) for one in self._index.search(query, ("runbook",))]
        every = [(one, "") for one in sorted(named.values(), key=lambda one: one.title)]
        return Page("runbooks.html", "Runbooks", {"hits": hits if query else every, "query": query})

    async def runbook(self, asked: Asked) -> Page:
        of = next((one for one in self._library.runbooks if one.slug == asked.path("slug")), None)
        if of is None:
            raise _unknown("there is no such runbook", "/runbooks lists them")
        happened = [one for one in self._library.postmortems if of.slug in one.runbooks]
        return Page("runbook.html", of.title, {"of": of, "blocks": blocks(of.body), "happened": happened})

    async def postmortems(self, _: Asked) -> Page:
        every = sorted(self._library.postmortems, key=lambda one: one.began.at(), reverse=True)
        return Page("postmortems.html", "Postmortems", {"every": every})

    async def postmortem(self, asked: Asked) -> Page:
        of = next((one for one in self._library.postmortems if one.slug == asked.path("slug")), None)
        if of is None:
            raise _unknown("there is no such postmortem", "/postmortems lists them")
        return Page("postmortem.html", of.title, {"of": of, "blocks": blocks(of.body)})

    async def audit(self, asked: Asked) -> Page:
        _require_auditor(asked.who)
        size, _ = await self._server.audit_head()
        below = min(asked.number("before") or size, size)
        start = max(0, below - LOOKED_THROUGH)
        entries = await self._server.audit_entries(start, below - start) if below else ()
        of = audit_page(entries, size, Filter(asked.text("event", 60), asked.text("words")))
        return Page("audit.html", "Audit log", {"of": of})

    async def verify(self, asked: Asked) -> Page:
        _require_auditor(asked.who)
        return Page("proof.html", "Verify the audit log", {"of": None})

    async def verified(self, asked: Asked, kept: str) -> Page:
        _require_auditor(asked.who)
        return Page("proof.html", "Verify the audit log", {"of": await self._prove.run(kept)})

    async def checkpoint(self, asked: Asked) -> Saved:
        _require_auditor(asked.who)
        return Saved(await self._server.audit_checkpoint(), "checkpoint", "txt")

    async def dry_run(self, _: Asked) -> Page:
        try:
            of = await self._looking.dry_run.now()
        except Refused:  # there is none
            return Page("dry_run.html", "Dry run", {"of": None})
        denied, allowed = of.report.newly_denied, of.report.newly_allowed
        values = {
            "of": of,
            "denied": denied[:MOST_DIFFERENCES],
            "allowed": allowed[:MOST_DIFFERENCES],
            "left_off": max(len(denied), len(allowed)) > MOST_DIFFERENCES,
            "not_judging": [one for one in of.coverage.sidecars if one.cover is not Cover.JUDGES][:MOST_DIFFERENCES],
        }
        return Page("dry_run.html", "Dry run", values)

    async def act(self, asked: Asked) -> Page:
        name, target = asked.path("name"), asked.text("of", MAX_TARGET)
        of = await self.acts.confirm(name, target, asked.who)
        return Page("act.html", of.title, {"of": of, "name": name, "target": target, "by": by(asked.who)})

    async def acted(self, name: str, fields: Mapping[str, str], who: SignedIn) -> str:
        """Where to go on."""
        try:
            return await self.acts.do(name, fields, who)
        finally:
            self.forget()

    def forget(self) -> None:
        """Whoever acted sees what became of it."""
        self._looking.forget()

    async def search(self, asked: Asked) -> Page:
        query = asked.text("q").strip()
        current, serial = await self._server.current(), serial_of(query)
        certificate = await self._server.certificate(serial) if serial is not None else None
        of = found(query, current[1] if current else None, await self._server.agents(), certificate, self._index)
        return Page("search.html", "Search", {"of": of, "query": query})


def _require_auditor(who: SignedIn) -> None:
    if not who.role.may_read_audit:
        raise Refused(
            code="not-an-auditor",
            what="the audit log is for auditors",
            why=f"your role is {who.role.value}",
            fix=how_to_become(Role.AUDITOR, who.name),
        )


def _unknown(what: str, fix: str) -> Refused:
    return Refused(code="nothing-there", what=what, why="it was never there, or is no longer", fix=fix)

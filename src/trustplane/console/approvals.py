"""Pages of proposals: asking for an act, what waits for an approval, one of them, and what was decided.

An operator proposes, an approver decides. Approving asks for a session that is young; everything else is as with acts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from trustplane.console.acts import by, require_operator
from trustplane.console.markdown import blocks
from trustplane.console.pages import Asked, Page
from trustplane.console.port import Server
from trustplane.console.proposing import FORMS, REASONS, YES, act_of
from trustplane.fault import Finding, Refused
from trustplane.people.account import require_approver
from trustplane.people.person import Person
from trustplane.people.proposal import Phase, Proposal
from trustplane.people.proposed_act import MAX_TEXT, Act, ActKind, Judged
from trustplane.people.session import FRESH, SignedIn
from trustplane.verdict.dry_run import DryRun

MAX_OF = 2048
STANDING = {
    Phase.PROPOSED: "warn",
    Phase.APPROVED: "warn",
    Phase.CARRIED_OUT: "good",
    Phase.FAILED: "bad",
}


class ApprovalPages:
    def __init__(self, server: Server, forget: Callable[[], None]) -> None:
        """`forget`: what was looked at together, after something was decided."""
        self._server = server
        self._forget = forget

    async def every(self, asked: Asked) -> Page:
        found = await self._server.proposals().newest()
        waiting = [one for one in reversed(found) if not one.phase.is_over]
        ended = [one for one in found if one.phase.is_over]
        values = {"waiting": waiting, "ended": ended, "standing": STANDING, "now": asked.at}
        return Page("proposals.html", "Approvals", values)

    async def one(self, asked: Asked) -> Page:
        of = await self._server.proposals().one(_number(asked.path("number")))
        person = person_of(asked.who)
        values = {
            "of": of,
            "plan": blocks(of.judged.plan),
            "standing": STANDING,
            "is_own": person.may_be(of.by),
            "is_fresh": asked.who.session.is_fresh(asked.at),
            "longest": MAX_TEXT,
            "now": asked.at,
        }
        return Page("proposal.html", f"Proposal {of.number}", values)

    async def ask(self, asked: Asked) -> Page:
        """What would be proposed as the form stands, or everything that is in its way."""
        require_operator(asked.who)
        kind = _kind(asked.path("kind"))
        form = FORMS[kind]
        fields = {name: asked.text(name, MAX_OF) for name in ("of", *form.asks)}
        against: tuple[Finding, ...] = ()
        judged = Judged({}, ())
        try:
            judged = await self._server.proposals().judge(await self._act(kind, _filled(fields), asked.at))
        except Refused as refusal:
            against = refusal.findings
        values = {
            "form": form,
            "kind": kind.value,
            "fields": fields,
            "of": judged,
            "plan": blocks(judged.plan),
            "against": against,
            "reasons": REASONS,
            "yes": YES,
            "longest": MAX_TEXT,
            "day": f"{asked.at + timedelta(days=7):%Y-%m-%d}",
        }
        return Page("propose.html", form.title, values)

    async def proposed(self, kind_name: str, fields: Mapping[str, str], who: SignedIn, at: datetime) -> str:
        """Where to go on: the page of what was proposed."""
        require_operator(who)
        kind = _kind(kind_name)
        act = await self._act(kind, {**fields, "of": fields.get("of", "")[:MAX_OF]}, at)
        made = await self._server.proposals().propose(act, person_of(who), fields.get("why", ""))
        self._forget()
        return f"/proposals/{made.number}"

    async def decided(self, number: str, fields: Mapping[str, str], who: SignedIn, at: datetime) -> str:
        """`decision` is approve, refuse or withdraw."""
        try:
            of = await self._decide(_number(number), fields, who, at)
        finally:
            self._forget()
        return f"/proposals/{of.number}"

    async def _decide(self, number: int, fields: Mapping[str, str], who: SignedIn, at: datetime) -> Proposal:
        proposals, person, word = self._server.proposals(), person_of(who), fields.get("word", "")
        match fields.get("decision", ""):
            case "approve":
                require_approver(who.name, who.role)
                _require_fresh(number, who, at)
                return await proposals.approve(number, fields.get("digest", ""), person, word)
            case "refuse":
                require_approver(who.name, who.role)
                return await proposals.refuse(number, person, word)
            case "withdraw":
                require_operator(who)
                return await proposals.withdraw(number, person)
            case _:
                raise Refused(code="nothing-there", what="there is no such decision", why="it never was", fix="go back")

    async def _act(self, kind: ActKind, fields: Mapping[str, str], at: datetime) -> Act:
        run = (await self._server.dry_run()).run if kind is ActKind.PROMOTE_DRY_RUN else None

        def tried() -> DryRun:
            if run is None or fields.get("of", run.id) != run.id:
                raise _other_run()
            return run

        return act_of(kind, fields, tried, at)


def person_of(who: SignedIn) -> Person:
    return Person(by(who), who.subject)


def _require_fresh(number: int, who: SignedIn, at: datetime) -> None:
    if not who.session.is_fresh(at):
        raise Refused(
            code="sign-in-too-old",
            what=f"you signed in more than {FRESH.seconds // 60} minutes ago",
            why="a screen that was left open approves nothing, and a role may have been taken away since",
            fix=f"sign in again: /sign-in?next=/proposals/{number}",
        )


def _filled(fields: Mapping[str, str]) -> Mapping[str, str]:
    """Without what was left empty."""
    return {name: value for name, value in fields.items() if value}


def _kind(name: str) -> ActKind:
    try:
        return ActKind.parse(name)
    except Refused as refusal:
        raise Refused(code="nothing-there", what="there is no such act", why="it never was", fix="go back") from refusal


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 10:
        raise Refused(
            code="nothing-there", what="there is no such proposal", why="this is no number", fix="/proposals lists them"
        )
    return int(text)


def _other_run() -> Refused:
    return Refused(
        code="moved-on",
        what="that dry run is not the newest any more",
        why="something changed between your looking and your acting, so nothing was done",
        fix="/dry-run shows the newest",
    )

"""What people may do here: each act says what will happen, is confirmed, and goes through the command line's own flow.

An act is about one thing, which its page named. When that is no longer what is there, nothing is done. The flows write
the intent and the outcome into the audit log, by the person's name.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from trustplane.console.text import serial_text
from trustplane.fault import Refused
from trustplane.flows.issuing.revoke import Order
from trustplane.flows.roots.change_root import Progress
from trustplane.issuance.record import IssuedCertificate, Purpose
from trustplane.people.account import Role, how_to_become
from trustplane.people.session import SignedIn
from trustplane.rotation.root_change import RootChange
from trustplane.trust.revocation import MAX_NOTE, Reason, Revocations, RevokedCertificate, SignedCrl
from trustplane.verdict.promotion import Standing

MAX_TARGET = 64


class ActPort(Protocol):
    async def rotation(self) -> Progress: ...

    async def pause_rotation(self, by: str) -> RootChange: ...

    async def resume_rotation(self, by: str) -> RootChange: ...

    async def abort_rotation(self, by: str) -> RootChange: ...

    async def certificate(self, serial: int) -> IssuedCertificate | None: ...

    async def revocations(self) -> tuple[Revocations, Sequence[SignedCrl]]: ...

    async def revoke_certificate(self, serial: int, order: Order) -> RevokedCertificate: ...

    async def dry_run(self) -> Standing: ...

    async def stop_dry_run(self, by: str) -> Standing: ...


@dataclass(frozen=True, slots=True)
class Confirm:
    """`will` happens, each a sentence; `back` is how it is taken back. `page` is where one goes afterwards."""

    title: str
    will: tuple[str, ...]
    back: str
    command: str
    page: str
    asks_reason: bool = False
    reasons: tuple[str, ...] = ()
    longest_note: int = MAX_NOTE


Asks = Callable[[str], Awaitable[Confirm]]
Does = Callable[[str, Mapping[str, str], str], Awaitable[object]]


class Acts:
    def __init__(self, server: ActPort) -> None:
        self._server = server
        self._known: Mapping[str, tuple[Asks, Does]] = {
            "pause-root-change": (self._ask_pause, lambda _, __, by: server.pause_rotation(by)),
            "resume-root-change": (self._ask_resume, lambda _, __, by: server.resume_rotation(by)),
            "abort-root-change": (self._ask_abort, lambda _, __, by: server.abort_rotation(by)),
            "revoke-certificate": (self._ask_revoke, self._revoke),
            "stop-dry-run": (self._ask_stop, lambda _, __, by: server.stop_dry_run(by)),
        }

    async def confirm(self, name: str, target: str, who: SignedIn) -> Confirm:
        """Refused when the person may not, or when there is nothing of it to be done."""
        require_operator(who)
        return await self._find(name)[0](target[:MAX_TARGET])

    async def do(self, name: str, fields: Mapping[str, str], who: SignedIn) -> str:
        """The page to go on with. What was confirmed is looked at again before it is done."""
        target = fields.get("of", "")[:MAX_TARGET]
        confirmed = await self.confirm(name, target, who)
        await self._find(name)[1](target, fields, by(who))
        return confirmed.page

    def _find(self, name: str) -> tuple[Asks, Does]:
        if name not in self._known:
            raise Refused(code="nothing-there", what="there is no such act", why="it never was", fix="go back")
        return self._known[name]

    async def _change(self, target: str) -> RootChange:
        change = (await self._server.rotation()).change
        if change is None or change.phase.is_over or str(change.number) != target:
            raise _moved_on("that change of root is not under way any more", "/trust shows what is")
        return change

    async def _ask_pause(self, target: str) -> Confirm:
        change = await self._change(target)
        if change.is_paused:
            raise _moved_on(f"change of root {target} is paused already", "/trust shows by whom it was started")
        return Confirm(
            f"Pause change of root {target}",
            (
                f"It stays in phase {change.phase.value} until someone resumes it.",
                "Certificates are issued and renewed as before, and whatever is switched stays so.",
            ),
            "Resume it here, or on the server with trustplane rotate resume.",
            "trustplane rotate pause",
            "/trust",
        )

    async def _ask_resume(self, target: str) -> Confirm:
        change = await self._change(target)
        if not change.is_paused:
            raise _moved_on(f"change of root {target} is not paused", "/trust shows what it waits for")
        return Confirm(
            f"Resume change of root {target}",
            (
                f"It goes on from phase {change.phase.value} as soon as nothing holds it up.",
                "Its next step may be one that is seen by every participant.",
            ),
            "Pause it again, here or with trustplane rotate pause.",
            "trustplane rotate resume",
            "/trust",
        )

    async def _ask_abort(self, target: str) -> Confirm:
        change = await self._change(target)
        if change.is_going_back:
            raise _moved_on(f"change of root {target} goes back already", "/trust shows how far it is")
        return Confirm(
            f"Go back from change of root {target}",
            (
                "The root of before signs again, as soon as everyone is known to trust it.",
                "The new root leaves the bundles when nothing alive depends on it any more.",
            ),
            "It cannot be taken back; start another change when this one has gone back.",
            "trustplane rotate abort",
            "/trust",
        )

    async def _ask_revoke(self, target: str) -> Confirm:
        of = await self._server.certificate(_serial(target))
        if of is None:
            raise _moved_on("no certificate with this serial number is on record", "compare it digit by digit")
        if of.purpose is not Purpose.WORKLOAD:
            raise Refused(
                code="not-a-workload",
                what=f"{of.spiffe_id} is the identity of a {of.purpose.value}",
                why="an agent or server is cut off as a whole; its certificate alone would be renewed",
                fix="ban the node on the server",
            )
        in_force, _ = await self._server.revocations()
        if in_force.of_serial(of.serial) is not None:
            raise _moved_on("this certificate is revoked already", f"/certificates/{target} says so")
        return Confirm(
            f"Revoke certificate {serial_text(of.serial)}",
            (
                f"Every proxy refuses this certificate of {of.spiffe_id} on {of.node} within seconds.",
                "Connections that were made with it end.",
                "Its workload gets another certificate at once: to keep it out, revoke the ID on the server.",
            ),
            "It cannot be taken back: a revoked certificate stays revoked.",
            f"trustplane revoke svid {serial_text(of.serial)} --reason REASON",
            f"/certificates/{serial_text(of.serial)}",
            asks_reason=True,
            reasons=tuple(one.value for one in Reason),
        )

    async def _revoke(self, target: str, fields: Mapping[str, str], by_whom: str) -> RevokedCertificate:
        given = fields.get("reason", "")
        reason = next((one for one in Reason if one.value == given), None)
        if reason is None:
            raise Refused(
                code="unknown-revocation-reason",
                what=f"{given!r:.60} is not a reason to revoke for",
                why="CRLs carry one of RFC 5280's reasons, so that others understand it",
                fix=f"one of {', '.join(one.value for one in Reason)}; say more in the note",
            )
        return await self._server.revoke_certificate(_serial(target), Order(reason, fields.get("note", ""), by_whom))

    async def _ask_stop(self, target: str) -> Confirm:
        standing = await self._server.dry_run()
        if standing.ended is not None or standing.run.id != target:
            raise _moved_on("that dry run is over", "/dry-run shows how it ended")
        return Confirm(
            f"Stop dry run {target}",
            (
                "Sidecars judge by the rules in force alone; nothing that is enforced changes.",
                f"What it has shown of {standing.report.judged:,} requests stays to be read until the next one begins.",
            ),
            "Start another one on the server, with trustplane policy shadow start DIR; it begins from nothing.",
            "trustplane policy shadow stop",
            "/dry-run",
        )


def by(who: SignedIn) -> str:
    """As the audit log names who acted. Whoever acts at the admin socket is `local:` there."""
    return f"console:{who.name}"


def require_operator(who: SignedIn) -> None:
    if not who.role.may_operate:
        raise Refused(
            code="not-an-operator",
            what="only an operator acts here",
            why=f"your role is {who.role.value}",
            fix=f"ask an operator, or {how_to_become(Role.OPERATOR, who.name)}",
        )


def _serial(target: str) -> int:
    try:
        return int(target, 16)
    except ValueError as error:
        raise Refused(
            code="nothing-there",
            what="there is no such certificate",
            why="this is no serial number",
            fix="search for it",
        ) from error


def _moved_on(what: str, fix: str) -> Refused:
    return Refused(
        code="moved-on",
        what=what,
        why="something changed between your looking and your acting, so nothing was done",
        fix=fix,
    )

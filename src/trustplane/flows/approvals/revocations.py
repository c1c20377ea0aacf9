"""Taking back an identity or an issuing authority, as acts that are proposed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Protocol

from trustplane.clock import Clock
from trustplane.fault import Refused
from trustplane.flows.issuing.revoke import Order, issuer_named, require_workload
from trustplane.issuance.record import IssuedCertificate
from trustplane.people.proposed_act import Act, ActKind, Judged
from trustplane.registry.model import DesiredState, Service
from trustplane.registry.records import Revision
from trustplane.spiffe.ids import SpiffeId
from trustplane.trust.authority import Authority, AuthorityState
from trustplane.trust.revocation import Cause, Reason, Revocations, RevokedId, RevokedIssuer, SignedCrl

MOST_CERTIFICATES = 1000
MOST_NAMED = 10


class Revoking(Protocol):
    async def authorities(self) -> Sequence[Authority]: ...

    async def certificates_of(self, spiffe_id: SpiffeId, limit: int) -> Sequence[IssuedCertificate]: ...

    async def current(self) -> tuple[Revision, DesiredState] | None: ...

    async def revocations(self) -> tuple[Revocations, Sequence[SignedCrl]]: ...

    async def revoke_id(self, spiffe_id: SpiffeId, order: Order) -> tuple[RevokedId, int]: ...

    async def revoke_issuer(self, authority: str, order: Order, *, compromised: bool) -> RevokedIssuer: ...


def id_revocation(spiffe_id: SpiffeId, reason: Reason, note: str) -> Act:
    return Act.of(ActKind.REVOKE_ID, id=str(spiffe_id), reason=reason.value, note=note)


def issuer_revocation(authority: str, reason: Reason, note: str, *, compromised: bool) -> Act:
    return Act.of(
        ActKind.REVOKE_ISSUER,
        authority=authority,
        reason=reason.value,
        note=note,
        compromised="yes" if compromised else "no",
    )


class RevokeId:
    def __init__(self, revoking: Revoking, clock: Clock) -> None:
        self._revoking = revoking
        self._clock = clock

    async def judge(self, act: Act) -> Judged:
        spiffe_id = SpiffeId.parse(act["id"])
        in_force, _ = await self._revoking.revocations()
        if in_force.of_id(spiffe_id) is not None:
            raise _already(str(spiffe_id))
        at = self._clock.now()
        _check_cause(act, at)
        found = await self._revoking.certificates_of(spiffe_id, MOST_CERTIFICATES)
        living = [one for one in found if one.not_after > at]
        for one in living:
            require_workload(one)
        current = await self._revoking.current()
        words = (
            f"{spiffe_id} is revoked, for the reason {act['reason']}{_noted(act)}.",
            *_of_certificates(living),
            *_of_service(spiffe_id, current[1] if current else None),
            f"Nothing is issued to it until that is lifted: trustplane revoke lift id {spiffe_id}",
            "What it had stays revoked also then.",
        )
        return Judged({"revoked": "no"}, words)

    async def carry_out(self, act: Act, by: str) -> str:
        order = Order(Reason(act["reason"]), act["note"], by)
        _, had = await self._revoking.revoke_id(SpiffeId.parse(act["id"]), order)
        return f"{act['id']} is revoked, with {had} certificate{'s' if had != 1 else ''}"

    async def was_carried_out(self, act: Act, by: str) -> str | None:
        known = (await self._revoking.revocations())[0].of_id(SpiffeId.parse(act["id"]))
        return f"{act['id']} is revoked" if known and known.cause.by == by else None


class RevokeIssuer:
    def __init__(self, revoking: Revoking, clock: Clock) -> None:
        self._revoking = revoking
        self._clock = clock

    async def judge(self, act: Act) -> Judged:
        _check_cause(act, self._clock.now())
        authority = await self._named(act)
        in_force, _ = await self._revoking.revocations()
        known, is_urgent = in_force.of_issuer(authority.id), act["compromised"] == "yes"
        if known is not None and (known.cut_at is not None or not is_urgent):  # else it is cut off sooner than it was
            raise _already(f"issuing authority {authority.id.hex[:12]}")
        active = authority.state is AuthorityState.ACTIVE
        return Judged(
            {"authority": authority.id.hex, "its state": authority.state.value},
            (
                f"Issuing authority {authority.id.hex[:12]}, of server {authority.owner}, is revoked.",
                f"The reason is {act['reason']}{_noted(act)}.",
                "It signs now; a successor is made and signs in its place." if active else "It signs no more already.",
                *_cut(compromised=act["compromised"] == "yes"),
                "It cannot be taken back.",
            ),
        )

    async def carry_out(self, act: Act, by: str) -> str:
        order = Order(Reason(act["reason"]), act["note"], by)
        compromised = act["compromised"] == "yes"
        known = await self._revoking.revoke_issuer(act["authority"], order, compromised=compromised)
        return _issuer_told(known)

    async def was_carried_out(self, act: Act, by: str) -> str | None:
        in_force, _ = await self._revoking.revocations()
        theirs = (one for one in in_force.issuers if one.cause.by == by)
        known = next((one for one in theirs if one.authority.hex.startswith(act["authority"])), None)
        return _issuer_told(known) if known else None

    async def _named(self, act: Act) -> Authority:
        return issuer_named(act["authority"], await self._revoking.authorities())


def _check_cause(act: Act, at: datetime) -> None:
    """Before anybody reads it: a note that would be refused then."""
    Cause(Reason(act["reason"]), act["note"], "", at)


def _of_certificates(living: Sequence[IssuedCertificate]) -> Iterator[str]:
    if not living:
        yield "It has no certificate that is still valid."
        return
    nodes = sorted({one.node.name for one in living})
    many = (
        f"{len(living)} certificates of it, on {_some(nodes)}, are"
        if len(living) != 1
        else f"Its certificate on {nodes[0]} is"
    )
    yield f"{many} refused by every proxy within seconds, and connections made with it end."


def _of_service(spiffe_id: SpiffeId, state: DesiredState | None) -> Iterator[str]:
    services = state.services.values() if state else ()
    service = next((one for one in services if one.spiffe_id == spiffe_id), None)
    if state is None or service is None:
        yield "No service of the applied repository has this ID."
        return
    yield f"It is {service.name}, of {', '.join(service.owners)}."
    if callers := _names(state.callers_of(service.name)):
        yield f"{_some(callers)} call it, and can no longer."
    if called := sorted({str(one.service) for one in service.calls}):
        yield f"It calls {_some(called)}, and can no longer."


def _cut(*, compromised: bool) -> tuple[str, ...]:
    if compromised:
        return (
            "Its key is said to be in wrong hands: what it signed is refused at once, before it is replaced.",
            "Services whose certificates it signed cannot reach each other until they have new ones.",
        )
    return ("What it signed is renewed first; then nothing it signed is accepted any more.",)


def _issuer_told(known: RevokedIssuer) -> str:
    what = f"issuing authority {known.authority.hex[:12]} is revoked"
    return f"{what} and cut off" if known.cut_at else f"{what}; it is cut off when its leaves are renewed"


def _names(services: Sequence[Service]) -> list[str]:
    return sorted(str(one.name) for one in services)


def _some(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _noted(act: Act) -> str:
    return f" ({act['note']})" if act["note"] else ""


def _already(what: str) -> Refused:
    return Refused(
        code="already-revoked",
        what=f"{what} is revoked already",
        why="there is nothing left to approve",
        fix="trustplane revoke list shows what is in force",
    )

"""Revocation over HTTP: what is revoked, taking back, and lifting."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from trustplane.fault import Refused
from trustplane.flows.approvals.revocations import id_revocation, issuer_revocation
from trustplane.flows.issuing.revoke import Order
from trustplane.spiffe.ids import SpiffeId
from trustplane.trust.revocation import (
    Cause,
    Reason,
    Revocations,
    RevokedCertificate,
    RevokedId,
    RevokedIssuer,
    SignedCrl,
)
from trustplane.wire import http_revocation_shapes as orders
from trustplane.wire import http_shapes as shapes
from trustplane.wire.http_answers import serial_text
from trustplane.wire.http_door import RevocationPort
from trustplane.wire.http_proposals import Approvals
from trustplane.wire.http_routes import Call, Raw

Request = TypeVar("Request", bound=orders.RevokeRequest)


class RevocationAnswers:
    def __init__(self, door: RevocationPort) -> None:
        self._door = door
        self._approvals = Approvals(door.proposals())

    async def revocations(self, _: Call) -> shapes.RevocationsShape:
        in_force, crls = await self._door.revocations()
        return shapes.RevocationsShape(revocations=revocation_shapes(in_force), crls=tuple(map(_crl, crls)))

    async def certificate(self, call: Call) -> shapes.RevocationShape:
        request = await call.body(orders.RevokeCertificateRequest)
        return _certificate(await self._door.revoke_certificate(_serial(request.serial), _order(call, request)))

    async def identity(self, call: Call) -> msgspec.Struct | Raw:
        request = await call.body(orders.RevokeIdRequest)
        spiffe_id, order = SpiffeId.parse(request.spiffe_id), _order(call, request)

        async def do() -> shapes.RevocationShape:
            return _id(*await self._door.revoke_id(spiffe_id, order))

        act = id_revocation(spiffe_id, order.reason, order.note)
        return await self._approvals.instead(call, act, _why(order), do)

    async def issuer(self, call: Call) -> msgspec.Struct | Raw:
        request = await call.body(orders.RevokeIssuerRequest)
        order, cut = _order(call, request), request.compromised

        async def do() -> shapes.RevocationShape:
            return _issuer(await self._door.revoke_issuer(request.authority, order, compromised=cut))

        act = issuer_revocation(request.authority, order.reason, order.note, compromised=cut)
        return await self._approvals.instead(call, act, _why(order), do)

    async def lift(self, call: Call) -> shapes.RevocationsShape:
        request = await call.body(orders.LiftRequest)
        await self._door.lift_id(SpiffeId.parse(request.spiffe_id), call.operator())
        return await self.revocations(call)


def revocation_shapes(in_force: Revocations) -> tuple[shapes.RevocationShape, ...]:
    found = [*map(_certificate, in_force.certificates), *map(_id, in_force.ids), *map(_issuer, in_force.issuers)]
    return tuple(sorted(found, key=lambda one: (one.at, one.kind, one.subject)))


def _why(order: Order) -> str:
    return order.note or order.reason.value


def _order(call: Call, request: orders.RevokeRequest) -> Order:
    try:
        return Order(Reason(request.reason), request.note, call.operator())
    except ValueError as error:
        raise Refused(
            code="unknown-revocation-reason",
            what=f"{request.reason!r:.60} is not a reason to revoke for",
            why="CRLs carry one of RFC 5280's reasons, so that others understand it",
            fix=f"one of {', '.join(one.value for one in Reason)}; say more in the note",
        ) from error


def _serial(text: str) -> int:
    digits = text.replace(":", "").strip()
    try:
        return int(digits[:40], 16)
    except ValueError as error:
        raise Refused(
            code="bad-serial-number",
            what=f"{text!r:.100} is not a serial number",
            why="a serial number is hexadecimal, as openssl and trustplane explain print it",
            fix="take it from trustplane explain ID",
        ) from error


def _certificate(one: RevokedCertificate) -> shapes.RevocationShape:
    return _shape(
        "certificate", serial_text(one.serial), one.cause, spiffe_id=str(one.spiffe_id), not_after=one.not_after
    )


def _id(one: RevokedId, had: int | None = None) -> shapes.RevocationShape:
    return _shape("id", str(one.spiffe_id), one.cause, spiffe_id=str(one.spiffe_id), certificates=had)


def _issuer(one: RevokedIssuer) -> shapes.RevocationShape:
    return _shape("issuer", one.authority.hex, one.cause, cut_at=one.cut_at)


def _shape(kind: str, subject: str, cause: Cause, **about: object) -> shapes.RevocationShape:
    told = {"reason": cause.reason.value, "note": cause.note, "by": cause.by, "at": cause.at}
    return shapes.RevocationShape(kind=kind, subject=subject, **told, **about)  # type: ignore[arg-type] # as named above


def _crl(crl: SignedCrl) -> shapes.CrlShape:
    return shapes.CrlShape(
        authority=crl.authority.hex,
        number=crl.number,
        signed_at=crl.signed_at,
        refresh_at=crl.refresh_at,
        next_update=crl.next_update,
        bytes=len(crl.der),
    )

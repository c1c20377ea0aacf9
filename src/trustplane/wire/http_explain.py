"""One identity or certificate, explained from everything the server knows of it.

The sentences in `why` answer what an operator asks at night: who is entitled, by which selectors, why the certificate
lives as long as it does, and who holds it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

import msgspec

from trustplane.fault import Refused
from trustplane.issuance.record import IssuedCertificate
from trustplane.registry.model import DesiredState, Profile, Service
from trustplane.registry.records import Holding, Hosting
from trustplane.spiffe.ids import SCHEME, SpiffeId
from trustplane.trust.authority import Authority
from trustplane.trust.revocation import Revocations
from trustplane.wire.http_answers import authority_shape, certificate_shape, holding_shape, serial_text
from trustplane.wire.http_door import ServerDoor
from trustplane.wire.http_explain_foreign import of_another_domain
from trustplane.wire.http_revocations import revocation_shapes
from trustplane.wire.http_shapes import ExplanationShape, LifetimeShape

RECENT_CERTIFICATES = 10
MAX_HELD_BY = 10_000

_SERIAL = re.compile(r"(0x)?[0-9a-fA-F]{1,40}")


@dataclass(frozen=True, slots=True)
class Known:
    """What the door said about one identity."""

    spiffe_id: SpiffeId
    state: DesiredState | None
    certificate: IssuedCertificate | None
    recent: tuple[IssuedCertificate, ...]
    authorities: tuple[Authority, ...]
    hostings: tuple[Hosting, ...]
    holdings: tuple[Holding, ...]
    revoked: Revocations

    @property
    def service(self) -> Service | None:
        services = self.state.services.values() if self.state else ()
        return next((one for one in services if one.spiffe_id == self.spiffe_id), None)

    @property
    def issuer(self) -> Authority | None:
        wanted = self.certificate.authority if self.certificate else None
        return next((one for one in self.authorities if one.id == wanted), None)


async def explain(door: ServerDoor, query: str) -> ExplanationShape:
    """`query` is a SPIFFE ID or a serial number in hexadecimal."""
    asked = None
    if query.startswith(SCHEME):
        spiffe_id = SpiffeId.parse(query)
    else:
        asked = await certificate_asked_for(door, query)
        spiffe_id = asked.spiffe_id
    if spiffe_id.trust_domain != (await door.facts()).trust_domain:
        return await _foreign(door, spiffe_id)
    recent = tuple(await door.certificates_of(spiffe_id, RECENT_CERTIFICATES))
    current = await door.current()
    known = Known(
        spiffe_id=spiffe_id,
        state=current[1] if current else None,
        certificate=asked or (recent[0] if recent else None),
        recent=recent,
        authorities=tuple(await door.authorities()),
        hostings=tuple(await door.hostings()),
        holdings=tuple(await door.holdings()),
        revoked=_about((await door.revocations())[0], spiffe_id, asked or (recent[0] if recent else None)),
    )
    if known.service is None and known.certificate is None:
        raise Refused(
            code="unknown-identity",
            what=f"{spiffe_id} is not known here",
            why="no service of the applied trust repository has this ID and no certificate was issued for it",
            fix="compare with the IDs that `trustplane status` lists; the path is case-sensitive",
        )
    return _explanation(known)


async def _foreign(door: ServerDoor, spiffe_id: SpiffeId) -> ExplanationShape:
    current = await door.current()
    peers = {peer.trust_domain: peer for peer, _, _ in await door.federation()}
    revoked = _about((await door.revocations())[0], spiffe_id, None)
    known = Known(spiffe_id, current[1] if current else None, None, (), (), (), (), revoked)
    why = of_another_domain(spiffe_id, known.state, peers.get(spiffe_id.trust_domain))
    whole = _explanation(known)
    return msgspec.structs.replace(
        whole, other_domain=spiffe_id.trust_domain.name, why=(*_revocation_sentences(known), *why)
    )


async def certificate_asked_for(door: ServerDoor, query: str) -> IssuedCertificate:
    text = query.replace(":", "").strip()
    found = await door.certificate(int(text, 16)) if _SERIAL.fullmatch(text) else None
    if found is None:
        raise Refused(
            code="unknown-certificate",
            what=f"{query!r:.100} is neither a SPIFFE ID nor the serial number of a certificate issued here",
            why="a serial number is hexadecimal, as openssl prints it, and its certificate is in this server's records",
            fix="trustplane explain spiffe://..., or the serial from `openssl x509 -noout -serial`",
        )
    return found


def _explanation(known: Known) -> ExplanationShape:
    service = known.service
    profile = known.state.profiles.get(service.profile) if known.state and service else None
    hosted = [one.node.name for one in known.hostings if service and one.service == service.name]
    held = tuple(one for one in known.holdings if _is_about(one, known))
    callers = known.state.callers_of(service.name) if known.state and service else ()
    lifetime = _lifetime(known.certificate, profile)
    return ExplanationShape(
        spiffe_id=str(known.spiffe_id),
        service=str(service.name) if service else None,
        owners=service.owners if service else (),
        declared=service is not None,
        selectors=tuple(sorted(map(str, service.selectors))) if service else (),
        nodes=tuple(sorted(map(str, service.nodes))) if service else (),
        profile=f"{profile.name}@{profile.version}" if profile else None,
        key=profile.key.value if profile else None,
        callers=tuple(str(one.name) for one in callers),
        calls=tuple(str(one.service) for one in service.calls) if service else (),
        data=tuple(sorted(service.data)) if service else (),
        certificate=certificate_shape(known.certificate) if known.certificate else None,
        issuer=authority_shape(known.issuer) if known.issuer else None,
        lifetime=lifetime,
        recent=tuple(certificate_shape(one) for one in known.recent),
        hosted_on=tuple(hosted),
        held_by=tuple(map(holding_shape, held[:MAX_HELD_BY])),
        held_by_left_off=max(0, len(held) - MAX_HELD_BY),
        why=(*_revocation_sentences(known), *_sentences(known, lifetime, hosted)),
        revoked=revocation_shapes(known.revoked),
    )


def _about(in_force: Revocations, spiffe_id: SpiffeId, certificate: IssuedCertificate | None) -> Revocations:
    """What of it concerns this ID and this certificate."""
    serial = certificate.serial if certificate else None
    authority = certificate.authority if certificate else None
    return Revocations(
        tuple(one for one in in_force.certificates if one.serial == serial),
        tuple(one for one in in_force.ids if one.spiffe_id == spiffe_id),
        tuple(one for one in in_force.issuers if one.authority == authority),
    )


def _is_about(holding: Holding, known: Known) -> bool:
    """Secrets are named after their SPIFFE ID; a sidecar is named after its service."""
    service = known.service
    return holding.thing == f"secret/{known.spiffe_id}" or (
        service is not None and holding.participant == f"sidecar {service.name}"
    )


def _lifetime(certificate: IssuedCertificate | None, profile: Profile | None) -> LifetimeShape | None:
    if certificate is None:
        return None
    lives = certificate.not_after - certificate.issued_at
    version = f"{profile.name}@{profile.version}" if profile else None
    if profile is None or version != certificate.profile:
        why = (
            f"it was issued under profile {certificate.profile}, which the applied trust repository no longer gives it"
        )
        return LifetimeShape(seconds=_s(lives), profile_seconds=_s(lives), cut_by_authority=False, why=why)
    cut = lives + timedelta(seconds=1) < profile.lifetime
    why = (
        f"profile {version} gives {profile.lifetime}, cut because no leaf outlives the authority that signed it"
        if cut
        else f"profile {version} gives {profile.lifetime}"
    )
    return LifetimeShape(seconds=_s(lives), profile_seconds=_s(profile.lifetime), cut_by_authority=cut, why=why)


def _s(duration: timedelta) -> float:
    return round(duration.total_seconds(), 3)


def _revocation_sentences(known: Known) -> Iterator[str]:
    for one in revocation_shapes(known.revoked):
        note = f" ({one.note})" if one.note else ""
        replaced = ", and its leaves are being replaced" if one.kind == "issuer" and one.cut_at is None else ""
        yield (
            f"REVOKED: {one.kind} {one.subject}, by {one.by} at {one.at:%Y-%m-%d %H:%M:%S} UTC, "
            f"reason {one.reason}{note}{replaced}"
        )


def _sentences(known: Known, lifetime: LifetimeShape | None, hosted: Sequence[str]) -> list[str]:
    service, certificate = known.service, known.certificate
    said = []
    if service:
        where = ", ".join(sorted(map(str, service.nodes))) or "any node"
        shown = " and ".join(sorted(map(str, service.selectors)))
        said.append(f"{service.name} is entitled to this ID: a process on {where} that shows {shown}")
    else:
        said.append("no service of the applied trust repository has this ID, so it will not be renewed")
    if certificate:
        authority = (
            f"{certificate.authority} ({known.issuer.state.value})" if known.issuer else str(certificate.authority)
        )
        said.append(
            f"certificate {serial_text(certificate.serial)} was issued to node {certificate.node} "
            f"by authority {authority} and is due for renewal at {certificate.renew_at:%Y-%m-%d %H:%M:%S} UTC"
        )
    else:
        said.append("no certificate was issued for it yet: no agent has asked")
    if lifetime:
        said.append(lifetime.why)
    said.append(f"its sidecar is attached on {', '.join(hosted)}" if hosted else "no sidecar of it is attached")
    return said

"""Services as the console lists them, and one of them with everything that is known of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from trustplane.issuance.outage_budget import OutageBudget
from trustplane.issuance.record import IssuedCertificate
from trustplane.registry.model import DesiredState, Service
from trustplane.registry.records import Holding, Hosting
from trustplane.spiffe.names import NodeName, ServiceName
from trustplane.trust.revocation import Revocations

PAGE = 100
MOST_CERTIFICATES = 20
MOST_HELD = 200


@dataclass(frozen=True, slots=True)
class Held:
    """What one participant says it holds, against what it should."""

    participant: str
    node: str
    thing: str
    desired: str
    held: str
    refusal: str
    since: datetime

    @property
    def state(self) -> str:
        if self.refusal:
            return "refused or in doubt"
        if not self.held:
            return "holds nothing yet"
        return "holds it" if self.held == self.desired else "behind"


@dataclass(frozen=True, slots=True)
class Row:
    name: ServiceName
    spiffe_id: str
    owners: tuple[str, ...]
    nodes: tuple[str, ...]  # where its sidecar is attached
    expires_at: datetime | None
    differing: int


@dataclass(frozen=True, slots=True)
class ServiceList:
    rows: tuple[Row, ...]
    total: int
    page: int
    pages: int
    sought: str


@dataclass(frozen=True, slots=True)
class ServicePage:
    service: Service
    callers: tuple[Service, ...]
    callees: tuple[ServiceName, ...]
    hosted_on: tuple[str, ...]
    held: tuple[Held, ...]
    has_more_held: bool
    certificates: tuple[IssuedCertificate, ...]
    revoked: frozenset[int] = field(default_factory=frozenset)
    is_blocked: bool = False

    @property
    def differing(self) -> int:
        return sum(one.state != "holds it" for one in self.held)


def service_list(
    state: DesiredState | None,
    hostings: Sequence[Hosting],
    budget: OutageBudget,
    holdings: Sequence[Holding],
    asked: tuple[str, int],
) -> ServiceList:
    """`asked`: words that name, ID or owner contain, and the number of the page."""
    sought, page = asked
    found = [one for one in (state.services.values() if state else ()) if _matches(one, sought)]
    found.sort(key=lambda one: one.name)
    pages = max((len(found) + PAGE - 1) // PAGE, 1)
    page = min(max(page, 1), pages)
    on: dict[ServiceName, list[NodeName]] = {}
    for each in hostings:
        on.setdefault(each.service, []).append(each.node)
    behind = _behind(holdings)
    shown = found[(page - 1) * PAGE : page * PAGE]
    rows = tuple(_row(one, on, budget, behind) for one in shown)
    return ServiceList(rows, len(found), page, pages, sought)


def service_page(
    state: DesiredState,
    service: Service,
    hostings: Sequence[Hosting],
    holdings: Sequence[Holding],
    issued: tuple[Sequence[IssuedCertificate], Revocations],
) -> ServicePage:
    certificates, revoked = issued
    about = [held(one) for one in holdings]
    about.sort(key=lambda one: (one.state == "holds it", one.participant, one.node, one.thing))
    return ServicePage(
        service=service,
        callers=state.callers_of(service.name),
        callees=tuple(sorted({one.service for one in service.calls})),
        hosted_on=tuple(sorted(one.node.name for one in hostings if one.service == service.name)),
        held=tuple(about[:MOST_HELD]),
        has_more_held=len(about) > MOST_HELD,
        certificates=tuple(certificates[:MOST_CERTIFICATES]),
        revoked=frozenset(one.serial for one in revoked.certificates),
        is_blocked=any(one.spiffe_id == service.spiffe_id for one in revoked.ids),
    )


def known_by(service: Service) -> tuple[str, str]:
    """As which participant, and by which thing: a sidecar is named after its service, a secret after its SPIFFE ID."""
    return f"sidecar {service.name}", f"secret/{service.spiffe_id}"


def held(one: Holding) -> Held:
    return Held(one.participant, one.node.name, one.thing, one.desired, one.held, one.refusal, one.since)


def _matches(service: Service, sought: str) -> bool:
    texts = (str(service.name), str(service.spiffe_id), *service.owners)
    return all(any(word in text.lower() for text in texts) for word in sought.lower().split())


def _behind(holdings: Sequence[Holding]) -> dict[str, int]:
    counted: dict[str, int] = {}
    for one in holdings:
        if one.held != one.desired or one.refusal:
            counted[one.participant] = counted.get(one.participant, 0) + 1
    return counted


def _row(
    service: Service,
    on: Mapping[ServiceName, Sequence[NodeName]],
    budget: OutageBudget,
    behind: Mapping[str, int],
) -> Row:
    expiry = budget.services.get(service.name)
    return Row(
        name=service.name,
        spiffe_id=str(service.spiffe_id),
        owners=service.owners,
        nodes=tuple(sorted(one.name for one in on.get(service.name, ()))),
        expires_at=expiry.at if expiry else None,
        differing=behind.get(f"sidecar {service.name}", 0),
    )

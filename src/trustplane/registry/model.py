"""Desired state as values: what the operator decided, free of files and YAML.

Each value checks itself; what must hold between values (ownership, uniqueness, look-alikes) is `registry.admission`'s.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum

from trustplane.fault import Refused
from trustplane.registry.budgets import Budgets, Waivers
from trustplane.registry.clusters import Clusters
from trustplane.registry.connections import BY_AGE, Connections
from trustplane.registry.endpoint import check_port
from trustplane.registry.federation import ForeignCall, ForeignCaller, Relation
from trustplane.spiffe.bundle import DEFAULT_REFRESH_HINT
from trustplane.spiffe.ids import SpiffeId, TrustDomain
from trustplane.spiffe.names import NodeName, ServiceName
from trustplane.spiffe.selectors import Selector

MAX_PATH_CHARACTERS = 512
LONGEST_LIFETIME = timedelta(days=90)

_PROFILE_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_OPERATION_NAME = re.compile(r"[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?")
_METHOD = re.compile(r"[A-Z]{1,20}(-[A-Z]{1,20})?")
# RFC 3986 pchar without percent-encoding, `;` (path parameters, which servers read differently) and `*` (ours).
_PATH = re.compile(r"/|(/[A-Za-z0-9._~!$&'()+,=:@-]+)+/?")


class KeyKind(Enum):
    """Key types of X.509-SVIDs. No Ed25519: verifiers and Envoy refuse it (decisions/0007)."""

    P256 = "p256"
    P384 = "p384"
    RSA2048 = "rsa2048"


@dataclass(frozen=True, slots=True)
class RenewalWindow:
    """The part of a lifetime in which renewal is due, as fractions."""

    opens: float
    closes: float

    def __post_init__(self) -> None:
        if not 0.1 <= self.opens < self.closes <= 0.9:
            raise Refused(
                code="bad-renewal-window",
                what=f"the renewal window {self.opens:.0%} to {self.closes:.0%} is not usable",
                why="it must open at 10 % of the lifetime or later, close by 90 %, and open before it closes",
                fix="write renew: 50%-75%",
            )


@dataclass(frozen=True, slots=True)
class Profile:
    """The shape of a certificate."""

    name: str
    version: int
    key: KeyKind
    lifetime: timedelta
    backdate: timedelta
    renew: RenewalWindow

    def __post_init__(self) -> None:
        if not _PROFILE_NAME.fullmatch(self.name) or self.version < 0:
            raise Refused(
                code="bad-name",
                what=f"{self.name!r:.100}, version {self.version}, does not name a profile",
                why="a name is 1 to 63 lower-case letters, digits and inner dashes; versions count from 1",
                fix="choose a name such as standard, and version: 1",
            )
        if not timedelta(seconds=20) <= self.lifetime <= LONGEST_LIFETIME:
            raise Refused(
                code="bad-lifetime",
                what=f"profile {self.name} has a lifetime of {self.lifetime}",
                why="leaves live between 20 seconds and 90 days",
                fix="write for example lifetime: 1h",
            )
        if not timedelta(0) <= self.backdate <= timedelta(hours=1):
            raise Refused(
                code="bad-backdate",
                what=f"profile {self.name} backdates by {self.backdate}",
                why="NotBefore may lie at most one hour in the past; more hides clock faults",
                fix="write for example backdate: 30s",
            )


def _check_request(method: str, path: str) -> None:
    """One spelling per request: what a proxy would normalize is refused, so that rule and request cannot disagree."""
    if not _METHOD.fullmatch(method) or method == "CONNECT":
        raise Refused(
            code="bad-request-pattern",
            what=f"{method!r:.100} is not a method that can be named here",
            why="methods are upper-case letters; CONNECT has no path",
            fix="write for example POST /charge",
        )
    segments = path.split("/")
    if not _PATH.fullmatch(path) or len(path) > MAX_PATH_CHARACTERS or "." in segments or ".." in segments:
        raise Refused(
            code="bad-request-pattern",
            what=f"{path!r:.200} is not a path that can be named here",
            why="a path is absolute, at most 512 characters, without //, dot segments, `%`, `;`, query or fragment: "
            "servers and proxies read those in different ways",
            fix="write for example POST /charge, or GET /orders/* for every path below /orders/",
        )


@dataclass(frozen=True, slots=True, order=True)
class Operation:
    """A named call a service offers. `path` is exact, or a prefix when it ends in `/*`: all below that slash."""

    name: str
    method: str
    path: str

    def __post_init__(self) -> None:
        if not _OPERATION_NAME.fullmatch(self.name):
            raise Refused(
                code="bad-name",
                what=f"{self.name!r:.100} is not the name of an operation",
                why="a name is 1 to 63 lower-case letters and digits, with inner dashes and underscores",
                fix="choose a name such as charge",
            )
        _check_request(self.method, self.path.removesuffix("*") if self.path.endswith("/*") else self.path)

    def covers(self, path: str) -> bool:
        return path.startswith(self.path[:-1]) if self.path.endswith("/*") else path == self.path


@dataclass(frozen=True, slots=True, order=True)
class Probe:
    """A request any local health checker may make of the service without an identity. `path` is exact."""

    method: str
    path: str

    def __post_init__(self) -> None:
        _check_request(self.method, self.path)
        if self.method not in ("GET", "HEAD"):
            raise Refused(
                code="bad-probe",
                what=f"the probe {self.method} {self.path} may change something",
                why="a probe is let in without an identity, so it must only read",
                fix="probe with GET or HEAD",
            )


@dataclass(frozen=True, slots=True, order=True)
class Call:
    """This service calls `operations` of `service` (empty: all it offers).

    `listen` is the port its own sidecar opens for that on the node's loopback.
    """

    service: ServiceName
    listen: int
    operations: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_port("listen", self.listen)


@dataclass(frozen=True, slots=True, order=True)
class Ports:
    """`app`: where the service listens in the clear on its node's loopback. `mesh`: where its sidecar takes mTLS."""

    app: int
    mesh: int

    def __post_init__(self) -> None:
        check_port("app", self.app)
        check_port("mesh", self.mesh)


@dataclass(frozen=True, slots=True)
class Service:
    name: ServiceName
    spiffe_id: SpiffeId
    owners: tuple[str, ...]
    selectors: frozenset[Selector]
    profile: str
    nodes: frozenset[NodeName] = frozenset()  # empty: any node
    ports: Ports | None = None  # none: a workload without a sidecar
    operations: tuple[Operation, ...] = ()
    calls: tuple[Call, ...] = ()
    probes: tuple[Probe, ...] = ()
    data: frozenset[str] = frozenset()
    longest_request: timedelta = timedelta(seconds=15)
    hint: str = ""
    foreign_callers: tuple[ForeignCaller, ...] = ()
    foreign_calls: tuple[ForeignCall, ...] = ()
    connections: Connections = BY_AGE

    def foreign_domains(self) -> frozenset[TrustDomain]:
        """The other trust domains it has to do with: only their bundles may reach it."""
        callers = (one.pattern.trust_domain for one in self.foreign_callers)
        return frozenset({*callers, *(one.spiffe_id.trust_domain for one in self.foreign_calls)})


@dataclass(frozen=True, slots=True, order=True)
class Namespace:
    """Who owns a name: services under `ns/<name>` belong to the groups in `owners`."""

    name: str
    owners: tuple[str, ...]
    prefixes: tuple[tuple[str, ...], ...] = ()  # further path prefixes its services may use
    shared_with: tuple[TrustDomain, ...] = ()  # trust domains that may have services of the same paths


@dataclass(frozen=True, slots=True)
class DesiredState:
    """One revision of the trust repository, admitted."""

    trust_domain: TrustDomain
    default_profile: str
    profiles: Mapping[str, Profile]
    namespaces: Mapping[str, Namespace]
    services: Mapping[ServiceName, Service]
    readers: frozenset[SpiffeId] = field(default_factory=frozenset)  # identities that may read the HTTPS API
    budgets: Budgets = field(default_factory=Budgets)
    waivers: Waivers = field(default_factory=dict)
    federation: Mapping[TrustDomain, Relation] = field(default_factory=dict)
    refresh_hint: timedelta = DEFAULT_REFRESH_HINT
    clusters: Clusters = field(default_factory=Clusters)
    policies: Mapping[ServiceName, bytes] = field(default_factory=dict)  # compiled; `policy.document` reads them

    def names_by_id(self) -> dict[SpiffeId, str]:
        """What people call the services that have these IDs."""
        return {one.spiffe_id: str(one.name) for one in self.services.values()}

    def callers_of(self, service: ServiceName) -> tuple[Service, ...]:
        """Services that declare a call to `service`, by name."""
        found = (one for one in self.services.values() if any(call.service == service for call in one.calls))
        return tuple(sorted(found, key=lambda one: one.name))

"""What one node must know: its entries, the sidecars it may host, and the bundles it trusts.

The server computes a `NodeView` and pushes it; the agent serves from it. The digest names the whole content, so both
sides can tell that they hold the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar

from trustplane.fault import Broken
from trustplane.registry.callers import Caller as Caller  # noqa: PLC0414 - handed on: it is part of a view
from trustplane.registry.callers import ForeignGrant as ForeignGrant  # noqa: PLC0414 - likewise
from trustplane.registry.candidate import NO_CANDIDATE, Candidate
from trustplane.registry.connections import BY_AGE, Connections
from trustplane.registry.endpoint import Endpoint as Endpoint  # noqa: PLC0414 - handed on: it is part of a view
from trustplane.registry.model import KeyKind, Operation, Ports, Probe
from trustplane.registry.offered import Offered
from trustplane.spiffe.ids import SpiffeId, TrustDomain
from trustplane.spiffe.names import ServiceName
from trustplane.spiffe.selectors import Selector

AGAIN = "+"  # between an order to make connections anew and when it was repeated

Key = TypeVar("Key", SpiffeId, ServiceName, TrustDomain)


@dataclass(frozen=True, slots=True)
class Entry:
    """Which selectors are entitled to which ID on this node. A process must show every selector."""

    service: ServiceName
    spiffe_id: SpiffeId
    selectors: frozenset[Selector]
    key: KeyKind
    profile: str  # name@version, shown by `explain`
    hint: str = ""
    federates: tuple[TrustDomain, ...] = ()  # whose bundles it may have, beside its own domain's


@dataclass(frozen=True, slots=True)
class Callee:
    service: ServiceName | None  # none: it is in another trust domain
    spiffe_id: SpiffeId
    listen: int
    endpoints: tuple[Endpoint, ...]
    longest_request: timedelta
    connections: Connections = BY_AGE


@dataclass(frozen=True, slots=True)
class Sidecar:
    """All that a sidecar's configuration is computed from, besides its SVID and the bundles."""

    service: ServiceName
    spiffe_id: SpiffeId
    ports: Ports
    callers: tuple[Caller, ...]
    callees: tuple[Callee, ...]
    probes: tuple[Probe, ...]
    longest_request: timedelta
    leaf_lifetime: timedelta  # bounds the age of connections
    foreign_callers: tuple[ForeignGrant, ...] = ()
    connections: Connections = BY_AGE
    policy: bytes = b""  # who may ask what, as `policy.document` writes it; empty: the callers above
    operations: tuple[Operation, ...] = ()  # what its log calls requests; told beside the view

    def foreign_domains(self) -> tuple[TrustDomain, ...]:
        """Of its callers, sorted."""
        return tuple(sorted({one.pattern.trust_domain for one in self.foreign_callers}))


@dataclass(frozen=True, slots=True)
class TrustedBundle:
    """A trust domain's bundle as its SPIFFE JSON document, and the digest of its content."""

    trust_domain: TrustDomain
    document: bytes
    digest: str


@dataclass(frozen=True, slots=True, order=True)
class TrustedCrl:
    """An authority's CRL, and its certificate to verify it with; both DER."""

    authority: bytes
    crl: bytes


@dataclass(frozen=True, slots=True, order=True)
class DeniedCertificate:
    spiffe_id: SpiffeId
    sha256: str  # hex, of the DER certificate


@dataclass(frozen=True, slots=True, order=True)
class LeavingIssuer:
    """An issuing authority that is being replaced: its leaves are to be renewed, spread over `within`."""

    key_id: str  # hex, as its leaves name it (authority key identifier)
    since: datetime
    within: timedelta


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """What the trust domain has revoked, in force and not yet expired by itself.

    `crls` has one for each CA or none. `issuers` are the SHA-256 of issuing authorities' certificates, hex. `remake`
    names the newest order to make connections anew: those made before it are relied on no more. A repetition of it has
    another name, for those whose connection was let in by a callee that had not begun to tell them apart yet.
    """

    crls: tuple[TrustedCrl, ...] = ()
    ids: tuple[SpiffeId, ...] = ()
    certificates: tuple[DeniedCertificate, ...] = ()
    issuers: tuple[str, ...] = ()
    leaving: tuple[LeavingIssuer, ...] = ()
    remake: str = ""

    @property
    def order(self) -> str:
        """The order that is proven, however often it was given."""
        return self.remake.partition(AGAIN)[0]

    def __post_init__(self) -> None:
        for name, items in (
            ("crls", self.crls),
            ("denied IDs", self.ids),
            ("denied certificates", self.certificates),
            ("revoked issuers", self.issuers),
            ("leaving issuers", self.leaving),
        ):
            if list(items) != sorted(set(items)):  # type: ignore[type-var] # each tuple is of one ordered type
                raise _not_sorted(name)


@dataclass(frozen=True, slots=True)
class NodeView:
    """Sorted throughout (entries and callers by SPIFFE ID, the rest by name): equal content has one digest.

    The candidate and what services offer are beside the content: an agent that does not know of them holds the same
    view without them.
    """

    revision: int  # of the trust repository
    entries: tuple[Entry, ...]
    sidecars: tuple[Sidecar, ...]
    bundles: tuple[TrustedBundle, ...]
    withdrawn: Withdrawn = Withdrawn()
    candidate: Candidate = NO_CANDIDATE
    offered: tuple[Offered, ...] = ()  # by service; only of those that offer something

    def __post_init__(self) -> None:
        _check_sorted("entries", [entry.spiffe_id for entry in self.entries])
        _check_sorted("sidecars", [sidecar.service for sidecar in self.sidecars])
        for entry in self.entries:
            _check_sorted("federated domains", entry.federates)
        _check_sorted("bundles", [bundle.trust_domain for bundle in self.bundles])
        _check_sorted("services that offer something", [one.service for one in self.offered])

    def named(self) -> tuple[Sidecar, ...]:
        """Its sidecars, each with the operations of its service."""
        operations = {one.service: one.operations for one in self.offered}
        return tuple(replace(one, operations=operations.get(one.service, ())) for one in self.sidecars)


def _check_sorted(what: str, keys: Sequence[Key]) -> None:
    if list(keys) != sorted(set(keys)):
        raise _not_sorted(what)


def _not_sorted(what: str) -> Broken:
    return Broken(
        code="view-not-sorted",
        what=f"the {what} of a node's view are not sorted, or one is there twice",
        why="equal views must have one encoding, or differences and digests would not agree",
        fix="report this with the versions of server and agent",
    )

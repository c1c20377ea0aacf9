"""Node views of any content, for properties."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from trustplane.registry.candidate import NO_CANDIDATE, Candidate, Tried
from trustplane.registry.connections import Connections, WhenTrustChanges
from trustplane.registry.model import KeyKind, Operation, Ports, Probe
from trustplane.registry.offered import Offered
from trustplane.registry.view import (
    Callee,
    Caller,
    DeniedCertificate,
    Endpoint,
    Entry,
    ForeignGrant,
    LeavingIssuer,
    NodeView,
    Sidecar,
    TrustedBundle,
    TrustedCrl,
    Withdrawn,
)
from trustplane.spiffe.ids import SpiffeId, TrustDomain
from trustplane.spiffe.names import ServiceName
from trustplane.spiffe.patterns import IdPattern
from trustplane.spiffe.selectors import Selector

_LABELS = st.sampled_from(["a", "b", "c", "d"])
_PORTS = st.integers(1, 4)
_SERVICES = st.builds(ServiceName, _LABELS, _LABELS)
_IDS = st.builds(
    lambda path: SpiffeId(TrustDomain("x.example"), tuple(path)), st.lists(_LABELS, min_size=1, max_size=2)
)
_SELECTORS = st.frozensets(st.builds(Selector, st.sampled_from(["unix:uid", "unix:gid"]), _LABELS), max_size=3)
_TIMES = st.sampled_from([timedelta(seconds=1), timedelta(minutes=1), timedelta(microseconds=1)])
_OPERATIONS = st.builds(Operation, _LABELS, st.sampled_from(["GET", "PUT"]), st.sampled_from(["/", "/a", "/a/*"]))
_ENDPOINTS = st.builds(Endpoint, st.sampled_from(["10.0.0.1", "::1"]), _PORTS)


def _tuples(items: st.SearchStrategy[Any], key: Callable[[Any], Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(items, unique_by=key, max_size=3).map(lambda found: tuple(sorted(found, key=key)))


_DOMAINS = _tuples(st.builds(TrustDomain, st.sampled_from(["p.example", "q.example"])), lambda one: one)
_ENTRIES = st.builds(
    Entry, _SERVICES, _IDS, _SELECTORS, st.sampled_from(KeyKind), _LABELS, st.sampled_from(["", "h"]), _DOMAINS
)
_GRANTS = st.builds(
    lambda one, below, operations: ForeignGrant(IdPattern(one.trust_domain, one.path, below), operations),
    _IDS,
    st.booleans(),
    _tuples(_OPERATIONS, lambda one: one),
)
_CALLERS = st.builds(Caller, _IDS, _tuples(_OPERATIONS, lambda one: one))
_CONNECTIONS = st.builds(Connections, st.none() | st.just(timedelta(minutes=1)), st.sampled_from(WhenTrustChanges))
_CALLEES = st.builds(
    Callee, _SERVICES | st.none(), _IDS, _PORTS, _tuples(_ENDPOINTS, lambda one: one), _TIMES, _CONNECTIONS
)
SIDECARS = st.builds(
    Sidecar,
    service=_SERVICES,
    spiffe_id=_IDS,
    ports=st.builds(Ports, _PORTS, _PORTS),
    callers=_tuples(_CALLERS, lambda one: one.spiffe_id),
    callees=_tuples(_CALLEES, lambda one: str(one.service)),
    probes=_tuples(st.builds(Probe, st.just("GET"), st.sampled_from(["/a", "/b"])), lambda one: one),
    longest_request=_TIMES,
    leaf_lifetime=_TIMES,
    foreign_callers=_tuples(_GRANTS, lambda one: one.pattern),
    connections=_CONNECTIONS,
    policy=st.sampled_from([b"", b"{}", b"\xff"]),
)
_BUNDLES = st.builds(
    TrustedBundle, st.builds(TrustDomain, _LABELS), st.sampled_from([b"", b"{}", b"\xff"]), st.sampled_from(["", "0"])
)

_DIGESTS = st.sampled_from(["00" * 32, "ff" * 32])
WITHDRAWN = st.builds(
    Withdrawn,
    crls=_tuples(st.builds(TrustedCrl, st.binary(max_size=1), st.binary(max_size=1)), lambda one: one),
    ids=_tuples(_IDS, lambda one: one),
    certificates=_tuples(st.builds(DeniedCertificate, _IDS, _DIGESTS), lambda one: one),
    issuers=_tuples(_DIGESTS, lambda one: one),
    leaving=_tuples(
        st.builds(LeavingIssuer, _LABELS, st.just(datetime(2030, 1, 1, tzinfo=UTC)), _TIMES), lambda one: one
    ),
    remake=st.sampled_from(["", "1", "2"]),
)
_TRIED = st.builds(
    Tried,
    service=_SERVICES,
    policy=st.sampled_from([b"", b"{}", b"\xff"]),
    callers=_tuples(_CALLERS, lambda one: one.spiffe_id),
    probes=_tuples(st.builds(Probe, st.just("GET"), st.sampled_from(["/a", "/b"])), lambda one: one),
    foreign_callers=_tuples(_GRANTS, lambda one: one.pattern),
)
CANDIDATES = st.just(NO_CANDIDATE) | st.builds(
    Candidate,
    id=st.sampled_from(["1-00000000", "2-00000000"]),
    ends_at=st.just(datetime(2030, 1, 1, tzinfo=UTC)),
    tried=_tuples(_TRIED, lambda one: one.service),
)
VIEWS = st.builds(
    NodeView,
    revision=st.integers(0, 3),
    entries=_tuples(_ENTRIES, lambda one: one.spiffe_id),
    sidecars=_tuples(SIDECARS, lambda one: one.service),
    bundles=_tuples(_BUNDLES, lambda one: one.trust_domain),
    withdrawn=st.just(Withdrawn()) | WITHDRAWN,
    candidate=CANDIDATES,
    offered=_tuples(st.builds(Offered, _SERVICES, _tuples(_OPERATIONS, lambda one: one)), lambda one: one.service),
)

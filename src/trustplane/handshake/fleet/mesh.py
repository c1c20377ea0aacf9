"""Our own mesh as links that could have failed: which sidecars there are, who calls whom, and which of it did fail.

A link is one caller's sidecar to one callee's, as declared and hosted, where both had handshakes in the time asked for.
A failure whose ends cannot both be placed is a link of its own: a stray client is one that nobody declared.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from trustplane.handshake.diagnosis import diagnose
from trustplane.handshake.failure import Side
from trustplane.handshake.fleet.subject import Subject
from trustplane.handshake.fleet.values import MAX_SUBJECTS
from trustplane.handshake.join import Pair, join
from trustplane.handshake.stored import Stored
from trustplane.spiffe.names import NodeName, ServiceName

STRAY = "not in the mesh"

Completed = Mapping[tuple[NodeName, ServiceName, Side], int]


@dataclass(frozen=True, slots=True, order=True)
class Sidecar:
    service: ServiceName
    node: NodeName

    def __str__(self) -> str:
        return f"{self.service} on {self.node}"


@dataclass(frozen=True, slots=True)
class Mesh:
    """`facts` are of each sidecar, by dimension. `calls` are as declared. A host is an address without its port; where
    several nodes have one, none is meant. `ports`: where a service takes mTLS. `alone`: services on one node."""

    facts: Mapping[Sidecar, Mapping[str, str]]
    calls: frozenset[tuple[ServiceName, ServiceName]]
    hosts: Mapping[str, NodeName]
    ports: Mapping[int, ServiceName]
    names: Mapping[str, ServiceName]
    alone: Mapping[ServiceName, NodeName]


@dataclass(slots=True)
class _Failed:
    causes: Counter[str] = field(default_factory=Counter)
    first: datetime | None = None

    def add(self, cause: str, times: int, at: datetime | None) -> None:
        self.causes[cause] += times
        if at is not None:
            self.first = min(self.first or at, at)


_Ends = tuple[Sidecar | str, Sidecar | str]


def subjects_of(mesh: Mesh, records: Sequence[Stored], completed: Completed) -> list[Subject]:
    """Those that failed first, then those that could have, as many as can be compared."""
    failed: defaultdict[_Ends, _Failed] = defaultdict(_Failed)
    by_record = {id(one.reported.failure): one for one in records}
    for pair in join([one.reported.failure for one in records]):
        at = min((one.at for one in pair.failures if one.at), default=None)
        times = max((one.times for one in pair.failures), default=1)
        failed[_ends(mesh, pair, by_record)].add(diagnose(pair).cause, times, at)
    share = _shares(mesh, completed)
    links = dict.fromkeys([*failed, *_declared(mesh, completed)])
    return [_subject(mesh, ends, failed.get(ends), share) for ends in list(links)[:MAX_SUBJECTS]]


def _subject(mesh: Mesh, ends: _Ends, failed: _Failed | None, share: Mapping[Sidecar, float]) -> Subject:
    client, server = ends
    facts: defaultdict[str, set[str]] = defaultdict(set)
    for side, end in (("client", client), ("server", server)):
        for name, value in _known(mesh, end).items():
            facts[f"{side} {name}"].add(value)
            facts[name].add(value)
    found = failed or _Failed()
    worked = share.get(client, 0.0) if isinstance(client, Sidecar) else 0.0
    ordered = {name: tuple(sorted(values)) for name, values in facts.items()}
    return Subject(
        f"{client} to {server}", ordered, dict(found.causes), round(worked) + found.causes.total(), found.first
    )


def _known(mesh: Mesh, end: Sidecar | str) -> Mapping[str, str]:
    if isinstance(end, str):
        return {"sidecar": end or STRAY}
    own = {"sidecar": str(end), "service": str(end.service), "node": str(end.node)}
    return {**mesh.facts.get(end, {}), **own}


def _ends(mesh: Mesh, pair: Pair, records: Mapping[int, Stored]) -> _Ends:
    """Whose record it is, is known; who is at its other end, by address first and then by what was claimed."""
    client, server = records.get(id(pair.client)), records.get(id(pair.server))
    if client is not None and server is not None:
        return _own(client), _own(server)
    if client is not None:
        peer = client.reported.failure.peer
        return _own(client), _callee(mesh, peer, client.kind.peer)
    if server is not None:
        return _caller(mesh, server.reported.failure.peer, server.kind.peer), _own(server)
    return STRAY, STRAY


def _own(one: Stored) -> Sidecar:
    return Sidecar(one.reported.service, one.node)


def _callee(mesh: Mesh, address: str, claimed: str) -> Sidecar | str:
    host, _, port = address.rpartition(":")
    node = mesh.hosts.get(host)
    service = mesh.ports.get(int(port)) if port.isascii() and port.isdigit() and len(port) <= 5 else None
    return _placed(mesh, service or mesh.names.get(claimed), node) or claimed or host


def _caller(mesh: Mesh, address: str, claimed: str) -> Sidecar | str:
    host = address.rpartition(":")[0]
    return _placed(mesh, mesh.names.get(claimed), mesh.hosts.get(host)) or claimed or host


def _placed(mesh: Mesh, service: ServiceName | None, node: NodeName | None) -> Sidecar | None:
    """An address may have been rewritten on the way: a service that runs on one node is there all the same."""
    if service is None:
        return None
    if node is not None and Sidecar(service, node) in mesh.facts:
        return Sidecar(service, node)
    return Sidecar(service, mesh.alone[service]) if service in mesh.alone else None


def _declared(mesh: Mesh, completed: Completed) -> Iterator[_Ends]:
    """Between sidecars that did complete handshakes: a link that nobody used could not fail."""
    hosting: defaultdict[ServiceName, list[Sidecar]] = defaultdict(list)
    for one in sorted(mesh.facts):
        hosting[one.service].append(one)
    for caller, callee in sorted(mesh.calls):
        for client in _active(hosting[caller], Side.CLIENT, completed):
            for server in _active(hosting[callee], Side.SERVER, completed):
                yield client, server


def _active(sidecars: Iterable[Sidecar], side: Side, completed: Completed) -> list[Sidecar]:
    return [one for one in sidecars if completed.get((one.node, one.service, side))]


def _shares(mesh: Mesh, completed: Completed) -> dict[Sidecar, float]:
    """How many handshakes each link of a caller completed, if it used all of them alike: only their sum is counted."""
    links = Counter(client for client, _ in _declared(mesh, completed))
    return {
        one: completed[one.node, one.service, Side.CLIENT] / many
        for one, many in links.items()
        if isinstance(one, Sidecar)
    }

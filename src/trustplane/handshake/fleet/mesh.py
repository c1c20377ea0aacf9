"""Our own mesh as links that could have failed: which sidecars there are, who calls whom, and which of it did fail.

A link is one caller's sidecar to one callee's, as declared and hosted, where both had handshakes in the time asked for.
A failure whose ends cannot both be placed is a link of its own: a stray client is one that nobody declared.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from trustplane.handshake.diagnosis import diagnose
from trustplane.handshake.failure import Side
from trustplane.handshake.fleet.sidecars import AGENT, ON_ITS_WAY, Setups, Sidecar, facts_of
from trustplane.handshake.fleet.subject import Subject
from trustplane.handshake.fleet.values import MAX_SUBJECTS
from trustplane.handshake.join import Pair, join
from trustplane.handshake.setup import Setup
from trustplane.handshake.stored import Stored
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.names import NodeName, ServiceName, is_probe

STRAY = "not in the mesh"

Completed = Mapping[tuple[NodeName, ServiceName, Side], int]


@dataclass(frozen=True, slots=True)
class Mesh:
    """`facts` are of each sidecar, by dimension; `began`: since when it is there; `setups`: what it was
    when. `calls` are as declared. A host is an address without its port; where several nodes have one, none is meant.
    `ports`: where a service takes mTLS. `alone`: services on one node."""

    facts: Mapping[Sidecar, Mapping[str, str]]
    began: Mapping[Sidecar, datetime]
    setups: Setups
    calls: frozenset[tuple[ServiceName, ServiceName]]
    hosts: Mapping[str, NodeName]
    ports: Mapping[int, ServiceName]
    names: Mapping[str, ServiceName]
    alone: Mapping[ServiceName, NodeName]


@dataclass(slots=True)
class _Failed:
    causes: Counter[str] = field(default_factory=Counter)
    first: datetime | None = None
    last: datetime | None = None  # of what is old enough to be compared with what others were
    told: defaultdict[Side, set[Setup]] = field(default_factory=lambda: defaultdict(set))

    def add(self, pair: Pair, records: Mapping[int, Stored], latest: datetime) -> None:
        self.causes[diagnose(pair).cause] += max((one.times for one in pair.failures), default=1)
        for at in (one.at for one in pair.failures if one.at is not None):
            self.first = min(self.first or at, at)
            if at < latest:
                self.last = max(self.last or at, at)
        for one in (records[id(each)].reported for each in pair.failures if id(each) in records):
            if one.at < latest:
                build = ".".join(map(str, one.failure.build))
                self.told[one.side].add(Setup(build, "", one.held.bundle, one.held.revision))

    @property
    def lasting(self) -> Lasting | None:
        return (self.first, self.last) if self.first and self.last else None


_Ends = tuple[Sidecar | str, Sidecar | str]
Lasting = tuple[datetime, datetime]


def subjects_of(mesh: Mesh, records: Sequence[Stored], completed: Completed, until: datetime) -> list[Subject]:
    """Those that failed first, then those that could have, as many as can be compared."""
    failed = _failed(mesh, records, until - ON_ITS_WAY)
    share = _shares(mesh, completed)
    links = list(dict.fromkeys([*failed, *_declared(mesh, completed)]))[:MAX_SUBJECTS]
    while_others = _While(mesh, [one.lasting for one in failed.values() if one.lasting])
    return [_subject(while_others, ends, failed.get(ends), share) for ends in links]


def _failed(mesh: Mesh, records: Sequence[Stored], latest: datetime) -> dict[_Ends, _Failed]:
    failed: defaultdict[_Ends, _Failed] = defaultdict(_Failed)
    by_record = {id(one.reported.failure): one for one in records}
    nameless: list[tuple[_Ends, Pair]] = []
    for pair in join([one.reported.failure for one in records]):
        ends = _ends(mesh, pair, by_record)
        if _is_of_a_probe(by_record.get(id(pair.server))):
            continue
        if pair.client is None and not isinstance(ends[0], Sidecar) and not _claimed(pair):
            nameless.append((ends, pair))
        else:
            failed[ends].add(pair, by_record, latest)
    known = _Likely(failed)
    for ends, pair in nameless:
        failed[known.link(ends, pair)].add(pair, by_record, latest)
    return failed


def _is_of_a_probe(callees: Stored | None) -> bool:
    """An agent's, that asks whether a sidecar trusts a root: its refusal is an answer, and no call failed."""
    return callees is not None and bool(callees.kind.peer) and is_probe(SpiffeId.parse(callees.kind.peer))


def _claimed(pair: Pair) -> bool:
    return any(one.theirs.spiffe_id for one in pair.failures)


class _Likely:
    """Whose a callee's record is that does not say who called: whoever refuses before it has shown its own certificate,
    and tries again, leaves one for each time, of which its own record is one. It is taken to be of a link to the same
    callee that failed of the same cause, the last that had begun to. Where there is none, a stray client called."""

    def __init__(self, failed: Mapping[_Ends, _Failed]) -> None:
        self._links: defaultdict[tuple[Sidecar | str, str], list[tuple[datetime, _Ends]]] = defaultdict(list)
        for ends, one in failed.items():
            if isinstance(ends[0], Sidecar) and one.first is not None:
                for cause in one.causes:
                    self._links[ends[1], cause].append((one.first, ends))
        for links in self._links.values():
            links.sort(key=lambda one: one[0])

    def link(self, ends: _Ends, pair: Pair) -> _Ends:
        links, at = self._links.get((ends[1], diagnose(pair).cause), []), pair.failures[0].at
        if not links or at is None:
            return ends
        return links[max(0, bisect_right(links, at, key=lambda one: one[0]) - 1)][1]


class _While:
    """What ends were while failures lasted."""

    def __init__(self, mesh: Mesh, lasting: Sequence[Lasting]) -> None:
        self.mesh = mesh
        self._all = (min(one[0] for one in lasting), max(one[1] for one in lasting)) if lasting else None
        self._working: dict[Sidecar | str, frozenset[tuple[str, str]]] = {}

    def working(self, end: Sidecar | str) -> frozenset[tuple[str, str]]:
        if end not in self._working:
            self._working[end] = frozenset((*_known(self.mesh, end), *self._was(end, self._all)))
        return self._working[end]

    def failing(self, end: Sidecar | str, failed: _Failed, side: Side) -> frozenset[tuple[str, str]]:
        """By its own record, which has no agent in it, rather than by what it was around then."""
        own = [fact for one in failed.told[side] for fact in facts_of(one)]
        was = (fact for fact in self._was(end, failed.lasting) if not own or fact[0] == AGENT)
        return frozenset((*_known(self.mesh, end), *own, *was))

    def _was(self, end: Sidecar | str, lasting: Lasting | None) -> Iterator[tuple[str, str]]:
        if isinstance(end, Sidecar) and lasting is not None:
            for setup in self.mesh.setups.during(end, *lasting):
                yield from facts_of(setup)


def _subject(at: _While, ends: _Ends, failed: _Failed | None, share: Mapping[Sidecar, float]) -> Subject:
    client = ends[0]
    facts: defaultdict[str, set[str]] = defaultdict(set)
    for side, end in zip((Side.CLIENT, Side.SERVER), ends, strict=True):
        for name, value in at.failing(end, failed, side) if failed else at.working(end):
            facts[f"{side.value} {name}"].add(value)
            facts[name].add(value)
    found = failed or _Failed()
    worked = share.get(client, 0.0) if isinstance(client, Sidecar) else 0.0
    return Subject(
        f"{client} to {ends[1]}",
        {name: tuple(sorted(values)) for name, values in facts.items()},
        dict(found.causes),
        round(worked) + found.causes.total(),
        found.first,
        max((at.mesh.began[end] for end in ends if isinstance(end, Sidecar) and end in at.mesh.began), default=None),
    )


def _known(mesh: Mesh, end: Sidecar | str) -> Iterator[tuple[str, str]]:
    if isinstance(end, str):
        yield "sidecar", end or STRAY
        return
    yield from (("sidecar", str(end)), ("service", str(end.service)), ("node", str(end.node)))
    yield from mesh.facts.get(end, {}).items()


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

"""Records of connections, failed and good, as links between two ends with what is known of either.

A link is one end at one address calling another. What a record of a failed connection does not say, because it was
never made, other records may: who answers at an address, and from where a log's proxy calls.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from trustplane.handshake.failure import Claims, Failure, Side
from trustplane.handshake.fleet.subject import Subject
from trustplane.handshake.fleet.values import MAX_SUBJECTS
from trustplane.handshake.join import Pair

_MAX_SEEN = 8  # values of one dimension that one link is given


@dataclass(frozen=True, slots=True)
class End:
    workload: str = ""
    address: str = ""  # without a port: those of a caller mean nothing
    port: str = ""
    software: str = ""
    issuer: str = ""
    log: str = ""

    def facts(self) -> dict[str, str]:
        found = {"workload": self.workload, "address": self.address, "software": self.software, "issuer": self.issuer}
        return {name: value for name, value in found.items() if value}


@dataclass(slots=True)
class _Link:
    facts: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    causes: Counter[str] = field(default_factory=Counter)
    worked: int = 0
    first: datetime | None = None

    def learn(self, client: End, server: End, tls: str) -> None:
        """What is known of one end counts for that end, and for the link as well: a wrong clock breaks both ways."""
        ends = {"client": client.facts(), "server": server.facts()}
        for side, facts in ends.items():
            for name, value in facts.items():
                self._add(f"{side} {name}", value)
                self._add(name, value)
        if tls:
            self._add("TLS", tls)

    def _add(self, dimension: str, value: str) -> None:
        if len(self.facts[dimension]) < _MAX_SEEN:
            self.facts[dimension].add(value)


class Links:
    """Bounded: of more links than can be compared, the ones that came first are, and `left_out` counts the records of
    the others."""

    def __init__(self) -> None:
        self.left_out = 0
        self._links: dict[tuple[str, str, str, str], _Link] = {}
        self._workloads: dict[str, set[str]] = defaultdict(set)
        self._hosts: dict[str, set[str]] = defaultdict(set)

    def worked(self, record: Failure) -> None:
        client, server = ends(Pair(record, None) if record.side is Side.CLIENT else Pair(None, record))
        if server.workload and server.address:
            _note(self._workloads, f"{server.address}:{server.port}", server.workload)
        if client.log and client.address:
            _note(self._hosts, client.log, client.address)
        found = self._link(client, server)
        if found is not None:
            found.worked += 1
            found.learn(client, server, record.tls.value if record.tls else "")

    def failed(self, pair: Pair, cause: str) -> None:
        client, server = self._completed(*ends(pair))
        at = min((one.at for one in pair.failures if one.at), default=None)
        found = self._link(client, server)
        if found is not None:
            found.causes[cause] += 1
            found.first = min((one for one in (found.first, at) if one), default=None)
            found.learn(client, server, next((one.tls.value for one in pair.failures if one.tls), ""))

    def subjects(self) -> list[Subject]:
        return [
            Subject(
                f"{client or client_at or '?'} to {server or server_at or '?'}",
                {name: tuple(sorted(values)) for name, values in one.facts.items()},
                dict(one.causes),
                one.worked + one.causes.total(),
                one.first,
            )
            for (client, client_at, server, server_at), one in self._links.items()
        ]

    def _completed(self, client: End, server: End) -> tuple[End, End]:
        """Where other records leave no doubt."""
        if not client.address and (host := _only(self._hosts, client.log)):
            client = replace(client, address=host)
        if not server.workload and (name := _only(self._workloads, f"{server.address}:{server.port}")):
            server = replace(server, workload=name)
        return client, server

    def _link(self, client: End, server: End) -> _Link | None:
        key = (client.workload, client.address, server.workload, server.address)
        if key not in self._links:
            if len(self._links) >= MAX_SUBJECTS:
                self.left_out += 1
                return None
            self._links[key] = _Link()
        return self._links[key]


def ends(pair: Pair) -> tuple[End, End]:
    """The client's and the server's, each by its own record first and then by what the other has of it."""
    record, other = pair.client or pair.unsided, pair.server
    client = _end(record, other)
    return client, _end(other, record)


def _end(own: Failure | None, other: Failure | None) -> End:
    ours, theirs = own.ours if own else Claims(), other.theirs if other else Claims()
    address, _, port = ((own.local if own else "") or (other.peer if other else "")).rpartition(":")
    return End(
        workload=ours.spiffe_id or theirs.spiffe_id,
        address=address,
        port=port,
        software=_software(own) if own else "",
        issuer=theirs.issuer_serial,
        log=own.place.file if own and own.place else "",
    )


def _software(record: Failure) -> str:
    name = record.implementation.value if record.implementation else ""
    return " ".join(one for one in (name, ".".join(map(str, record.build))) if one)


def _note(known: Mapping[str, set[str]], key: str, value: str) -> None:
    if len(known) < MAX_SUBJECTS and len(known[key]) < 2:
        known[key].add(value)


def _only(known: Mapping[str, set[str]], key: str) -> str:
    found = known.get(key, set())
    return next(iter(found)) if len(found) == 1 else ""

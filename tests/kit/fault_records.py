"""What both sides wrote of an injected fault, in a form that is the same in every run: no ports, serials or instants.

The recorded form (tests/vectors/handshake) is compared with what real proxies write now, and scored by the benchmark
without any proxy.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import msgspec

from tests.kit.fault_envoys import Stage
from tests.kit.faults import NOW, Fault
from trustplane.fault import Place
from trustplane.handshake.failure import Claims, Failure, Implementation, Side, Tls
from trustplane.handshake.join import Pair, join
from trustplane.handshake.readers import access_log
from trustplane.handshake.readers.event import build_of
from trustplane.handshake.readers.line import Line
from trustplane.handshake.state import State

VECTORS = Path(__file__).parents[1] / "vectors" / "handshake"


class Seen(msgspec.Struct, frozen=True, omit_defaults=True):
    """One side's record of one fault. `ends` says whether the certificate it claims had ended."""

    fault: str
    tls: Tls
    side: Side
    by: Implementation
    build: str
    text: str = ""
    flags: str = ""
    details: str = ""
    theirs: str = ""
    ours: str = ""
    ends: str = ""

    @property
    def place(self) -> tuple[str, ...]:
        return (self.build, self.fault, self.tls.value, self.by.value, self.side.value)


def seen_in(stage: Stage, build: str) -> list[Seen]:
    """The records of every case, joined as any log's would be."""
    failures = [one for log in (stage.client_log, stage.server_log) if log.exists() for one in _failures(log)]
    ports = {str(case.port): case for case in stage.cases}
    found: dict[tuple[str, Tls, Side], Seen] = {}
    for pair in join(failures):
        server = pair.client.peer if pair.client else (pair.server.local if pair.server else "")
        case = ports.get(server.rpartition(":")[2])
        for one in pair.failures if case else ():
            assert case is not None
            seen = _seen(one, case.fault.name, case.tls, build)
            found.setdefault((seen.fault, seen.tls, seen.side), seen)
    return sorted(found.values(), key=lambda one: one.place)


def _failures(path: Path) -> list[Failure]:
    lines = [Line(text, Place(path.name, number)) for number, text in enumerate(path.read_text().splitlines(), 1)]
    return list(access_log.read(lines))


def _seen(one: Failure, fault: str, tls: Tls, build: str) -> Seen:
    assert one.side is not None
    assert one.implementation is not None
    end = one.theirs.not_after
    return Seen(
        fault=fault,
        tls=tls,
        side=one.side,
        by=one.implementation,
        build=build,
        text=one.text,
        flags=one.flags,
        details=one.details,
        theirs=one.theirs.spiffe_id,
        ours=one.ours.spiffe_id,
        ends="" if end is None else "past" if end < NOW else "later",
    )


def failure_of(seen: Seen) -> Failure:
    """As if it had just been read."""
    end = {"past": NOW - timedelta(hours=1), "later": NOW + timedelta(hours=1), "": None}[seen.ends]
    return Failure(
        seen.text,
        seen.by,
        seen.side,
        build_of(seen.build),
        seen.tls,
        at=NOW,
        flags=seen.flags,
        details=seen.details,
        theirs=Claims(seen.theirs, not_after=end),
        ours=Claims(seen.ours),
    )


def pair_of(records: Sequence[Seen], sides: Sequence[Side] = tuple(Side)) -> Pair:
    by_side = {one.side: failure_of(one) for one in records if one.side in sides}
    return Pair(by_side.get(Side.CLIENT), by_side.get(Side.SERVER))


def state_of(fault: Fault) -> State:
    """What the operator could show: the chain at fault, and what its verifier holds."""
    expected = fault.verifier.expects if not fault.verifier.expects.endswith("/") else ""
    return State(NOW, fault.at_fault.chain, fault.verifier.roots, fault.verifier.crls or None, expected)


def by_case(records: Sequence[Seen]) -> dict[tuple[str, str, Tls], list[Seen]]:
    """By who wrote, fault and TLS version."""
    found: dict[tuple[str, str, Tls], list[Seen]] = defaultdict(list)
    for one in records:
        found[one.build, one.fault, one.tls].append(one)
    return dict(found)


def recorded(name: str) -> list[Seen]:
    content = (VECTORS / f"{name}.jsonl").read_bytes()
    return [msgspec.json.decode(line, type=Seen) for line in content.splitlines()]


def record(name: str, records: Sequence[Seen]) -> None:
    VECTORS.mkdir(exist_ok=True)
    lines = (msgspec.json.encode(one) + b"\n" for one in sorted(records, key=lambda one: one.place))
    (VECTORS / f"{name}.jsonl").write_bytes(b"".join(lines))

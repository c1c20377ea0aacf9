"""What both sides wrote of an injected fault, in a form that is the same in every run: no ports, serials or instants.

The recorded form (tests/vectors/handshake) is compared with what real proxies write now, and scored by the benchmark
without any proxy.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
from cryptography import x509

from tests.kit.fault_envoys import Stage, tls_params
from tests.kit.faults import NOW, Fault, all_faults
from tests.kit.faults import Held as Lab
from trustplane.fault import Place
from trustplane.handshake.failure import Claims, Failure, Implementation, Side, Tls
from trustplane.handshake.holding import Demands, Held, Holding, Holdings, Like, NameRule, Parameters
from trustplane.handshake.join import Pair, join
from trustplane.handshake.readers import access_log
from trustplane.handshake.readers.event import build_of
from trustplane.handshake.readers.line import Line
from trustplane.handshake.state import State

# Who serves in these recordings is not Envoy.
OTHER_SERVERS = {"nginx", "haproxy"}
VECTORS = Path(__file__).parents[1] / "vectors" / "handshake"


class Seen(msgspec.Struct, frozen=True, omit_defaults=True):
    """One side's record of one fault. `ends` says whether the certificate it claims had ended, `serial` whether it has
    the number of that certificate."""

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
    serial: bool = False

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
            seen = _seen(one, case.fault, case.tls, build)
            found.setdefault((seen.fault, seen.tls, seen.side), seen)
    return sorted(found.values(), key=lambda one: one.place)


def _failures(path: Path) -> list[Failure]:
    lines = [Line(text, Place(path.name, number)) for number, text in enumerate(path.read_text().splitlines(), 1)]
    return list(access_log.read(lines))


def _seen(one: Failure, fault: Fault, tls: Tls, build: str) -> Seen:
    assert one.side is not None
    assert one.implementation is not None
    end, serial = one.theirs.not_after, one.theirs.serial
    assert not serial or int(serial, 16) == _presented(fault, one.side)[0].serial_number
    return Seen(
        fault=fault.name,
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
        serial=bool(serial),
    )


def _presented(fault: Fault, to: Side) -> tuple[x509.Certificate, ...]:
    return (fault.server if to is Side.CLIENT else fault.client).chain


def failure_of(seen: Seen) -> Failure:
    """As if it had just been read, with the dates and the number of the certificates as they are made now."""
    faults = {one.name: one for one in all_faults()}
    leaf = _presented(faults[seen.fault], seen.side)[0] if seen.ends or seen.serial else None
    end = leaf.not_valid_after_utc if leaf and seen.ends else None
    serial = f"{leaf.serial_number:x}" if leaf and seen.serial else ""
    return Failure(
        seen.text,
        seen.by,
        seen.side,
        build_of(seen.build),
        seen.tls if _says_version(seen) else None,
        at=NOW,
        flags=seen.flags,
        details=seen.details,
        theirs=Claims(seen.theirs, serial, not_after=end),
        ours=Claims(seen.ours),
    )


def _says_version(seen: Seen) -> bool:
    """No program's text has it. An Envoy logs it from the server's hello on, which a client that fails before the end
    of a handshake takes for none."""
    by_envoy = seen.by is Implementation.ENVOY and seen.flags != "NR"
    return by_envoy and (seen.side is Side.SERVER or bool(seen.ends))


def pair_of(records: Sequence[Seen], sides: Sequence[Side] = tuple(Side)) -> Pair:
    by_side = {one.side: failure_of(one) for one in records if one.side in sides}
    return Pair(by_side.get(Side.CLIENT), by_side.get(Side.SERVER))


def state_of(fault: Fault) -> State:
    """What the operator could show: the chain at fault, and what its verifier holds."""
    expected = fault.verifier.expects if not fault.verifier.expects.endswith("/") else ""
    return State(NOW, fault.at_fault.chain, fault.verifier.roots, fault.verifier.crls or None, expected)


def held_of(fault: Fault, tls: Tls, by: str, sides: Sequence[Side]) -> Held:
    """What the sides whose record there is have: their own files, and of an Envoy its own configuration too.

    Nothing of it is the other side's, and nothing names the fault: an agent knows as much of the sidecar it serves.
    """
    return Held(*(Holdings(holding_of(fault, tls, by, side)) if side in sides else Holdings() for side in Side))


def holding_of(fault: Fault, tls: Tls, by: str, side: Side) -> Holding:
    held = fault.client if side is Side.CLIENT else fault.server
    if held.plain:
        return Holding()
    files = Holding(held.chain, held.roots, held.crls or None)
    if not by[0].isdigit() and (side is Side.CLIENT or by in OTHER_SERVERS):
        return files
    return replace(files, demands=_demands(held), speaks=_parameters(tls_params(fault, held, tls)))


def _demands(held: Lab) -> Demands:
    like = Like.PREFIX if held.expects.endswith("/") else Like.EXACT
    pins = held.validation.get("verify_certificate_hash", ())
    depth = held.validation.get("max_verify_depth")
    assert isinstance(pins, list | tuple)
    assert depth is None or isinstance(depth, int)
    return Demands((NameRule(like, held.expects),), depth, frozenset(pins))


def _parameters(params: dict[str, object]) -> Parameters:
    named = {"TLSv1_2": Tls.V1_2, "TLSv1_3": Tls.V1_3}
    listed = {key: frozenset(value) for key, value in params.items() if isinstance(value, list)}
    ends = {key: named[value] for key, value in params.items() if isinstance(value, str)}
    return Parameters(
        ends.get("tls_minimum_protocol_version"),
        ends.get("tls_maximum_protocol_version"),
        listed.get("cipher_suites"),
        listed.get("ecdh_curves"),
    )


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

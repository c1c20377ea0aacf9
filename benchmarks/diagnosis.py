"""How well and how fast failed handshakes are diagnosed.

Well: every recorded fault x Envoy build or client runtime x TLS version, as tests/scenarios/signatures records and
checks them on real ones, with the records of both sides and of either alone: from their text alone (and the most that
any reader could make of it), as a server stores those of its own sidecars, with what the sides that have a record
themselves hold, and with the refused chain and what its verifier trusts shown. Fast, on one
core: records classified a second, from a JSON line to a signature, and as a share of what only decoding those lines
costs in the same run; records diagnosed a second, each alone, from a record to its causes; and whole logs, from lines
to groups, with the sides joined.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle, islice
from time import process_time
from typing import Any

import msgspec

from benchmarks._figures import goal, load, small, tell
from tests.kit.fault_ceiling import ceiling
from tests.kit.fault_records import VECTORS, Seen, failure_of, recorded
from tests.kit.fault_score import SIDES, Given, Scored, scored, share
from trustplane.fault import Place
from trustplane.handshake.diagnosis import diagnose
from trustplane.handshake.failure import Failure, Side
from trustplane.handshake.groups import grouped
from trustplane.handshake.join import Pair
from trustplane.handshake.readers import event
from trustplane.handshake.readers.line import Line
from trustplane.handshake.recognise import recognise

EVENTS = 60_000
ROUNDS = 5


def main() -> None:
    before = load()
    records = [one for path in sorted(VECTORS.glob(_which())) for one in recorded(path.stem)]
    found = list(scored(records))
    figures = {build: _scores([one for one in found if one.build == build]) for build in sorted(_builds(found))}
    # Envoy 1.36 gives no reason for a refusal; its own figures are in by_build.
    explained = [one for one in found if not one.build.startswith("1.36")]
    both = [one for one in explained if one.sides == "both"]
    one_side = [one for one in explained if one.sides != "both"]
    tell(
        "diagnosis",
        {
            **_goals("both_sides", both, 0.95),
            **_goals("one_side", one_side, 0.70),
            "falsely_sure": goal(float(sum(one.falsely_sure for one in found)), below=1),
            "diagnoses": len(found),
            "by_build": figures,
            **_speed(records),
        },
        (before, load()),
    )


def _goals(sides: str, found: Sequence[Scored], least: float) -> dict[str, Any]:
    figures = {given: _of(found, given) for given in Given}
    reached = {f"{sides}_{given.value}": goal(share(of), at_least=least) for given, of in figures.items() if of}
    return {**reached, f"{sides}_text_at_most": ceiling(figures[Given.TEXT])}


def _which() -> str:
    return "openssl.jsonl" if small() else "*.jsonl"


def _builds(found: Sequence[Scored]) -> set[str]:
    return {one.build for one in found}


def _of(found: Sequence[Scored], given: Given) -> list[Scored]:
    return [one for one in found if one.given is given]


def _scores(found: Sequence[Scored]) -> dict[str, Any]:
    return {
        sides: {
            **{given.value: share(of) for given in Given if (of := _of(own, given))},
            "text_at_most": ceiling(own),
            "or_says_who_knows": share(_of(own, Given.TEXT), deferring=True),
        }
        for sides, own in ((sides, [one for one in found if one.sides == sides]) for sides in SIDES)
        if own
    }


def _speed(records: Sequence[Seen]) -> dict[str, Any]:
    """The best of some rounds: other work on the machine only ever slows one down."""
    encoded = [msgspec.json.encode(event.shape_of(failure_of(one))).decode() for one in records]
    count = EVENTS // 20 if small() else EVENTS
    texts = list(islice(cycle(encoded), count))
    lines = [Line(text, Place("events", 1)) for text in texts]
    pairs = [_alone(one) for one in event.read(lines)]
    rounds = [
        (_floor(texts), _classified(lines), _diagnosed(pairs), _grouped(lines)) for _ in range(1 if small() else ROUNDS)
    ]
    floor, cost, diagnosed, whole = (min(each) for each in zip(*rounds, strict=True))
    return {
        "diagnosed_a_core_second": goal(round(count / diagnosed), at_least=20_000),
        "from_lines_to_groups_a_core_second": round(count / whole),
        "classified_a_core_second": goal(round(count / cost), at_least=20_000),
        "floor_a_core_second": round(count / floor),
        "share_of_floor": round(floor / cost, 3),
    }


def _floor(texts: Sequence[str]) -> float:
    begun = process_time()
    for text in texts:
        msgspec.json.decode(text)
    return process_time() - begun


def _classified(lines: Sequence[Line]) -> float:
    begun = process_time()
    for failure in event.read(lines):
        recognise(failure)
    return process_time() - begun


def _alone(failure: Failure) -> Pair:
    return Pair(failure, None) if failure.side is Side.CLIENT else Pair(None, failure)


def _diagnosed(pairs: Sequence[Pair]) -> float:
    begun = process_time()
    for pair in pairs:
        diagnose(pair)
    return process_time() - begun


def _grouped(lines: Sequence[Line]) -> float:
    begun = process_time()
    grouped(event.read(lines))
    return process_time() - begun


if __name__ == "__main__":
    main()

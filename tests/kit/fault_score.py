"""How often a diagnosis of recorded faults names the injected fault, and whether it was ever sure and wrong."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from tests.kit.fault_records import Seen, by_case, held_of, pair_of, state_of
from tests.kit.fault_stored import is_kept, pair_kept
from tests.kit.faults import Fault, all_faults, cause_for
from trustplane.handshake.diagnosis import Diagnosis, diagnose
from trustplane.handshake.failure import Side, Tls
from trustplane.handshake.known import Known


class Given(Enum):
    TEXT = "text"  # the records alone
    STORED = "stored"  # as a server keeps those of its own sidecars, with what its issuer knows
    HELD = "held"  # and what each side that has a record itself holds
    SHOWN = "shown"  # and the refused chain, with what its verifier trusts


# What one side can honestly say where only the other side's record has the reason.
DEFERS = {"rejected-by-server", "rejected-by-client"}


@dataclass(frozen=True)
class Scored:
    """One diagnosis of one injected fault. `given` says what was at hand beside the records."""

    build: str
    fault: Fault
    tls: Tls
    sides: str
    given: Given
    diagnosis: Diagnosis

    @property
    def right(self) -> bool:
        return self.diagnosis.cause == cause_for(self.fault, self.build)

    @property
    def deferred(self) -> bool:
        return self.diagnosis.cause in DEFERS

    @property
    def falsely_sure(self) -> bool:
        return self.diagnosis.sure and not self.right


SIDES = {"both": tuple(Side), "client": (Side.CLIENT,), "server": (Side.SERVER,)}


def scored(records: Sequence[Seen]) -> Iterator[Scored]:
    """Every fault with both records and with each alone, where they were written; by all that may be at hand."""
    faults = {fault.name: fault for fault in all_faults()}
    for (build, name, tls), seen in sorted(by_case(records).items(), key=lambda one: (*one[0][:2], one[0][2].value)):
        written = {one.side for one in seen}
        for sides, wanted in SIDES.items():
            if not written >= set(wanted):
                continue
            for given in Given:
                if given is Given.STORED and not all(is_kept(faults[name], one) for one in seen if one.side in wanted):
                    continue
                yield Scored(build, faults[name], tls, sides, given, _diagnosed(faults[name], seen, wanted, given))


def _diagnosed(fault: Fault, seen: Sequence[Seen], sides: Sequence[Side], given: Given) -> Diagnosis:
    pair, build = pair_of(seen, sides), seen[0].build
    match given:
        case Given.TEXT:
            return diagnose(pair)
        case Given.STORED:
            return diagnose(*pair_kept(fault, [one for one in seen if one.side in sides]))
        case Given.HELD:
            return diagnose(pair, Known(held=held_of(fault, seen[0].tls, build, sides)))
        case Given.SHOWN:
            return diagnose(pair, Known(state_of(fault)))


def share(of: Iterable[Scored], *, deferring: bool = False) -> float:
    every = list(of)
    right = sum(one.right or (deferring and one.deferred) for one in every)
    return round(right / len(every), 4) if every else 0.0

"""A reported failure as it is kept: its cause is what diagnosis says of it alone; nothing in its kind is made up."""

from __future__ import annotations

import pytest

from tests.kit.fault_records import VECTORS, Seen, failure_of, recorded
from tests.kit.handshakes import HELD, hidden, refused
from tests.kit.policies import PAYMENTS
from trustplane.handshake.diagnosis import diagnose
from trustplane.handshake.failure import Claims, Side
from trustplane.handshake.join import Pair
from trustplane.handshake.record_shape import decoded, encoded
from trustplane.handshake.reported import Reported
from trustplane.handshake.stored import stored
from trustplane.spiffe.names import NodeName

NODE = NodeName("node-a")


@pytest.mark.parametrize("build", sorted(path.stem for path in VECTORS.glob("*.jsonl")))
def test_the_cause_of_every_recorded_fault_is_what_diagnosis_says_of_that_side_alone(build: str) -> None:
    def alone(seen: Seen) -> Pair:
        return Pair(failure_of(seen), None) if seen.side is Side.CLIENT else Pair(None, failure_of(seen))

    for seen in recorded(build):
        one = stored(NODE, Reported(PAYMENTS, failure_of(seen), HELD))
        diagnosis = diagnose(alone(seen))
        assert (one.kind.signature, one.kind.cause) == (diagnosis.signature, diagnosis.cause), seen


def test_a_record_comes_back_from_its_json() -> None:
    for reported in (refused(), hidden(), refused(text="never seen", times=7)):
        one = stored(NODE, reported)
        assert decoded(encoded(one)) == one


@pytest.mark.parametrize("claimed", ["", "spiffe://x/../y", "spiffe://acme.example/" + "a" * 600, "\x1b[31m", "web"])
def test_a_name_that_is_none_is_no_part_of_a_kind(claimed: str) -> None:
    kind = stored(NODE, refused(theirs=Claims(claimed, issuer_key="<script>"))).kind
    assert (kind.peer, kind.issuer) == ("", "")


def test_kinds_that_differ_have_names_that_differ() -> None:
    kinds = {stored(NODE, one).kind.id for one in (refused(), hidden(), refused(tls=None), refused(build=(1, 2)))}
    assert len(kinds) == 4
    assert stored(NODE, refused()).kind.id == stored(NODE, refused(port=9)).kind.id

"""The lab's server knows what a server would, and a diagnosis of what it keeps names what text alone does not."""

from __future__ import annotations

import pytest

from tests.kit.fault_records import by_case, recorded
from tests.kit.fault_score import Given, scored, share
from tests.kit.fault_stored import is_kept, pair_kept
from tests.kit.faults import all_faults
from trustplane.handshake.diagnosis import diagnose
from trustplane.handshake.failure import Side, Tls

FAULTS = {one.name: one for one in all_faults()}
SEEN = by_case(recorded("envoy-1.40.0"))


def kept(fault: str, tls: Tls, *sides: Side) -> tuple[str, bool]:
    seen = [one for one in SEEN["1.40.0", fault, tls] if one.side in sides]
    found = diagnose(*pair_kept(FAULTS[fault], seen))
    return found.cause, found.sure


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        ("expired-client", "leaf-expired"),
        ("expired-issuer-client", "issuer-expired"),
        ("expired-root", "root-expired"),
        ("revoked", "revoked"),
        ("unknown-root-client", "unknown-issuer"),
    ],
)
def test_a_silent_refusal_is_explained_by_what_the_issuer_knows_of_the_clients_own_leaf(fault: str, cause: str) -> None:
    assert kept(fault, Tls.V1_3, Side.CLIENT) == (cause, False)


def test_what_only_the_other_side_has_is_still_asked_of_it() -> None:
    assert kept("pin", Tls.V1_3, Side.CLIENT) == ("rejected-by-server", False)


def test_a_sidecar_of_another_domain_reports_to_another_server() -> None:
    seen = {one.side: one for one in SEEN["1.40.0", "other-domain-client", Tls.V1_3]}
    assert {side: is_kept(FAULTS["other-domain-client"], one) for side, one in seen.items()} == {
        Side.CLIENT: False,
        Side.SERVER: True,
    }


def test_records_of_a_mesh_reach_the_aims_and_none_is_sure_and_wrong() -> None:
    found = [one for one in scored(recorded("envoy-1.39.3")) if one.given is Given.STORED]
    assert share(one for one in found if one.sides == "both") >= 0.95
    assert share(one for one in found if one.sides != "both") >= 0.70
    assert [one.fault.name for one in found if one.falsely_sure] == []

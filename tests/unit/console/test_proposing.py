from __future__ import annotations

from datetime import timedelta

import pytest

from tests.kit.dry_runs import RUN
from tests.kit.server_door import NOON, WEB
from trustplane.console.proposing import FORMS, act_of
from trustplane.fault import Refused
from trustplane.people.proposed_act import Act, ActKind
from trustplane.verdict.dry_run import DryRun


def tried() -> DryRun:
    return RUN


def made(kind: ActKind, **fields: str) -> Act:
    return act_of(kind, fields, tried, NOON)


def test_every_act_has_a_form_and_makes_an_act_of_its_kind() -> None:
    assert set(FORMS) == set(ActKind)
    of = {ActKind.WAIVE_PARTICIPANT: "agent node-a", ActKind.REVOKE_ID: str(WEB), ActKind.REVOKE_ISSUER: "5c" * 32}
    for kind in ActKind:
        assert made(kind, of=of.get(kind, RUN.id), why="meant").kind is kind


def test_what_is_filled_in_is_what_is_proposed() -> None:
    revoked = made(ActKind.REVOKE_ID, of=str(WEB), reason="superseded", why="INC-7")
    assert dict(revoked.terms) == {"id": str(WEB), "reason": "superseded", "note": "INC-7"}
    assert made(ActKind.START_ROOT_CHANGE, why="stolen", emergency="yes")["emergency"] == "yes"
    assert made(ActKind.START_ROOT_CHANGE, why="yearly")["emergency"] == "no"
    assert made(ActKind.REVOKE_ISSUER, of="5c" * 32, compromised="yes")["compromised"] == "yes"
    waived = made(ActKind.WAIVE_PARTICIPANT, of="agent a", why="sold", owner="ops", until="2030-01-31")
    assert waived["until"] == "2030-01-31T00:00:00+00:00"
    promoted = made(ActKind.PROMOTE_DRY_RUN, of=RUN.id, hours="2", least="0", expected="idle refund payments\r\n\n")
    assert (promoted["after"], promoted["least"]) == (str(timedelta(hours=2).total_seconds()), "0")
    assert (promoted["expected"], promoted["digest"]) == ("idle refund payments", RUN.digest)


@pytest.mark.parametrize(
    ("kind", "fields", "code"),
    [
        (ActKind.REVOKE_ID, {"of": "web"}, "id-"),
        (ActKind.REVOKE_ID, {"of": str(WEB), "reason": "because"}, "unknown-revocation-reason"),
        (ActKind.PROMOTE_DRY_RUN, {"hours": "-1"}, "bad-condition"),
        (ActKind.PROMOTE_DRY_RUN, {"hours": "999"}, "bad-condition"),
        (ActKind.WAIVE_PARTICIPANT, {"of": "agent a", "until": "soon"}, "bad-day"),
        (ActKind.WAIVE_PARTICIPANT, {"of": "somebody"}, "bad-participant"),
    ],
)
def test_what_an_act_is_not_made_of_is_refused(kind: ActKind, fields: dict[str, str], code: str) -> None:
    with pytest.raises(Refused) as refusal:
        made(kind, **fields)
    assert refusal.value.code.startswith(code) or code == "id-"

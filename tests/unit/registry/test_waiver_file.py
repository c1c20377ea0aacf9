from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from tests.kit.repository import findings, only, repository
from trustplane.fault import Refused
from trustplane.registry.budgets import BudgetRule, ProfileName, Waiver
from trustplane.registry.repository import read
from trustplane.spiffe.names import ServiceName

STRICT = "trust_domain: acme.example\nmttd: 30m\n"
GOOD = """\
waives: outlives-detection
profile: standard
reason: the terminals renew once an hour; replaced in March
owner: shop-team
until: 2030-03-31
"""


def with_waiver(text: str, name: str = "terminals") -> dict[str, bytes]:
    files = repository(trustdomain=STRICT)
    return {**files, f"waivers/{name}.yaml": text.encode()}


def test_a_waiver_says_what_for_whom_why_by_whom_and_until_when() -> None:
    assert read(with_waiver(GOOD)).waivers == {
        "terminals": Waiver(
            "terminals",
            BudgetRule.OUTLIVES_DETECTION,
            ProfileName("standard"),
            "the terminals renew once an hour; replaced in March",
            "shop-team",
            date(2030, 3, 31),
        )
    }


def test_a_waiver_may_be_for_one_service() -> None:
    files = repository(trustdomain=STRICT)
    for service in ("web", "payments"):
        text = GOOD.replace("profile: standard", f"service: shop/{service}")
        files[f"waivers/{service}-terminals.yaml"] = text.encode()
    assert read(files).waivers["web-terminals"].target == ServiceName("shop", "web")


@pytest.mark.parametrize(
    ("old", "new", "code", "line"),
    [
        ("waives: outlives-detection", "waives: outlives-detektion", "unknown-value", 1),
        ("waives: outlives-detection\n", "", "missing-key", 1),
        ("profile: standard\n", "", "waiver-target", 1),
        ("profile: standard", "profile: standard\nservice: shop/web", "waiver-target", 1),
        ("profile: standard", "service: web", "bad-name", 2),
        ("profile: standard", "profile: {a: b}", "wrong-type", 2),
        ("reason: the terminals renew once an hour; replaced in March", 'reason: "   "', "bad-reason", 1),
        ("reason: the", "reason: " + "x" * 500, "bad-reason", 1),
        ("owner: shop-team", "owner: shop team", "bad-owner", 4),
        ("until: 2030-03-31", "until: 2030-02-30", "bad-day", 5),
        ("until: 2030-03-31", "until: 31.3.2030", "wrong-type", 5),
        ("until: 2030-03-31", "until: 20300331", "wrong-type", 5),
        ("until: 2030-03-31", "until: 2030-03-31T12:00:00", "wrong-type", 5),
        ("until: 2030-03-31", "untill: 2030-03-31", "unknown-key", 5),
        ("until: 2030-03-31", "until: 0000-01-01", "bad-day", 5),
        ("owner: shop-team\n", "", "missing-key", 1),
    ],
)
def test_what_is_wrong_is_named_with_its_place(old: str, new: str, code: str, line: int) -> None:
    assert old in GOOD
    found = {one.code: one for one in findings(with_waiver(GOOD.replace(old, new)))}
    place = found[code].place
    assert place
    assert (place.file, place.line) == ("waivers/terminals.yaml", line)
    assert "outlives-detection" not in found, "what an unreadable waiver would excuse is not reported besides"


def test_a_waiver_needs_a_plain_name() -> None:
    assert only(with_waiver(GOOD, "Terminals")).code == "bad-name"


def test_the_last_day_of_a_waiver_counts_whole() -> None:
    waiver = read(with_waiver(GOOD)).waivers["terminals"]
    assert not waiver.has_ended(datetime(2030, 3, 31, 23, 59, 59, tzinfo=UTC))
    assert waiver.has_ended(datetime(2030, 4, 1, tzinfo=UTC))


def test_a_waiver_value_checks_itself() -> None:
    waiver = read(with_waiver(GOOD)).waivers["terminals"]
    with pytest.raises(Refused, match="bad-name"):
        replace(waiver, name="../x")
    with pytest.raises(Refused, match="bad-reason"):
        replace(waiver, reason="")

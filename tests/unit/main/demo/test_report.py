from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from trustplane.main.demo.log import Line, Tally
from trustplane.main.demo.report import Renewals, report
from trustplane.main.demo.traffic import Counts
from trustplane.wire.http_shapes import AgentEntryShape, AgentStatusShape

NOW = datetime(2030, 1, 1, tzinfo=UTC)
WEB, PAY = "spiffe://shop.example/web", "spiffe://shop.example/payments"


def status(*serials: str | None) -> AgentStatusShape:
    entries = tuple(
        AgentEntryShape(
            spiffe_id=f"spiffe://shop.example/{number}",
            service=f"shop/{number}",
            profile="standard@1",
            serial=serial,
            not_after=NOW + timedelta(seconds=60),
            renew_at=NOW,
            renewals=0,
            last_error=None,
        )
        for number, serial in enumerate(serials)
    )
    return AgentStatusShape(
        node="demo", trust_domain="shop.example", version="1", now=NOW, started_at=NOW, server=None, server_state="",
        server_error=None, disconnected_since=None, node_serial=None, node_expires_at=None, revision=1, view_digest="d",
        entries=entries, sidecars=(), workloads=0, workload_socket="", xds_socket="",
    )  # fmt: skip


def test_each_new_serial_after_the_first_is_one_renewal() -> None:
    renewals = Renewals()
    for seen in (status(None, "x"), status("a", "x"), status("a", "y"), status("b", "y"), status("b", "y")):
        renewals.look(seen)
    assert renewals.per_service == {"shop/0": 1, "shop/1": 1}


def test_a_look_answers_what_was_renewed_since_the_last() -> None:
    renewals = Renewals()
    assert renewals.look(status("a")) == []
    assert [one.serial for one in renewals.look(status("b"))] == ["b"]
    assert renewals.look(status("b")) == []


def good() -> tuple[Counts, Tally]:
    tally = Tally()
    for log in ("inbound", "outbound"):
        tally.count(Line(log, 200, "TLSv1.3", WEB, PAY, "127.0.0.1:1", "a"))
    counts = Counts(refused=1, first_at=10.0, began_at=11.0)
    counts.ok()
    return counts, tally


def test_a_run_in_which_everything_worked_went_well() -> None:
    counts, tally = good()
    found = report(8.0, counts, tally, Renewals(), 5)
    assert found.went_well
    assert found.seconds_to_first_request == 2.0


@pytest.mark.parametrize("spoil", ["failed", "nothing refused", "clear text", "no request"])
def test_one_thing_amiss_is_not_well(spoil: str) -> None:
    counts, tally = good()
    match spoil:
        case "failed":
            counts.wrong("POST /order: 503")
        case "nothing refused":
            counts.refused = 0
        case "clear text":
            tally.count(Line("inbound", 200, None, None, None))
        case _:
            counts.requests = 0
    assert not report(8.0, counts, tally, Renewals(), 5).went_well

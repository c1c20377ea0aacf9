"""What the failures in a fleet's logs have in common."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tests.kit.fleet_logs import BEGAN, EXPIRED, identity, outbound, write_fleet
from trustplane.cli.fleet_text import fleet_text
from trustplane.fault import Place
from trustplane.flows.records.diagnose import Window, rank_logs
from trustplane.handshake.readers import access_log
from trustplane.handshake.readers.line import Line
from trustplane.host.log_files import LogFile
from trustplane.wire.http_fleet import fleet_shape

OPEN = Window()


def ranked(paths: list[Path], window: Window = OPEN) -> str:
    return fleet_text(fleet_shape(rank_logs([LogFile(str(path)) for path in paths], None, window).ranking, 0))


def test_a_callee_that_everyone_refuses_is_named_with_its_address(tmp_path: Path) -> None:
    said = ranked(write_fleet(tmp_path, {"10.0.0.3"}))
    assert said.startswith("All 33 failures are server address 10.0.0.3 (expected by chance 3; p < 1e-13)")
    assert "11 of 11 that fail, 11 of all (8.3%)" in said
    assert "33 leaf-expired" in said
    assert identity("service-3") in said


def test_two_causes_are_two_findings(tmp_path: Path) -> None:
    paths = write_fleet(tmp_path, {"10.0.0.3", "10.0.0.7"})
    found = fleet_shape(rank_logs([LogFile(str(path)) for path in paths], None, OPEN).ranking, 0)
    assert {one.values[0].value for one in found.findings} == {"10.0.0.3", "10.0.0.7"}
    assert (found.unexplained_links, found.why_not_more) == (0, "")


def test_one_broken_link_is_no_pattern(tmp_path: Path) -> None:
    paths = write_fleet(tmp_path, {})
    record = outbound(("service-0", "10.0.0.0"), ("service-3", "10.0.0.3"), BEGAN, EXPIRED)
    with paths[0].open("ab") as log:
        log.write(msgspec.json.encode(record) + b"\n")
    assert ranked(paths) == (
        "nothing is claimed of 1 failure on 1 link: too few are left to compare: 1 of the 3 that it takes"
    )


def test_without_anything_that_works_nothing_is_claimed(tmp_path: Path) -> None:
    paths = write_fleet(tmp_path, {f"10.0.0.{host}" for host in range(12)}, nodes=12)
    assert "without something that works, nothing can be compared" in ranked(paths, Window(BEGAN.replace(second=20)))


@pytest.mark.parametrize(
    "text",
    ["{", '{"log":"outbound","peer_id":7}', '{"log":["inbound"],"peer_id":"x"}', '{"' * 9000, '{"log":"inbound"}'],
)
def test_a_line_that_no_proxy_wrote_worked_for_nobody(text: str) -> None:
    assert access_log.worked(Line(text, Place("log", 1))) is None

"""Rules, dashboards and runbooks are copied whole, with links that lead somewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from trustplane.fault import Refused
from trustplane.host.alert_files import shipped, write

BASE = "https://git.example.com/ops/runbooks"


def test_everything_is_written_and_alerts_link_to_the_runbooks(tmp_path: Path) -> None:
    written = write(tmp_path / "monitoring", BASE)
    found = shipped()
    assert [one.name for one in written] == [one.name for one in (*found.rules, *found.dashboards, *found.runbooks)]
    rules = (tmp_path / "monitoring/prometheus/trustplane-alerts.yaml").read_text()
    assert "runbooks.invalid" not in rules
    links = {line.split()[1] for line in rules.splitlines() if "runbook_url:" in line}
    assert links == {f"{BASE}/{one.runbook}.md" for one in found.alerts}
    assert all((tmp_path / "monitoring/runbooks" / f"{one.runbook}.md").is_file() for one in found.alerts)


def test_what_is_there_is_replaced_whole_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    (tmp_path / "prometheus").mkdir()
    (tmp_path / "prometheus/trustplane-alerts.yaml").write_text("of before")
    first = write(tmp_path, BASE)
    assert write(tmp_path, f"{BASE}/") == first
    assert sorted(one for one in tmp_path.rglob("*") if one.is_file()) == sorted(first)
    assert "of before" not in (tmp_path / "prometheus/trustplane-alerts.yaml").read_text()


@pytest.mark.parametrize(
    "address",
    ["", "runbooks/", "ftp://x/", "javascript:alert(1)", "https://", "https://x/'\n  expr: up", "https://x/<b>"],
)
def test_what_is_no_address_is_refused(tmp_path: Path, address: str) -> None:
    with pytest.raises(Refused, match="bad-runbooks-address"):
        write(tmp_path, address)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_to_is_refused(tmp_path: Path) -> None:
    (tmp_path / "prometheus").write_text("a file")
    with pytest.raises(Refused, match="alerts-not-written"):
        write(tmp_path, BASE)

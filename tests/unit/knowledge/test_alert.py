"""Alerts say what, why, what to type and which runbook, and every runbook knows the alerts that send people to it."""

from __future__ import annotations

import json
import re
import shlex

import pytest

from tests.unit.knowledge.test_runbooks import RUNBOOKS, leads_to_a_command
from trustplane.fault import Refused
from trustplane.host.alert_files import shipped
from trustplane.knowledge.alert import Alert, alerts_of
from trustplane.main.metrics.shown import AGENT, SERVER

SHIPPED = shipped()
ALERTS = {one.name: one for one in SHIPPED.alerts}
DASHBOARDS = {one.stem: json.loads(one.read_text()) for one in SHIPPED.dashboards}
NAMES = {one.shown_as for one in (*SERVER, *AGENT)}
METRIC = re.compile(r"\btrustplane_[a-z0-9_]+")
RECORD = re.compile(r"\btrustplane:[a-z0-9_:]+")
RECORDED = set(re.findall(r"record: (\S+)", "".join(one.read_text() for one in SHIPPED.rules)))
UNITS = {"s", "short", "percentunit", "ops"}
GOOD = b"""groups:
- rules:
  - {record: "a:b", expr: up}
  - alert: A
    expr: up == 0
    labels: {severity: page}
    annotations: {summary: S, why: W, type: T, runbook_url: "https://runbooks.invalid/r.md"}
"""


@pytest.mark.parametrize("alert", ALERTS.values(), ids=lambda one: one.name)
def test_an_alert_leads_to_a_command_and_a_runbook_that_names_it(alert: Alert) -> None:
    assert leads_to_a_command(shlex.split(alert.command)[1:])
    assert alert.name in RUNBOOKS[alert.runbook].alerts
    assert "{{" in alert.summary or alert.name == "TrustplaneServerAbsent", "a number, or a name, where there is one"


def test_runbooks_name_no_alert_that_there_is_not() -> None:
    named = {alert: one.slug for one in RUNBOOKS.values() for alert in one.alerts}
    assert named == {one.name: one.runbook for one in ALERTS.values()}


def test_rules_name_metrics_and_records_that_exist() -> None:
    text = "".join(one.read_text() for one in SHIPPED.rules)
    assert set(METRIC.findall(text)) <= NAMES
    assert set(RECORD.findall(text)) == RECORDED


@pytest.mark.parametrize("name", DASHBOARDS)
def test_a_panel_has_title_unit_meaning_and_place_and_names_what_exists(name: str) -> None:
    dashboard = DASHBOARDS[name]
    assert dashboard["uid"] == name
    places: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        assert panel["title"]
        assert panel["description"]
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
        queries = " ".join(target["expr"] for target in panel["targets"])
        assert set(METRIC.findall(queries)) <= NAMES, panel["title"]
        assert set(RECORD.findall(queries)) <= RECORDED, panel["title"]
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & places, panel["title"]
        assert at["x"] + at["w"] <= 24
        places |= cells
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])


def test_a_rule_is_read() -> None:
    assert alerts_of("some.yaml", GOOD) == (Alert("A", "page", "up == 0", "", "S", "W", "T", "r"),)


@pytest.mark.parametrize(
    ("before", "after"),
    [(b"page", b"loud"), (b"why: W, ", b""), (b"type: T", b"typ: T"), (b"summary: S", b"summary: ''")],
)
def test_an_alert_that_lacks_something_is_refused(before: bytes, after: bytes) -> None:
    with pytest.raises(Refused, match="bad-alert"):
        alerts_of("some.yaml", GOOD.replace(before, after))


@pytest.mark.parametrize("content", [b"[]", b"groups: {a: b}", b"groups: [x]", b"groups: [{rules: [[]]}]"])
def test_what_has_no_alerts_has_none(content: bytes) -> None:
    assert alerts_of("some.yaml", content) == ()

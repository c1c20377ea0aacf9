"""Every alert is evaluated by Prometheus' own tool over recorded fleets: silent where all is well, in time where not.

The rules are then spoilt, each in the way that would be overlooked in a review, and the difference must be seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest
import yaml

from tests.kit.alert_page import PAGE, PROVED, page, proved
from tests.kit.alert_stories import STORIES, VECTORS
from tests.kit.promtool import Fired, Recording, check_metrics, check_rules, fired
from trustplane.host.alert_files import shipped
from trustplane.main.metrics.measure import Kind, Measure
from trustplane.main.metrics.shown import AGENT, SERVER

pytestmark = [pytest.mark.xdist_group("promtool"), pytest.mark.timeout(900)]
SHIPPED = shipped()
RECORDINGS = {name: Recording.read(VECTORS / f"{name}.json") for name in STORIES}
Seen = Mapping[str, Mapping[str, Fired]]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    folder = tmp_path_factory.mktemp("promtool")
    return {name: fired(SHIPPED.rules, one, folder) for name, one in RECORDINGS.items()}


def test_rules_and_names_of_metrics_are_as_prometheus_wants_them() -> None:
    assert "FAILED" not in check_rules(*SHIPPED.rules)
    for shown_at_one_place in (SERVER, AGENT):
        assert check_metrics("".join(map(_exposed, shown_at_one_place))) == ""
    assert "should have" in check_metrics("# HELP runs Runs\n# TYPE runs counter\nruns 1\n"), "it does lint"


@pytest.mark.parametrize("name", STORIES)
def test_over_a_fleet_exactly_what_should_fires_and_in_time(name: str, seen: Seen) -> None:
    due = STORIES[name].fires
    assert sorted(seen[name]) == sorted(due)
    late = {alert: when.first for alert, when in seen[name].items() if when.first > due[alert]}
    assert late == {}, f"minutes, against {due}"


def test_every_alert_fires_on_something_and_the_page_says_what(seen: Seen) -> None:
    assert {one.name for one in SHIPPED.alerts} == {alert for found in seen.values() for alert in found}
    told = page(SHIPPED.alerts, list(RECORDINGS.values()), seen)
    assert PAGE.read_text() == told, "scripts/prove_alerts.py writes it anew"
    assert PROVED.read_text() == proved(SHIPPED.alerts, seen), "scripts/prove_alerts.py writes it anew"


def test_what_is_not_repaired_goes_on_firing(seen: Seen) -> None:
    """But for those that announce something, which then happens and is told by another."""
    announce = {"TrustplaneRenewalsLate", "TrustplaneLeavesExpireBeforeRepair", "TrustplaneOutageBudgetShort"}
    ended = {(name, alert) for name, found in seen.items() for alert, when in found.items() if not when.at_end}
    assert {one for one in ended if one[1] not in announce} == {("crl-not-signed", "TrustplaneChainEnds")}
    for name, alert in ended:
        assert any(when.at_end for other, when in seen[name].items() if other != alert), name


# How a rule is spoilt: the alert, what stands there and what in its place, and over which fleet that shows.
TAKEN_AWAY = [  # a guard or a threshold: it fires where it must be silent
    ("TrustplaneRenewalsLate", "increase30m >= 3", "increase30m >= 0", "node-off"),
    ("TrustplaneLeavesExpireBeforeRepair", "and trustplane:cohort_failing:leaves", "", "node-off"),
    ("TrustplaneLeavesLost", "and trustplane:cohort_failing:leaves", "", "node-off"),
    ("TrustplaneClusterAway", ">= 2 and max by (cluster) (trustplane_agents_away) > 0.5 *", "> 0.2 *", "node-off"),
    ("TrustplaneRenewalSlackLow", "< 0.1", "< 0.6", "short-outage"),
    ("TrustplaneOutageBudgetShort", "< scalar", "< 10 * scalar", "short-outage"),
    ("TrustplaneServerAbsent", "absent(trustplane_revision)", "absent(trustplane_revisions)", "short-outage"),
    ("TrustplaneChainEnds", "< 7 * 86400", "< 25 * 86400", "root-old"),
]
TURNED_OFF = [  # it is silent where it must fire
    ("TrustplaneRenewalsLate", "> 0.05", "> 1.05", "issuer-away"),
    ("TrustplaneLeavesExpireBeforeRepair", "< scalar", "< 0 * scalar", "issuer-away"),
    ("TrustplaneLeavesLost", "> 0 and", "> 99 and", "issuer-away"),
    ("TrustplaneLeafNotRenewed", "> 0", "> 99", "issuer-away"),
    ("TrustplaneRenewalSlackLow", "< 0.1", "< 0", "issuer-away"),
    ("TrustplaneOutageBudgetShort", "max(trustplane_mttr_seconds) > 0", "max(trustplane_mttr) > 0", "issuer-away"),
    ("TrustplaneRequestsRefused", "> 0.2 *", "> 2 *", "all-refused"),
    ("TrustplaneFiguresStale", "> 600", "> 60000", "database-away"),
    ("TrustplaneClusterAway", "> 0.5 *", "> 1.5 *", "cluster-cut-off"),
    ("TrustplaneAgentsAway", "> 900", "> 90000", "cluster-cut-off"),
    ("TrustplaneServerAbsent", "absent(trustplane_revision)", "trustplane_revision == -1", "server-away"),
    ("TrustplaneServedNotIssued", "> 600", "> 60000", "proxies-stuck"),
    ("TrustplaneBundleBehind", "> 900", "> 90000", "bundle-stuck"),
    ("TrustplaneResourcesRefused", "> 0", "> 99", "configuration-refused"),
    ("TrustplaneProxiesInDoubt", "> 0", "> 99", "proxies-in-doubt"),
    ("TrustplaneClocksOff", "> 0", "> 99", "clock-slow"),
    ("TrustplaneAuthorityChangeMissing", "/ 10", "* 10", "authority-kept"),
    ("TrustplaneRevocationNotInForce", "> 0", "> 99", "crl-not-signed"),
    ("TrustplaneChainEnds", "< 7 * 86400", "< 5 * 86400", "root-ends"),
    ("TrustplaneRootEndsSoon", "< 30 * 86400", "< 10 * 86400", "root-old"),
    ("TrustplaneRotationStuck", "> 6 * 3600", "> 60 * 3600", "rotation-waits"),
    ("TrustplaneFederationFailing", "> 3600", "> 36000", "partner-away"),
]


@pytest.mark.parametrize(("spoilt", "fires"), [(TAKEN_AWAY, True), (TURNED_OFF, False)], ids=["guards", "thresholds"])
def test_a_rule_that_is_spoilt_is_noticed(spoilt: list[tuple[str, str, str, str]], fires: bool, tmp_path: Path) -> None:  # noqa: FBT001 - a parameter
    rules = _spoilt(spoilt, tmp_path)
    over = {name: fired(rules, RECORDINGS[name], tmp_path) for name in sorted({one[3] for one in spoilt})}
    unnoticed = [(alert, name) for alert, _, _, name in spoilt if (alert in over[name]) is not fires]
    assert unnoticed == []
    assert all((alert in STORIES[name].fires) is not fires for alert, _, _, name in spoilt)


def test_every_alert_has_a_threshold_that_was_turned_off() -> None:
    assert {one[0] for one in TURNED_OFF} == {one.name for one in SHIPPED.alerts}


@pytest.mark.parametrize("name", ["short-outage", pytest.param("proxies-stuck", marks=pytest.mark.long)])
def test_a_recording_made_anew_is_the_one_kept(name: str) -> None:
    assert STORIES[name].story.record(name) == RECORDINGS[name], "scripts/record_alert_fleets.py makes them all anew"


def _spoilt(spoilt: Iterable[tuple[str, str, str, str]], folder: Path) -> list[Path]:
    """The shipped rules with each of these alerts changed once."""
    rules = []
    for rule in SHIPPED.rules:
        tree = yaml.safe_load(rule.read_text())
        for one in (one for group in tree["groups"] for one in group["rules"]):
            for alert, before, after, _ in spoilt:
                if one.get("alert") == alert:
                    assert one["expr"].count(before) == 1, (alert, before)
                    one["expr"] = one["expr"].replace(before, after)
        rules.append(folder / rule.name)
        rules[-1].write_text(yaml.safe_dump(tree))
    return rules


def _exposed(one: Measure) -> str:
    labels = ",".join(f'{label}="x"' for label in one.labels)
    kind = "counter" if one.kind is Kind.COUNTER else "gauge"
    name = one.shown_as
    return f"# HELP {name} {one.meaning}\n# TYPE {name} {kind}\n{name}{{{labels}}} 1\n"

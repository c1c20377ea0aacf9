"""The figures of the fleet, of the chain and of an outage, as a server in virtual time shows them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.kit.promtool import Recording
from tests.kit.recorded_fleet import Story
from tests.kit.recorded_world import LIFE, Broken

NOW = timedelta(0)
EAST = 'by="cluster",cohort="east"'
ALL = Broken(NOW, slow_clocks=1, cut_off=1, stuck_bundles=1, refusing=2, doubted=3)


def recorded(broken: Broken, minutes: int) -> Recording:
    return Story("", broken, timedelta(minutes=minutes)).record("x")


@pytest.fixture(scope="module")
def broken() -> Recording:
    return recorded(ALL, 6)


@pytest.mark.parametrize(
    ("figure", "shown"),
    [
        (f"trustplane_cohort_leaves{{{EAST}}}", "8+0x2"),
        (f"trustplane_renewals_late_total{{{EAST}}}", "0+0x2"),
        ('trustplane_cohort_leaves{by="agent",cohort="1.1.0"}', "8+0x2"),
        ('trustplane_cohort_leaves{by="agent",cohort="unknown"}', "2+0x2"),  # of the node that never came
        ('trustplane_agents_away{cluster="east"}', "1+0x2"),
        ('trustplane_agents_away_since_timestamp_seconds{cluster="east"}', "0+0x2"),
        ('trustplane_bundle_holders_behind{cluster="east"}', "1+0x2"),
        ('trustplane_bundle_holders_behind{cluster="west"}', "0+0x2"),
        ('trustplane_resources_refused{kind="listener"}', "2+0x2"),
        ('trustplane_proxies_in_doubt{because="contradicts"}', "3+0x2"),
        ("trustplane_agents_clock_off", "0+0x2"),  # it is cut off, so nobody compares its clock
        ("trustplane_fleet_read_timestamp_seconds", "0+120x2"),
        ('trustplane_chain_expiry_timestamp_seconds{link="issuing"}', "32400+0x2"),
        ('trustplane_chain_expiry_timestamp_seconds{link="crl"}', "7200+0x2"),
        ('trustplane_authority_change_due_timestamp_seconds{kind="jwt"}', "21600+0x2"),
    ],
)
def test_what_is_wrong_is_counted_where_it_is(broken: Recording, figure: str, shown: str) -> None:
    assert broken.series[figure] == shown


def test_while_the_store_is_away_leaves_are_judged_on_and_the_reading_grows_old() -> None:
    minutes = LIFE // timedelta(minutes=1) + 20
    found = recorded(Broken(timedelta(minutes=2), database=True), minutes).series
    samples = minutes // 2
    assert found["trustplane_fleet_read_timestamp_seconds"] == f"0+0x{samples - 1}"
    assert found[f"trustplane_cohort_leaves_lost{{{EAST}}}"].rpartition(" ")[2].startswith(("8", "7"))
    assert found[f"trustplane_renewals_late_total{{{EAST}}}"].rpartition(" ")[2].startswith("8")

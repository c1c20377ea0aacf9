from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace
from datetime import timedelta

from trustplane.flows.simulation.picture import COLUMNS, LEFT, WIDTH, picture
from trustplane.flows.simulation.scenario import Outage, Restart, Rule, Scenario
from trustplane.flows.simulation.simulate import simulate

HOUR = timedelta(hours=1)
HARD = Scenario(workloads=300, length=6 * HOUR, outages=(Outage(2 * HOUR, HOUR),), restarts=(Restart(1, 4 * HOUR),))
SVG = "{http://www.w3.org/2000/svg}"


def test_it_is_one_well_formed_picture_of_all_rules() -> None:
    runs = [simulate(replace(HARD, rule=rule), sampled=True) for rule in (Rule.OURS, Rule.CONSUL)]
    drawn = ET.fromstring(picture(runs))  # noqa: S314 - our own text
    words = [one.text or "" for one in drawn.iter(f"{SVG}text")]
    assert sum("Signatures a second" in one for one in words) == 2
    assert any("leaves expired" in one for one in words)
    for shape in drawn.iter(f"{SVG}polygon"):
        xs = [float(point.split(",")[0]) for point in shape.attrib["points"].split()]
        assert min(xs) >= LEFT
        assert max(xs) <= WIDTH


def test_it_is_the_same_for_the_same_run() -> None:
    assert picture([simulate(HARD, sampled=True)]) == picture([simulate(HARD, sampled=True)])


def test_a_run_of_fewer_slots_than_columns_and_without_events_can_be_drawn() -> None:
    text = picture([simulate(Scenario(workloads=1, length=timedelta(minutes=1)), sampled=True)])
    assert ET.fromstring(text).tag == f"{SVG}svg"  # noqa: S314 - our own text
    assert ">none</text>" in text
    assert COLUMNS > 12

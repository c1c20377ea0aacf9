"""The written story is the machine's own: its phases, whom each waits for, and how long at least."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree as ET

import pytest

from trustplane.rotation.change_root import MakeRoot, PrepareIssuers, Publish, Remake, Retire, Switch
from trustplane.rotation.root_change import LinkBelow, Order, Participant, Phase, RootChange, Seen, Survey, begun
from trustplane.rotation.root_gates import Lack
from trustplane.rotation.root_story import TO_COME, Chapter, story
from trustplane.rotation.root_story_text import COLOURS, NAMED, STYLE, markdown, picture
from trustplane.spiffe.names import ClusterName, NodeName
from trustplane.trust.authority import AuthorityId, AuthorityState

NOON = datetime(2026, 8, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
AGE = timedelta(minutes=15)
OLD = AuthorityId("a" * 64)
OLDS = frozenset({OLD})
CHANGE = begun(1, OLD, Order("ann", "yearly"), NOON)
WEB = Seen(Participant("sidecar shop/web on node-a"), OLDS, frozenset(), OLDS, NOON)
AGENT = Seen(Participant("agent node-a"), OLDS, None, OLDS, NOON)


def survey(*seen: Seen, last_leaf: datetime = NOON + HOUR) -> Survey:
    return Survey({OLD: AuthorityState.ACTIVE}, OLDS, seen, {OLD: last_leaf}, AGE)


def told(change: RootChange = CHANGE, *seen: Seen) -> tuple[Chapter, ...]:
    return story(change, survey(*(seen or (AGENT, WEB))), NOON)


def test_every_phase_is_told_with_its_acts_and_whom_it_waits_for() -> None:
    chapters = {one.phase: one for one in told()}
    assert list(chapters) == [phase for phase in Phase if not phase.is_over]
    acts = [act for one in chapters.values() for act in one.acts]
    assert acts == [
        MakeRoot(),
        PrepareIssuers(TO_COME),
        Publish(TO_COME),
        Switch(OLD, TO_COME),
        Retire(OLD),
    ]
    waited = {phase: [str(each.participant) for each in one.waits] for phase, one in chapters.items()}
    both = ["agent node-a", "sidecar shop/web on node-a"]
    assert (waited[Phase.PUBLISH], waited[Phase.SWITCH], waited[Phase.VERIFY_AGAIN]) == (both, both, both)
    assert waited[Phase.VERIFY] == both[1:], "an agent has no door to knock at"


def test_only_the_drain_has_a_length_and_it_counts_the_last_leaf_and_its_connections() -> None:
    lengths = {one.phase: one.ends - one.begins for one in told() if one.ends > one.begins}
    assert list(lengths) == [Phase.DRAIN]
    assert HOUR + AGE <= lengths[Phase.DRAIN] < HOUR + AGE + timedelta(seconds=1)


def test_a_link_in_use_and_a_participant_in_doubt_are_waited_for_and_do_not_keep_the_story_from_its_end() -> None:
    doubted = replace(WEB, doubt="its /certs shows another leaf")
    links = (LinkBelow(Participant("link web -> pay"), "caller", "0a", OLD, NodeName("node-a"), NOON),)
    chapters = story(CHANGE, replace(survey(AGENT, doubted), links=links), NOON)
    assert [one.phase for one in chapters] == [phase for phase in Phase if not phase.is_over]
    waited = {each.lack for one in chapters for each in one.waits}
    assert {Lack.DOUBT, Lack.LINK} <= waited


def test_where_connections_are_measured_the_drain_is_as_long_as_the_last_leaf() -> None:
    drains = replace(WEB, remade=frozenset())
    chapters = story(CHANGE, replace(survey(AGENT, drains), are_all_measured=True), NOON)
    drain = next(one for one in chapters if one.phase is Phase.DRAIN)
    assert HOUR <= drain.ends - drain.begins < HOUR + timedelta(seconds=1)
    assert [type(one) for one in drain.acts] == [Remake]
    text = markdown(CHANGE, chapters)
    assert "make its connections anew" in text
    assert "waits for 1 that must make every connection anew and show it: sidecar shop/web on node-a" in text


def test_an_emergency_has_no_drain_to_wait_for_and_says_what_it_gives_up() -> None:
    urgent = replace(CHANGE, is_emergency=True)
    chapters = told(urgent)
    assert all(one.ends == one.begins for one in chapters)
    assert "What this emergency gives up" in markdown(urgent, chapters)
    assert "gives up" not in markdown(CHANGE, told())


def test_a_paused_change_is_told_as_if_it_went_on() -> None:
    assert [one.phase for one in told(replace(CHANGE, is_paused=True))] == [one.phase for one in told()]


def test_the_text_names_participants_and_counts_those_it_does_not_name() -> None:
    many = [replace(AGENT, participant=Participant(f"agent node-{number:03}")) for number in range(NAMED + 3)]
    text = markdown(CHANGE, told(CHANGE, *many))
    assert f"waits for {NAMED + 3} that must take up the bundle with both roots: agent node-000" in text
    assert "and 3 more" in text
    assert "takes at least 1 h 15 min" in text


def test_the_text_names_clusters_where_there_are_any() -> None:
    east = [replace(one, cluster=ClusterName("east")) for one in (AGENT, WEB)]
    other = replace(AGENT, participant=Participant("agent node-b"))
    lines = markdown(CHANGE, told(CHANGE, *east, other)).splitlines()
    at = lines.index("- waits for 3 that must take up the bundle with both roots:")
    assert lines[at + 1] == "  - cluster east, 2: agent node-a, sidecar shop/web on node-a"
    assert lines[at + 2] == "  - no cluster, 1: agent node-b"


def light(colour: str) -> float:
    """Relative luminance (WCAG 2.2)."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("colour", COLOURS.values())
def test_white_words_can_be_read_on_every_colour(colour: str) -> None:
    assert 1.05 / (light(colour) + 0.05) >= 4.5


def test_what_is_drawn_on_the_page_follows_a_dark_one() -> None:
    drawn = picture(told(CHANGE))
    assert "prefers-color-scheme:dark" in drawn
    assert "#222222" not in drawn.replace(STYLE, ""), "nothing on the page has a colour of its own"


@pytest.mark.parametrize("change", [CHANGE, replace(CHANGE, is_emergency=True)])
def test_the_picture_is_whole_and_has_every_phase(change: RootChange) -> None:
    drawn = ET.fromstring(picture(told(change)))  # noqa: S314 - our own text
    texts = [one.text for one in drawn.iter("{http://www.w3.org/2000/svg}text")]
    phases = {phase.value for phase in Phase}
    assert [one for one in texts if one in phases] == [phase.value for phase in Phase if not phase.is_over]
    width = float(drawn.attrib["width"])
    for bar in drawn.iter("{http://www.w3.org/2000/svg}rect"):
        assert float(bar.attrib.get("x", 0)) + float(bar.attrib["width"]) <= width

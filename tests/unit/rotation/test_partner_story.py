"""The story for other trust domains is the machine's: who is waited for in which phase, by which rule, until when."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from xml.etree import ElementTree as ET

from tests.kit.clock import START
from trustplane.rotation.partner_story import Setting, Terms, story_picture, story_text
from trustplane.rotation.root_change import Order, Participant, Phase, Seen, Survey, begun
from trustplane.rotation.root_story import story
from trustplane.trust.authority import AuthorityId, AuthorityState
from trustplane.trust.lifecycle import JwtTurn
from trustplane.trust.partner import Rule

OLD = AuthorityId("a" * 64)
OLDS = frozenset({OLD})
GIVEN, HINT = timedelta(minutes=25), timedelta(minutes=5)
CHANGE = begun(1, OLD, Order("ann", "a plan"), START)
AGENT = Seen(Participant("agent node-a"), OLDS, None, OLDS, START)
PARTNER = Seen(
    Participant("domain partner.example"), OLDS, None, frozenset(), START, rule=Rule.STATEMENT, told="holds it"
)
OTHER = Seen(
    Participant("domain other.example"),
    OLDS,
    None,
    frozenset(),
    None,
    rule=Rule.TIME,
    takes=GIVEN,
    told="shows nothing",
)
UNHEARD = replace(PARTNER, participant=Participant("domain new.example"), rule=Rule.UNKNOWN)
TERMS = tuple(
    Terms(f"{name}.example", f"https://{name}.example/bundle", "https_spiffe", HINT, sequence, 3)
    for name, sequence in (("partner", 7), ("other", None), ("new", 1))
)
SETTING = Setting("acme.example", HINT, GIVEN, TERMS, JwtTurn(START, START + GIVEN))
SURVEY = Survey(
    {OLD: AuthorityState.ACTIVE}, OLDS, (AGENT, PARTNER, OTHER, UNHEARD), {OLD: START}, timedelta(minutes=1)
)


def told(survey: Survey = SURVEY, setting: Setting = SETTING) -> str:
    chapters = story(CHANGE, survey, START)
    return story_text(setting, chapters, survey.seen)


def section(phase: Phase, text: str) -> str:
    return text.partition(f". {phase.value}\n")[2].partition("\n#")[0]


def test_each_domain_stands_in_the_phases_that_wait_for_it_with_how_it_is_believed() -> None:
    text = told()
    for phase, bundle in ((Phase.PUBLISH, "with both roots"), (Phase.VERIFY_AGAIN, "without the old root")):
        part = section(phase, text)
        assert f"`partner.example`: fetches the bundle {bundle}, hands it to its participants, and states" in part
        assert (
            f"`new.example`: must answer whether it makes statements, and then prove that it holds the bundle {bundle}"
            in part
        )
        assert "here: 1 participant must prove it" in part
    assert "`other.example`: is given until 2030-01-01 00:25:00 UTC, 25 min, to fetch" in section(Phase.PUBLISH, text)
    assert "nobody is waited for" in section(Phase.PREPARE, text)
    assert ".example" not in section(Phase.DRAIN, text)


def test_what_is_agreed_and_when_keys_change_is_told_with_its_numbers() -> None:
    text = told()
    assert "others are asked to fetch our bundle every 5 min" in text
    assert "every 5 min; its sequence 7 is held here, and 3 participants need it" in text
    assert "nothing of it yet is held here" in text
    assert "made 2030-01-01 00:00:00 UTC" in text
    assert "it signs from 2030-01-01 00:25:00 UTC, 25 min later; others need 25 min to fetch it" in text
    assert "how many lack it is stated at `/uptake/partner.example`" in text


def test_without_relations_nobody_else_is_in_it() -> None:
    alone = replace(SURVEY, seen=(AGENT,))
    text = told(alone, replace(SETTING, partners=(), given=timedelta(0), jwt=None))
    assert "There is no relation, so nobody else is waited for." in text
    assert "JWT keys" not in text


def test_a_long_name_stands_above_its_lane_and_is_cut_where_it_would_leave_the_picture() -> None:
    chapters = story(CHANGE, SURVEY, START)
    long = ".".join(["x" * 60] * 4)
    drawn = ET.fromstring(story_picture(replace(SETTING, own=long), chapters, SURVEY.seen))  # noqa: S314 - our own
    texts = {one.text or "": one for one in drawn.iter() if one.tag.endswith("text")}
    (lane,) = [one for one in texts if one.startswith("x") and "…" in one]
    assert len(lane) <= 121
    boxes = [float(one.attrib["y"]) for one in drawn.iter() if one.tag.endswith("rect") and "y" in one.attrib]
    assert float(texts[lane].attrib["y"]) < min(boxes)


def test_the_picture_has_a_lane_for_each_and_is_valid() -> None:
    chapters = story(CHANGE, SURVEY, START)
    drawn = ET.fromstring(story_picture(replace(SETTING, own="a&b"), chapters, SURVEY.seen))  # noqa: S314 - our own
    words = [one.text for one in drawn.iter() if one.tag.endswith("text")]
    for lane in ("a&b", "partner.example", "other.example", "new.example", *(one.phase.value for one in chapters)):
        assert lane in words
    assert words.count("given 25 min") == 2
    assert words.count("and states it") == 2

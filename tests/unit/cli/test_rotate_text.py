"""What an operator reads of a change of root at three in the morning."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.kit.server_door import NOON
from trustplane.cli.output import WrongInput
from trustplane.cli.rotate import MOST_SHOWN, ending, status_text
from trustplane.wire import http_rotation_shapes as shapes


def rotation(**changed: object) -> shapes.RotationShape:
    about: dict[str, object] = {
        "number": 3,
        "phase": "publish",
        "since": NOON - timedelta(minutes=12),
        "started_at": NOON - timedelta(hours=1),
        "by": "local:ann",
        "reason": "yearly",
        "emergency": False,
        "paused": False,
        "going_back": False,
        "leaving": "a" * 64,
        "coming": "b" * 64,
        "leaves_replaced_at": None,
        "last_leaf_ends_at": None,
        "waivers": (),
        **changed,
    }
    return shapes.RotationShape(**about)  # type: ignore[arg-type] # one field each


def waiting(participant: str | None, **changed: object) -> shapes.WaitingShape:
    about: dict[str, object] = {
        "code": "root",
        "what": "has not taken up the bundle with both roots",
        "participant": participant,
        "since": NOON - timedelta(hours=3),
        "until": None,
        "refusal": None,
        "away": True,
        "unblock": "on node-7: trustplane agent status",
        **changed,
    }
    return shapes.WaitingShape(**about)  # type: ignore[arg-type] # one field each


def text(
    one: shapes.RotationShape | None,
    *waits: shapes.WaitingShape,
    gives_up: tuple[str, ...] = (),
    clusters: tuple[shapes.ClusterProgressShape, ...] = (),
    partners: tuple[shapes.PartnerRuleShape, ...] = (),
) -> str:
    return status_text(
        shapes.RotationStatusShape(
            now=NOON,
            rotation=one,
            participants=42,
            ready=42 - len(waits),
            clusters=clusters,
            waiting=waits,
            partners=partners,
            gives_up=gives_up,
        )
    )


def cluster(name: str | None, ready: int, agents_away: int, *, cut_off: bool = False) -> shapes.ClusterProgressShape:
    return shapes.ClusterProgressShape(
        name=name,
        participants=200,
        ready=ready,
        agents=40,
        agents_away=agents_away,
        cut_off=cut_off,
        since=NOON - timedelta(minutes=12),
        unblock="bring back the network" if cut_off else None,
    )


def test_who_is_waited_for_stands_with_since_when_and_what_would_unblock_it() -> None:
    told = text(rotation(), waiting("agent node-7"))
    assert "change of root 3" in told
    assert "publish, for 12m" in told
    assert "41 of 42 participants" in told
    (line,) = [one for one in told.splitlines() if one.startswith("agent node-7")]
    assert "3h ago" in line
    assert line.endswith("on node-7: trustplane agent status")


def test_another_trust_domain_stands_with_the_rule_it_is_believed_by_and_what_it_shows() -> None:
    one = shapes.PartnerRuleShape(trust_domain="partner.example", rule="statement", shows="holds it", since=NOON)
    (line,) = [each for each in text(rotation(), partners=(one,)).splitlines() if each.startswith("partner.example")]
    assert line.split() == ["partner.example", "statement", "holds", "it"]


def test_what_ends_by_itself_says_when() -> None:
    assert "ends in 5m" in text(rotation(phase="drain"), waiting(None, until=NOON + timedelta(minutes=5)))


def test_a_long_list_is_cut_and_says_so_and_a_refusal_is_in_the_proxys_own_words() -> None:
    many = [waiting(f"agent node-{number}", refusal="no start line") for number in range(MOST_SHOWN + 2)]
    told = text(rotation(), *many)
    assert "and 2 more: trustplane rotate status --json" in told
    assert "agent node-0 refused: no start line" in told
    assert f"and {MOST_SHOWN - 1} more refusals and doubts: --json" in told


def test_partners_that_are_not_shown_are_counted() -> None:
    many = [
        shapes.PartnerRuleShape(trust_domain=f"p{number}.example", rule="time", shows="", since=NOON)
        for number in range(MOST_SHOWN + 3)
    ]
    assert "and 3 more: trustplane rotate status --json" in text(rotation(), partners=tuple(many))


def test_paused_emergency_and_going_back_are_in_the_first_line() -> None:
    first = text(rotation(emergency=True, paused=True, going_back=True), gives_up=("much",)).splitlines()[0]
    assert first == "going back to the root of before 3 (emergency, paused)"
    assert "it gives up:\n  much" in text(rotation(emergency=True), gives_up=("much",))


def test_what_is_over_waits_for_nobody() -> None:
    told = text(rotation(phase="done"))
    assert "done, 12m ago" in told
    assert "participants" not in told


def test_a_waiver_ends_on_a_day_or_at_anending() -> None:
    assert ending("2030-01-31").isoformat() == "2030-01-31T00:00:00+00:00"
    assert ending("2030-01-31T12:00:00Z").isoformat() == "2030-01-31T12:00:00+00:00"
    with pytest.raises(WrongInput):
        ending("soon")


def test_a_cluster_that_is_cut_off_is_one_line_and_the_others_are_named() -> None:
    cut = [waiting(f"agent west-{number}", cluster="west") for number in range(200)]
    late = [waiting(f"agent east-{number}", cluster="east", away=False) for number in range(3)]
    clusters = (cluster("east", 197, 0), cluster("west", 0, 40, cut_off=True), cluster(None, 200, 1))
    told = text(rotation(), *cut, *late, clusters=clusters).splitlines()
    (line,) = [one for one in told if one.startswith("cluster west")]
    assert "is cut off: all 40 of its agents are away, and 200 have proved nothing since" in line
    assert line.endswith("bring back the network")
    assert not [one for one in told if one.startswith("agent west")]
    assert len([one for one in told if one.startswith("agent east")]) == 3
    (east,) = [one for one in told if one.startswith("east")]
    assert " ".join(east.split()) == "east 197 of 200 40 of 40 12m ago agent east-0, agent east-1 and 1 more"
    (west,) = [one for one in told if one.startswith("west")]
    assert " ".join(west.split()) == "west 0 of 200 0 of 40, cut off 12m ago its agents"
    assert any(one.startswith("(no cluster)") and "39 of 40" in one for one in told)


def test_a_server_of_a_cluster_that_is_cut_off_is_named_all_the_same() -> None:
    waits = waiting("agent west-1", cluster="west"), waiting("server west", cluster="west", away=False)
    told = text(rotation(), *waits, clusters=(cluster("west", 198, 40, cut_off=True),))
    assert "\nserver west " in told
    assert "and 1 has proved nothing since" in told


def test_without_clusters_nothing_is_said_of_them() -> None:
    assert "CLUSTER" not in text(rotation(), waiting("agent node-7"))

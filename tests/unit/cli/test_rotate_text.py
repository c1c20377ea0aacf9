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


def text(one: shapes.RotationShape | None, *waits: shapes.WaitingShape, gives_up: tuple[str, ...] = ()) -> str:
    return status_text(
        shapes.RotationStatusShape(
            now=NOON, rotation=one, participants=42, ready=42 - len(waits), waiting=waits, gives_up=gives_up
        )
    )


def test_who_is_waited_for_stands_with_since_when_and_what_would_unblock_it() -> None:
    told = text(rotation(), waiting("agent node-7"))
    assert "change of root 3" in told
    assert "publish, for 12m" in told
    assert "41 of 42 participants" in told
    (line,) = [one for one in told.splitlines() if one.startswith("agent node-7")]
    assert "3h ago" in line
    assert line.endswith("on node-7: trustplane agent status")


def test_what_ends_by_itself_says_when() -> None:
    assert "ends in 5m" in text(rotation(phase="drain"), waiting(None, until=NOON + timedelta(minutes=5)))


def test_a_long_list_is_cut_and_says_so_and_a_refusal_is_in_the_proxys_own_words() -> None:
    many = [waiting(f"agent node-{number}", refusal="no start line") for number in range(MOST_SHOWN + 2)]
    told = text(rotation(), *many)
    assert "and 2 more: trustplane rotate status --json" in told
    assert "agent node-0 refused: no start line" in told


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

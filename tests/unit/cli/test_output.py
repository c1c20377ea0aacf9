from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trustplane.cli.arguments import duration
from trustplane.cli.output import Exit, WrongInput, exit_of, neutral, place_of, relative, show_fault, span, table
from trustplane.fault import Broken, Place, Refused, Unavailable

NOW = datetime(2030, 1, 1, tzinfo=UTC)


@given(st.text())
def test_neutral_text_never_holds_anything_a_terminal_would_obey(text: str) -> None:
    assert all(one.isprintable() or one == "\n" for one in neutral(text))


@given(st.text(st.characters(categories=["L", "N", "P", "S"])))
def test_neutral_text_changes_nothing_that_prints(text: str) -> None:
    assert neutral(text) == text


HOSTILE = ["\x1b[2J", "\x1b]0;title\x07", "\r", "\x9b31m", "\u202e", "\u2066", "\x7f", "\x00"]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_what_moves_cursors_or_turns_text_round_is_written_out(hostile: str) -> None:
    assert neutral(f"a{hostile}b").startswith("a\\")


def test_a_table_aligns_columns_and_cannot_be_broken_by_its_cells() -> None:
    shown = table(("A", "B"), [("long cell", "1"), ("x\ny\x1b[31m", "2")])
    assert shown.splitlines() == ["A            B", "long cell    1", "x y\\x1b[31m  2"]


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (timedelta(0), "0s"),
        (timedelta(milliseconds=900), "0s"),
        (timedelta(seconds=59), "59s"),
        (timedelta(minutes=2), "2m"),
        (timedelta(minutes=2, seconds=5), "2m 5s"),
        (timedelta(hours=1, seconds=5), "1h"),
        (timedelta(days=3, hours=4, minutes=5), "3d 4h"),
    ],
)
def test_a_span_is_said_in_its_two_largest_units(length: timedelta, text: str) -> None:
    assert span(length) == text


def test_instants_are_said_from_now() -> None:
    assert relative(NOW + timedelta(seconds=40), NOW) == "in 40s"
    assert relative(NOW - timedelta(hours=2), NOW) == "2h ago"
    assert relative(None, NOW) == "never"


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Refused(code="c", what="w", why="y", fix="f"), Exit.FAILED),
        (Broken(code="c", what="w", why="y", fix="f"), Exit.FAILED),
        (WrongInput(code="c", what="w", why="y", fix="f"), Exit.WRONG_INPUT),
        (Unavailable(code="c", what="w", why="y", fix="f"), Exit.UNAVAILABLE),
    ],
    ids=["refused", "broken", "wrong input", "unavailable"],
)
def test_the_kind_of_fault_decides_the_exit_code(fault: Refused, code: Exit) -> None:
    assert exit_of(fault) is code


def test_a_fault_is_shown_with_its_place_and_without_colour_where_nobody_sees_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show_fault(Refused(code="c", what="w\x1b[2J", why="y", fix="f", place=Place("a.yaml", 3, 7)), as_json=False)
    assert capsys.readouterr().err == "error[c] at a.yaml:3:7: w\\x1b[2J\n  why: y\n  fix: f\n"


@given(st.builds(Place, st.text(min_size=1), st.integers(1), st.integers(1)))
def test_places_come_back_from_their_text(place: Place) -> None:
    assert place_of(str(place)) == place


@pytest.mark.parametrize("text", ["", "1", "h", "-1s", "1.5h", "1h30m", " 1h", "1H", "1h\n", "٣s", "9999999999s"])
def test_what_is_no_length_of_time_is_wrong_input(text: str) -> None:
    with pytest.raises(WrongInput):
        duration(text)


@pytest.mark.parametrize(
    ("text", "seconds"), [("500ms", 0.5), ("60s", 60), ("10m", 600), ("2h", 7200), ("7d", 604800), ("0s", 0)]
)
def test_lengths_of_time_are_a_number_and_a_unit(text: str, seconds: float) -> None:
    assert duration(text) == timedelta(seconds=seconds)

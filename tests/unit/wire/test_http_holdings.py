"""What participants hold, in pages: nobody is passed over, and what is left off is counted."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.server_door import NOON
from trustplane.fault import Refused
from trustplane.registry.records import Holding
from trustplane.spiffe.names import NodeName
from trustplane.wire.http_holdings import cursor, page

_WORDS = st.sampled_from(["", "a", "sidecar shop/web", "secret/spiffe://acme.example/x", "%2F", "\u00e4 b", "/"])
_ROWS = st.builds(
    Holding,
    node=st.sampled_from([NodeName("node-a"), NodeName("node-b")]),
    participant=_WORDS,
    thing=_WORDS,
    desired=st.sampled_from(["", "aa"]),
    held=st.sampled_from(["", "aa", "bb"]),
    refusal=st.sampled_from(["", "no"]),
    since=st.just(NOON),
)
_TABLES = st.lists(_ROWS, unique_by=lambda one: (one.node, one.participant, one.thing), max_size=20)


def row(number: int, held: str = "aa") -> Holding:
    return Holding(NodeName("node-a"), f"sidecar shop/s{number:03}", "bundle", "aa", held, "", NOON)


@given(_TABLES, st.integers(1, 7), st.booleans())
def test_page_by_page_everyone_is_met_once(table: list[Holding], limit: int, differing: bool) -> None:  # noqa: FBT001 - drawn
    met: list[tuple[str, str, str]] = []
    after: str | None = ""
    while after is not None:
        found = page(table, after, limit, differing=differing)
        assert (found.next is None) == (found.left_off == 0)
        met += [(one.node, one.participant, one.thing) for one in found.holdings]
        after = found.next
    wanted = [one for one in table if not differing or one.refusal or not one.held or one.held != one.desired]
    assert met == sorted((one.node.name, one.participant, one.thing) for one in wanted)


def test_whoever_takes_something_up_between_two_pages_is_not_passed_over() -> None:
    table = [row(number, "bb") for number in range(6)]
    first = page(table, "", 3, differing=False)
    table = [replace(one, held="aa") for one in table[:3]] + table[3:]
    assert [one.participant for one in page(table, first.next or "", 3, differing=False).holdings] == [
        "sidecar shop/s003",
        "sidecar shop/s004",
        "sidecar shop/s005",
    ]


def test_what_is_left_off_is_counted() -> None:
    found = page([row(number) for number in range(250)], "", 100, differing=False)
    assert (len(found.holdings), found.left_off, found.next) == (100, 150, cursor(row(99)))


@pytest.mark.parametrize("after", ["node-a", "a/b", "a/b/c/d"])
def test_what_is_no_place_in_the_list_is_refused(after: str) -> None:
    with pytest.raises(Refused) as refused:
        page([], after, 10, differing=False)
    assert refused.value.code == "bad-query"

"""Each way to break the promises of a change of root is seen by the judge, and who kept them is not accused."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from tests.kit.root_witness import Change, Leaf, Spell, Witness

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
ACME = "acme.example"
OLD, NEW = "0" * 40, "1" * 40
WEB = "spiffe://acme.example/ns/shop/sa/web"
CHANGE = Change(ACME, OLD, NEW, switched=NOON, retired=NOON + 100 * SECOND)
FIRST: Leaf = (WEB, NOON + 50 * SECOND)
SECOND_LEAF: Leaf = (WEB, NOON + 150 * SECOND)


def trust(at: timedelta, *roots: str, who: str = "web") -> Spell:
    return Spell(who, ACME, frozenset(roots), NOON + at, NOON + at)


def leaf(root: str, begun: timedelta, seen: timedelta, shown: Leaf) -> Spell:
    return Spell("web", WEB, frozenset({root}), NOON + begun, NOON + seen, shown)


def kept() -> Witness:
    """Trusted a second before the switch, renewed a second after it, and the last old request well before the end."""
    found = Witness()
    for spell in (
        trust(-60 * SECOND, OLD),
        trust(-SECOND, OLD, NEW),
        trust(100 * SECOND, NEW),
        trust(-60 * SECOND, OLD, NEW, who="pay"),
    ):
        found.trusts(spell)
    found.shows(leaf(OLD, -10 * SECOND, SECOND, FIRST))
    found.shows(leaf(NEW, SECOND, 120 * SECOND, SECOND_LEAF))
    found.uses(FIRST, NOON - SECOND)
    found.uses(FIRST, NOON + 60 * SECOND)
    found.uses(SECOND_LEAF, NOON + 2 * SECOND)
    return found


def test_a_change_that_kept_both_promises() -> None:
    witness = kept()
    assert witness.broken_promises(CHANGE) == []
    assert (witness.requests_below([OLD]), witness.requests_below([NEW])) == (2, 1)
    assert witness.ends_first() == SECOND_LEAF[1]


def test_a_switch_before_one_trusts_the_new_root() -> None:
    early = replace(CHANGE, switched=NOON - 2 * SECOND)
    (broken,) = kept().broken_promises(early)
    assert broken.startswith("web did not trust the new root of acme.example when it began to sign")


def test_who_came_after_the_switch_is_not_accused() -> None:
    witness = kept()
    witness.trusts(trust(SECOND, NEW, who="late"))
    assert witness.broken_promises(CHANGE) == []


def test_a_leaf_below_the_new_root_shown_and_used_before_the_switch() -> None:
    late = replace(CHANGE, switched=NOON + 10 * SECOND)
    showed, used = kept().broken_promises(late)
    assert "0:00:09 before the switch" in showed
    assert used == f"a request was made with {WEB} below the new root before the switch"


def test_a_root_that_left_while_its_leaf_was_valid() -> None:
    soon = replace(CHANGE, retired=NOON + 49 * SECOND)
    assert f"a leaf of {WEB} below the old root was valid after it had left" in kept().broken_promises(soon)


def test_a_root_that_left_while_its_leaf_was_shown() -> None:
    witness = kept()
    witness.shows(leaf(OLD, 90 * SECOND, 110 * SECOND, (WEB, NOON + 99 * SECOND)))
    assert "web showed a leaf below the old root after it had left" in witness.broken_promises(CHANGE)


def test_a_root_that_left_while_a_connection_made_with_it_was_in_use() -> None:
    witness = kept()
    witness.uses(FIRST, NOON + 101 * SECOND)
    assert witness.broken_promises(CHANGE) == [f"a connection made with {WEB} below the old root was used 0:00:01 late"]

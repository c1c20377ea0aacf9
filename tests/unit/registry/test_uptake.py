from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from trustplane.registry.records import Holding
from trustplane.registry.uptake import MOST_OTHERWISE, VIEW, Uptake, uptake
from trustplane.spiffe.names import NodeName

HELD = Holding(NodeName("n"), "sidecar shop/web", "cluster/app", "aa", "aa", "", datetime(2030, 1, 1, tzinfo=UTC))
BEHIND = replace(HELD, thing="listener", held="")
IN_DOUBT = replace(HELD, thing="proxy/xds", refusal="it says otherwise")


def test_what_is_held_is_counted_and_what_is_not_is_named() -> None:
    assert uptake([HELD, BEHIND, IN_DOUBT]) == Uptake(2, 1, (BEHIND, IN_DOUBT))
    assert uptake([]) == Uptake()


def test_views_are_counted_with_what_they_should_be_by_now() -> None:
    views = [replace(HELD, thing=VIEW), replace(BEHIND, thing=VIEW)]
    assert uptake([HELD, IN_DOUBT]).with_views(views) == Uptake(3, 1, (views[1], IN_DOUBT))


def test_beyond_the_bound_it_is_said_how_many_are_left_off() -> None:
    many = [replace(BEHIND, participant=f"sidecar shop/s{number}") for number in range(MOST_OTHERWISE + 3)]
    found = uptake(many)
    assert (len(found.otherwise), found.left_off, found.differing) == (MOST_OTHERWISE, 3, MOST_OTHERWISE + 3)
    more = found.with_views([replace(BEHIND, thing=VIEW)])
    assert (len(more.otherwise), more.left_off, more.otherwise[0].thing) == (MOST_OTHERWISE, 4, VIEW)

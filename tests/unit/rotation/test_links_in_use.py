"""Links that are seen below the root that leaves hold its drain up, and nothing that is not seen opens it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.kit.root_change_play import HOUR, LATE, LINK, NEW, NEW_LEAVES, NOON, OLD, ORDER, link_below
from trustplane.rotation.change_root import Looked, feed
from trustplane.rotation.root_change import LinkBelow, Phase, RootChange, Waiver, begun
from trustplane.rotation.root_gates import Lack, waits


def drained_with(*links: LinkBelow) -> tuple[RootChange, Looked]:
    change = replace(begun(1, OLD, ORDER, NOON), phase=Phase.DRAIN, coming=NEW, replaced_at=NOON, last_leaf=NOON)
    return change, Looked(replace(NEW_LEAVES.survey, links=links))


def test_a_link_in_use_below_the_leaving_root_holds_the_drain_up_and_is_named_once() -> None:
    change, looked = drained_with(link_below(OLD), replace(link_below(OLD), side="callee"))
    (waiting,) = waits(change, looked.survey, LATE + HOUR)
    assert (waiting.lack, waiting.participant) == (Lack.LINK, LINK)
    assert "start that caller's sidecar anew" in waiting.unblock
    assert feed(change, looked, LATE + HOUR)[0].phase is Phase.DRAIN
    waiver = Waiver(LINK, "known", "team", "ann", LATE, LATE + 2 * HOUR)
    assert waits(replace(change, waivers=(waiver,)), looked.survey, LATE + HOUR) == ()
    assert waits(replace(change, is_emergency=True), looked.survey, LATE + HOUR) == ()


@pytest.mark.parametrize("link", [link_below(NEW), link_below(None), link_below(OLD, is_seen=False)])
def test_other_links_hold_nothing_up_and_open_nothing(link: LinkBelow) -> None:
    change, looked = drained_with(link)
    assert waits(change, looked.survey, LATE + HOUR) == ()
    assert waits(change, looked.survey, NOON) != (), "what was not seen proves nothing"

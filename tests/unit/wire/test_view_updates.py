"""Updates made once for all agents that are sent the same."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from trustplane.flows.desired.push_views import Push
from trustplane.registry.candidate import Candidate
from trustplane.registry.offered import Offered
from trustplane.registry.view import NodeView
from trustplane.registry.view_change import ViewChange
from trustplane.spiffe.names import ServiceName
from trustplane.wire import node_codec
from trustplane.wire.view_updates import REMEMBERED, ViewUpdates

VIEW = NodeView(revision=7, entries=(), sidecars=(), bundles=())
CANDIDATE = Candidate("1-00000000", datetime(2030, 1, 1, tzinfo=UTC))
FULL = Push(1, VIEW, "digest", None)


def test_what_is_the_same_is_made_once() -> None:
    updates = ViewUpdates()
    assert updates.update(FULL) is updates.update(replace(FULL))
    assert updates.update(FULL) == node_codec.update(FULL)


def test_another_number_revision_content_or_change_is_another_message() -> None:
    updates, change = ViewUpdates(), ViewChange(7)
    others = (
        replace(FULL, number=2),
        replace(FULL, view=replace(VIEW, revision=8)),
        replace(FULL, view_digest="another"),
        replace(FULL, view=replace(VIEW, candidate=CANDIDATE)),
        replace(FULL, view=replace(VIEW, offered=(Offered(ServiceName("shop", "pay"), ()),))),
        replace(FULL, change=change),
        replace(FULL, change=ViewChange(8)),
    )
    for other in (FULL, *others):
        assert updates.update(other) == node_codec.update(other)


def test_a_change_that_is_gone_is_not_taken_for_a_newer_one() -> None:
    updates = ViewUpdates()
    for revision in range(REMEMBERED * 4):
        push = replace(FULL, change=ViewChange(revision))
        assert updates.update(push).revision == node_codec.update(push).revision
        assert updates.update(push) == node_codec.update(push)


def test_only_so_many_are_remembered() -> None:
    updates = ViewUpdates()
    first = updates.update(FULL)
    for number in range(2, REMEMBERED + 2):
        updates.update(replace(FULL, number=number))
    assert updates.update(FULL) is not first

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.properties.registry.views import SIDECARS, VIEWS
from trustplane.registry.candidate import NO_CANDIDATE
from trustplane.registry.view import NodeView, Sidecar
from trustplane.registry.view_change import applied, difference, digest


@given(VIEWS, VIEWS)
def test_applying_a_difference_gives_the_new_view(old: NodeView, new: NodeView) -> None:
    assert applied(old, difference(old, new)) == new


@given(VIEWS, VIEWS)
def test_digests_are_equal_exactly_when_the_content_is(one: NodeView, other: NodeView) -> None:
    same_content = _content(one) == _content(other)
    assert (digest(one) == digest(other)) == same_content
    same_beside = (one.candidate, one.offered) == (other.candidate, other.offered)
    assert difference(one, other).is_empty == (same_content and same_beside)


def _content(view: NodeView) -> NodeView:
    """A node that knows nothing of candidates, or of what services offer, holds the same without."""
    return replace(view, revision=0, candidate=NO_CANDIDATE, offered=())


@given(VIEWS, st.integers(0, 9))
def test_a_revision_is_no_content(view: NodeView, revision: int) -> None:
    assert digest(replace(view, revision=revision)) == digest(view)


@given(SIDECARS, SIDECARS, st.sampled_from([field.name for field in fields(Sidecar)]))
def test_a_change_of_any_one_field_changes_the_digest(mine: Sidecar, other: Sidecar, name: str) -> None:
    change: dict[str, Any] = {name: getattr(other, name)}
    changed = replace(mine, **change)
    views = [NodeView(0, (), (sidecar,), ()) for sidecar in (mine, changed)]
    assert (digest(views[0]) == digest(views[1])) == (mine == changed)


@given(VIEWS, VIEWS, VIEWS)
def test_differences_compose(one: NodeView, two: NodeView, three: NodeView) -> None:
    assert applied(applied(one, difference(one, two)), difference(two, three)) == three

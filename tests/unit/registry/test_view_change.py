from __future__ import annotations

from dataclasses import replace

import pytest

from tests.kit.repository import PAYMENTS, WEB, repository
from trustplane.fault import Broken
from trustplane.registry.needs import Needs
from trustplane.registry.repository import read
from trustplane.registry.view import NodeView, TrustedBundle
from trustplane.registry.view_change import ViewChange, applied, difference, digest
from trustplane.spiffe.ids import TrustDomain
from trustplane.spiffe.names import NodeName


def view(revision: int = 1, **changes: str | None) -> NodeView:
    return Needs(read(repository(**changes)), revision, {}, ()).of(NodeName("a"))


def test_a_difference_names_only_what_changed() -> None:
    old, new = view(1), view(2, shop__web=WEB.replace("app: 20101", "app: 20111"))
    change = difference(old, new)
    assert change == ViewChange(2, sidecars=(new.sidecars[1],))


def test_what_is_gone_is_named() -> None:
    old, new = view(1), view(2, shop__web=None, shop__payments=PAYMENTS)
    change = difference(old, new)
    assert [entry.path[-1] for entry in change.removed_entries] == ["web"]
    assert [service.name for service in change.removed_sidecars] == ["web"]
    assert [sidecar.service.name for sidecar in change.sidecars] == ["payments"]  # it lost its caller
    assert applied(old, change) == new


def test_a_bundle_that_goes_is_named() -> None:
    other = TrustedBundle(TrustDomain("b.example"), b"{}", "00")
    old, new = replace(view(), bundles=(other,)), view()
    assert difference(old, new).removed_bundles == (TrustDomain("b.example"),)
    assert applied(old, difference(old, new)) == new


def test_applying_a_change_twice_is_applying_it_once() -> None:
    old, new = view(1), view(2, shop__web=None)
    change = difference(old, new)
    assert applied(applied(old, change), change) == new


def test_an_equal_view_of_a_later_revision_is_no_change_of_content() -> None:
    assert digest(view(1)) == digest(view(2))
    assert difference(view(1), view(2)).is_empty
    assert applied(view(1), difference(view(1), view(2))) == view(2)


def test_a_view_that_is_not_sorted_cannot_be_made() -> None:
    one = view()
    for entries in (one.entries[::-1], (*one.entries, one.entries[-1])):
        with pytest.raises(Broken):
            replace(one, entries=entries)

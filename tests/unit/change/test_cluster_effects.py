from __future__ import annotations

from tests.kit.repository import WEB, repository
from trustplane.change.described import Kind
from trustplane.change.plan import Move, Plan, plan
from trustplane.registry.model import DesiredState
from trustplane.registry.repository import read


def state(clusters: str = "") -> DesiredState:
    written = f"clusters:\n{clusters}" if clusters else ""
    return read(repository(trustdomain=f"trust_domain: acme.example\n{written}", shop__web=WEB))


ALONE = state()
EAST = state("  east: {nodes: [east-*], servers: [server-east]}\n")
WIDER = state("  east: {nodes: [east-*, node-7], servers: [server-east]}\n")


def said(found: Plan) -> tuple[Move, str]:
    (item,) = (one for one in found.items if one.kind is Kind.CLUSTER)
    assert item.name == "east"
    (effect,) = item.effects
    return item.move, effect.text


def test_a_cluster_that_is_declared_is_an_item_with_its_members() -> None:
    moved, text = said(plan(ALONE, EAST))
    assert moved is Move.ADDED
    assert text == "a change of root shows how far east is, as one: nodes east-* and servers server-east"


def test_who_belongs_to_it_shows() -> None:
    moved, text = said(plan(EAST, WIDER))
    assert moved is Move.CHANGED
    assert "nodes east-*, node-7 and servers server-east belong to east from now on" in text


def test_its_end_ends_its_waiver() -> None:
    moved, text = said(plan(EAST, ALONE))
    assert (moved, "a waiver of east ends" in text) == (Move.REMOVED, True)


def test_the_same_clusters_are_no_change() -> None:
    assert not plan(EAST, EAST).items

"""Nodes as the console lists them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from tests.kit.server_door import NOON
from trustplane.console.nodes import PAGE, NodeList, Standing, node_list
from trustplane.flows.clock_skew import Skew
from trustplane.registry.records import Agent, Hosting
from trustplane.spiffe.names import NodeName, ServiceName

EAST, WEST, SOUTH = NodeName("east"), NodeName("west"), NodeName("south")
RIGHT = Skew(timedelta(0), timedelta(milliseconds=3), NOON)


def agent(node: NodeName) -> Agent:
    return Agent(node, f"10.0.0.{len(node.name)}", "join-token", NOON, 1, NOON + timedelta(hours=1))


AGENTS = (agent(EAST), agent(WEST), agent(SOUTH))


def names(of: NodeList) -> list[str]:
    return [one.agent.node.name for one in of.rows]


def test_who_is_away_banned_or_of_another_time_comes_before_the_others() -> None:
    agents = (*AGENTS, agent(NodeName("wrong")), replace(agent(NodeName("zoned")), banned=True))
    slow = Skew(timedelta(seconds=-90), timedelta(milliseconds=3), NOON)
    connected = {EAST: RIGHT, SOUTH: None, NodeName("wrong"): slow, NodeName("zoned"): RIGHT}
    of = node_list(agents, connected, (), ("", 1))
    assert names(of) == ["west", "zoned", "wrong", "east", "south"]
    assert [one.standing for one in of.rows[:3]] == [Standing.AWAY, Standing.BANNED, Standing.CONNECTED]
    assert [one.clock for one in of.rows] == ["", "right", "-90.0 s", "right", ""]


def test_a_node_is_found_by_a_service_on_it_and_by_its_state() -> None:
    pay, web = ServiceName("shop", "pay"), ServiceName("shop", "web")
    hostings = (Hosting(EAST, web, NOON), Hosting(EAST, pay, NOON), Hosting(WEST, web, NOON))
    connected = {EAST: RIGHT}
    assert names(node_list(AGENTS, connected, hostings, ("SHOP/web", 1))) == ["west", "east"]
    assert names(node_list(AGENTS, connected, hostings, ("web away", 1))) == ["west"]
    assert node_list(AGENTS, connected, hostings, ("east", 1)).rows[0].services == (pay, web)
    assert node_list(AGENTS, connected, hostings, ("nobody", 1)).rows == ()


def test_a_page_beyond_the_last_is_the_last_one() -> None:
    many = [agent(NodeName(f"node-{number:03}")) for number in range(PAGE + 1)]
    first, last = node_list(many, {}, (), ("", 0)), node_list(many, {}, (), ("", 9))
    assert (len(first.rows), first.page, first.pages, first.total) == (PAGE, 1, 2, PAGE + 1)
    assert (names(last), last.page) == ([f"node-{PAGE:03}"], 2)

"""Who is connected is known, and whoever may no longer be is cut off, on every connection it has."""

from __future__ import annotations

from datetime import UTC, datetime

from trustplane.flows.desired.connected_agents import ConnectedAgents, Connection
from trustplane.registry.records import Agent
from trustplane.spiffe.names import NodeName

A, B = NodeName("node-a"), NodeName("node-b")
AT = datetime(2030, 1, 1, tzinfo=UTC)


class Bench:
    def __init__(self) -> None:
        self.connected = ConnectedAgents()
        self.cut: list[str] = []

    def open(self, node: NodeName, label: str) -> Connection:
        connection = Connection(node, "1", lambda: self.cut.append(label))
        self.connected.opened(connection)
        return connection


def agent(node: NodeName, *, banned: bool) -> Agent:
    return Agent(node, "10.0.0.1", "join-token", AT, 1, AT, banned)


def test_a_node_is_connected_until_its_last_connection_closed() -> None:
    bench = Bench()
    first, second = bench.open(A, "first"), bench.open(A, "second")
    bench.connected.closed(first)
    assert bench.connected.nodes() == {A}
    bench.connected.closed(second)
    bench.connected.closed(second)
    assert bench.connected.nodes() == frozenset()


def test_a_cut_ends_every_connection_of_that_node_and_no_other() -> None:
    bench = Bench()
    bench.open(A, "first")
    bench.open(A, "second")
    bench.open(B, "other")
    bench.connected.cut(A)
    bench.connected.cut(NodeName("node-z"))
    assert sorted(bench.cut) == ["first", "second"]


def test_of_the_agents_known_the_banned_are_cut() -> None:
    bench = Bench()
    bench.open(A, "banned")
    bench.open(B, "welcome")
    bench.connected.cut_banned([agent(A, banned=True), agent(B, banned=False)])
    assert bench.cut == ["banned"]


def test_a_connection_that_closes_while_it_is_cut_disturbs_no_other() -> None:
    connected, cut = ConnectedAgents(), []
    connections: list[Connection] = []
    for label in ("first", "second"):

        def end(label: str = label) -> None:
            cut.append(label)
            for one in connections:
                connected.closed(one)

        connections.append(Connection(A, "1", end))
        connected.opened(connections[-1])
    connected.cut(A)
    assert sorted(cut) == ["first", "second"]

"""Which agents follow this server now, and cutting off one that may no longer."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from trustplane.flows.clock_skew import Skew
from trustplane.registry.records import Agent
from trustplane.spiffe.names import NodeName


@dataclass(frozen=True, slots=True, eq=False)
class Connection:
    node: NodeName
    agent_version: str
    cut: Callable[[], object]
    skew: Skew | None = None  # our clock less the node's, as its agent measured it


class ConnectedAgents:
    def __init__(self) -> None:
        self._open: defaultdict[NodeName, set[Connection]] = defaultdict(set)
        self._turned: set[NodeName] = set()
        self._news = asyncio.Event()

    def opened(self, connection: Connection) -> None:
        if connection.node not in self._open:
            self._turn(connection.node)
        self._open[connection.node].add(connection)

    def closed(self, connection: Connection) -> None:
        self._open[connection.node].discard(connection)
        if not self._open[connection.node]:
            del self._open[connection.node]
            self._turn(connection.node)

    def _turn(self, node: NodeName) -> None:
        self._turned.add(node)
        self._news.set()

    @property
    def has_news(self) -> bool:
        return bool(self._turned)

    async def have_turned(self) -> None:
        """Wait until a node has come or gone that was not taken yet."""
        await self._news.wait()

    def take_turned(self) -> frozenset[NodeName]:
        """Nodes that came or went since this was last asked."""
        turned = frozenset(self._turned)
        self._turned.clear()
        self._news.clear()
        return turned

    def nodes(self) -> frozenset[NodeName]:
        return frozenset(self._open)

    def skews(self) -> dict[NodeName, Skew | None]:
        """Of every node connected."""
        return {node: next((one.skew for one in open_ if one.skew), None) for node, open_ in self._open.items()}

    def builds(self) -> dict[NodeName, str]:
        """Of every node connected, by its agent's own word."""
        return {node: next(iter(open_)).agent_version for node, open_ in self._open.items() if open_}

    def cut(self, node: NodeName) -> None:
        for connection in tuple(self._open.get(node, ())):
            connection.cut()

    def cut_banned(self, agents: Iterable[Agent]) -> None:
        """A ban may have been spoken at another replica."""
        for agent in agents:
            if agent.banned:
                self.cut(agent.node)

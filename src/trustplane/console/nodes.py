"""Nodes as the console lists them: whoever needs a look first, a page at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from trustplane.console.attention import SKEW_SHOWN
from trustplane.flows.clock_skew import Skew
from trustplane.registry.records import Agent, Hosting
from trustplane.spiffe.names import NodeName, ServiceName

PAGE = 100


class Standing(Enum):
    BANNED = "banned"
    AWAY = "away"
    CONNECTED = "connected"


@dataclass(frozen=True, slots=True)
class Row:
    agent: Agent
    standing: Standing
    clock: str  # "" where nobody has measured it
    services: tuple[ServiceName, ...]  # whose sidecars are attached there


@dataclass(frozen=True, slots=True)
class NodeList:
    rows: tuple[Row, ...]
    total: int
    page: int
    pages: int
    sought: str


def node_list(
    agents: Sequence[Agent],
    connected: Mapping[NodeName, Skew | None],
    hostings: Sequence[Hosting],
    asked: tuple[str, int],
) -> NodeList:
    """`asked`: words that name, address or a service of it contain, and the number of the page."""
    sought, page = asked
    services: dict[NodeName, list[ServiceName]] = {}
    for each in hostings:
        services.setdefault(each.node, []).append(each.service)
    found = [_row(one, connected, tuple(sorted(services.get(one.node, ())))) for one in agents]
    found = [one for one in found if _matches(one, sought)]
    found.sort(key=lambda one: (one.standing is Standing.CONNECTED, one.clock in {"", "right"}, one.agent.node))
    pages = max((len(found) + PAGE - 1) // PAGE, 1)
    page = min(max(page, 1), pages)
    return NodeList(tuple(found[(page - 1) * PAGE : page * PAGE]), len(found), page, pages, sought)


def _row(agent: Agent, connected: Mapping[NodeName, Skew | None], services: tuple[ServiceName, ...]) -> Row:
    skew = connected.get(agent.node)
    off = f"{skew.offset.total_seconds():+.1f} s" if skew and abs(skew.offset) >= SKEW_SHOWN else ""
    return Row(
        agent, _standing(agent, is_connected=agent.node in connected), off or ("right" if skew else ""), services
    )


def _standing(agent: Agent, *, is_connected: bool) -> Standing:
    if agent.banned:
        return Standing.BANNED
    return Standing.CONNECTED if is_connected else Standing.AWAY


def _matches(row: Row, sought: str) -> bool:
    texts = (row.agent.node.name, row.agent.address, row.standing.value, *map(str, row.services))
    return all(any(word in text.lower() for text in texts) for word in sought.lower().split())

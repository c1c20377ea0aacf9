"""Clusters: which nodes and servers of the trust domain are spoken of together, for example as one site.

All clusters trust the same roots and share one database; what a cluster changes is how progress is told, and what a
waiver may name. Without a declaration there is none, and everybody is told of one by one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from trustplane.fault import Refused
from trustplane.spiffe.names import ClusterName, NodeName

MAX_CLUSTERS = 100
MAX_PATTERNS = 1_000

_PREFIX = re.compile(r"[a-z0-9][a-z0-9-]{0,61}")


@dataclass(frozen=True, slots=True, order=True)
class NamePattern:
    """The name of a node or server, or the beginning of several, then written with a `*` at its end."""

    text: str

    def __post_init__(self) -> None:
        if not self._is_prefix:
            NodeName(self.text)  # refuses what is no name
        elif not _PREFIX.fullmatch(self.text[:-1]):
            raise Refused(
                code="bad-name-pattern",
                what=f"{self.text!r:.100} is not the beginning of names",
                why="lower-case letters, digits and dashes begin a name, and one * ends the pattern",
                fix="write for example east-*",
            )

    def __str__(self) -> str:
        return self.text

    @property
    def _is_prefix(self) -> bool:
        return self.text.endswith("*")

    def covers(self, name: NodeName) -> bool:
        return name.name.startswith(self.text[:-1]) if self._is_prefix else name.name == self.text

    def meets(self, other: NamePattern) -> bool:
        """Whether some name is covered by both."""
        mine, theirs = self.text.removesuffix("*"), other.text.removesuffix("*")
        match self._is_prefix, other._is_prefix:
            case True, True:
                return mine.startswith(theirs) or theirs.startswith(mine)
            case True, False:
                return theirs.startswith(mine)
            case False, True:
                return mine.startswith(theirs)
            case _:
                return mine == theirs


@dataclass(frozen=True, slots=True)
class Cluster:
    name: ClusterName
    nodes: tuple[NamePattern, ...] = ()
    servers: tuple[NamePattern, ...] = ()

    def __post_init__(self) -> None:
        if not self.nodes and not self.servers:
            raise Refused(
                code="empty-cluster",
                what=f"the cluster {self.name} has no nodes and no servers",
                why="nothing would ever be told of it",
                fix=f"write for example {self.name}: {{nodes: [{self.name}-*]}}",
            )
        if len(self.nodes) + len(self.servers) > MAX_PATTERNS:
            raise Refused(
                code="too-many-names",
                what=f"the cluster {self.name} lists {len(self.nodes) + len(self.servers)} names",
                why=f"every node is looked up among them; {MAX_PATTERNS} are allowed",
                fix="name nodes alike and write the beginning of their names, for example east-*",
            )


@dataclass(frozen=True, slots=True)
class Clusters:
    """No node and no server is in two of them, which admission has seen to."""

    declared: Mapping[ClusterName, Cluster] = field(default_factory=lambda: MappingProxyType({}))

    def of_node(self, node: NodeName) -> ClusterName | None:
        return next((one.name for one in self.declared.values() if any(each.covers(node) for each in one.nodes)), None)

    def of_server(self, server: NodeName) -> ClusterName | None:
        found = (one.name for one in self.declared.values() if any(each.covers(server) for each in one.servers))
        return next(found, None)

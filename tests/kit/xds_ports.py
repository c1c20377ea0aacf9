"""The ports of `wire.xds`, kept by a test: who calls, what each proxy should hold, and what it said it holds."""

from __future__ import annotations

from trustplane.fault import Refused
from trustplane.main import bench_ports
from trustplane.spiffe.selectors import Selector
from trustplane.xds.guards import Published

ROOT = frozenset({Selector("unix:uid", "0")})


def _not_entitled(who: str) -> Refused:
    return Refused(code="not-entitled", what=f"{who} is not for you", why="the test says so", fix="be uid 0")


class Desired(bench_ports.Desired):
    """What each proxy should hold, kept by the test. Only `ROOT` is entitled to any of it."""

    def __init__(self) -> None:
        super().__init__()
        self.known_but_not_loaded: set[str] = set()
        self.identities: Published | None = None

    def sidecar(self, selectors: frozenset[Selector], node_id: str) -> Published | None:
        if selectors != ROOT or node_id not in self.known_but_not_loaded.union(self.sidecars):
            raise _not_entitled(node_id)
        return self.sidecars.get(node_id)

    def secrets(self, selectors: frozenset[Selector]) -> Published | None:
        if selectors != ROOT:
            raise _not_entitled("an identity")
        return self.identities


class Attested:
    """Attests every peer as `found`, and remembers who asked."""

    def __init__(self) -> None:
        self.found = ROOT
        self.asked: list[str] = []

    async def selectors(self, peer: str) -> frozenset[Selector]:
        self.asked.append(peer)
        return self.found

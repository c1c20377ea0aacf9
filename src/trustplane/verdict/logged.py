"""One line of a proxy's log about a request, read: what was decided about which kind of request."""

from __future__ import annotations

from dataclasses import dataclass

from trustplane.fault import Refused
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.names import ServiceName
from trustplane.verdict.decision import DecisionKind, SeenPath
from trustplane.verdict.metadata import judged


@dataclass(frozen=True, slots=True)
class Logged:
    """Requests alike in all that was logged, as the proxy wrote it; `sample` is the x-request-id of the last."""

    peer: str
    asked: str  # "port method path"
    judged: str  # JSON
    requests: int
    sample: str


def kind_of(callee: ServiceName, line: Logged) -> DecisionKind | None:
    """None: nothing was decided, or it cannot be read."""
    found = judged(line.judged)
    port, _, rest = line.asked.partition(" ")
    method, _, path = rest.partition(" ")
    if found is None or not port.isdecimal():
        return None
    try:
        seen = SeenPath.of(path)
        return DecisionKind(callee, _caller(line.peer), method, seen, int(port), None, found.enforced, found.trial)
    except Refused:
        return None


def _caller(peer: str) -> SpiffeId | None:
    """The names of a certificate stand with commas between them, and no SPIFFE ID has one."""
    try:
        return SpiffeId.parse(peer)
    except Refused:
        return None

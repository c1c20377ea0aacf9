"""Words of the command line as values. What a value's constructor refuses is wrong input here."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from datetime import timedelta

from trustplane.cli.output import WrongInput
from trustplane.fault import Refused
from trustplane.main.settings import HostPort
from trustplane.spiffe.ids import TrustDomain
from trustplane.spiffe.names import NodeName, ServiceName

_DURATION = re.compile(r"([0-9]{1,9})(ms|s|m|h|d)")
_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}


@contextlib.contextmanager
def as_input() -> Iterator[None]:
    """Refusals inside are about what the user typed."""
    try:
        yield
    except Refused as refusal:
        raise WrongInput.all_of(refusal.findings) from refusal


def duration(text: str) -> timedelta:
    """30s, 10m, 1h, 7d."""
    found = _DURATION.fullmatch(text)
    if not found:
        raise WrongInput(
            code="bad-duration",
            what=f"{text!r:.60} is not a length of time",
            why="it is a whole number and a unit: s, m, h or d",
            fix="write for example 60s, 10m, 1h or 7d",
        )
    return timedelta(seconds=int(found[1]) * _UNITS[found[2]])


def trust_domain(text: str) -> TrustDomain:
    with as_input():
        return TrustDomain(text)


def node(text: str) -> NodeName:
    with as_input():
        return NodeName(text)


def service(text: str) -> ServiceName:
    with as_input():
        return ServiceName.parse(text)


def host_port(text: str) -> HostPort:
    with as_input():
        return HostPort.parse(text)


def host_ports(texts: Sequence[str]) -> tuple[HostPort, ...]:
    return tuple(map(host_port, texts))

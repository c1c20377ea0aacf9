"""Every request for an SVID is counted, by what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime

import pytest
from prometheus_client import CollectorRegistry, Counter

from tests.kit.node_line import NODE, away
from trustplane.fault import Fault, Refused, Unavailable
from trustplane.flows.issuing.issue import Issued, Request
from trustplane.main.metrics.server import CountedIssuer
from trustplane.spiffe.names import NodeName

AT = datetime(2030, 1, 1)  # noqa: DTZ001 - nobody looks at it
ISSUED = Issued((), 1, AT, AT)
ASKED = [Request("spiffe://acme.example/web", b"")] * 3


class Scripted:
    def __init__(self, answer: Sequence[Issued | Fault] | Fault) -> None:
        self._answer = answer

    async def issue(self, node: NodeName, requests: Sequence[Request], at: datetime) -> Sequence[Issued | Fault]:
        del node, requests, at
        if isinstance(self._answer, Fault):
            raise self._answer
        return self._answer


class Counted:
    def __init__(self, answer: Sequence[Issued | Fault] | Fault) -> None:
        self._registry = CollectorRegistry()
        issued = Counter("issued", "i", registry=self._registry)
        refused = Counter("refused", "r", ["code"], registry=self._registry)
        self.issuer = CountedIssuer(Scripted(answer), issued, refused)

    def ask(self) -> Sequence[Issued | Fault]:
        return asyncio.run(self.issuer.issue(NODE, ASKED, AT))

    def of(self, name: str, **labels: str) -> float | None:
        return self._registry.get_sample_value(f"{name}_total", labels)


def test_each_answer_is_counted_and_passed_on() -> None:
    answer: list[Issued | Fault] = [ISSUED, Refused(code="not-entitled", what="w", why="y", fix="f"), ISSUED]
    counted = Counted(answer)
    assert counted.ask() == answer
    assert (counted.of("issued"), counted.of("refused", code="not-entitled")) == (2, 1)


def test_requests_that_fail_together_are_counted_each() -> None:
    counted = Counted(away())
    with pytest.raises(Unavailable):
        counted.ask()
    assert (counted.of("issued"), counted.of("refused", code="server-away")) == (0, 3)

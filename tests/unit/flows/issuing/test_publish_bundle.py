from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta

from tests.kit.clock import START
from tests.kit.partner import Partner
from tests.kit.repository import repository
from trustplane.flows.issuing.publish_bundle import PublishBundle
from trustplane.registry.model import DesiredState
from trustplane.registry.records import Revision
from trustplane.registry.repository import read
from trustplane.spiffe.bundle import Bundle

ONE, TWO = Partner().bundle(41), Partner().bundle(7)


@dataclass
class Numbers:
    """As the store counts: it rises when the content is not the last one's."""

    number: int = 0
    last: str = ""
    asked: list[str] = field(default_factory=list)

    async def next_bundle_sequence(self, content_digest: str) -> int:
        self.asked.append(content_digest)
        self.number += content_digest != self.last
        self.last = content_digest
        return self.number


@dataclass
class Standing:
    value: Bundle = ONE
    state: DesiredState = field(default_factory=lambda: read(repository()))

    def bundle(self) -> Bundle:
        return self.value

    @property
    def current(self) -> tuple[Revision, DesiredState] | None:
        return Revision(1, "d", {}, "ann", START), self.state


def test_bu_2_the_sequence_rises_with_the_content_and_with_nothing_else() -> None:
    async def scenario() -> None:
        standing, numbers = Standing(), Numbers()
        published = PublishBundle(standing, standing, numbers)
        assert [(await published.current()).sequence for _ in range(3)] == [1, 1, 1]
        standing.value = Bundle(ONE.trust_domain, ONE.x509_authorities, sequence=99)
        assert (await published.current()).sequence == 1
        standing.value = TWO
        assert (await published.current()).sequence == 2
        standing.value = ONE
        assert (await published.current()).sequence == 3
        assert len(numbers.asked) == 3, "the store is asked once for each content"

    asyncio.run(scenario())


def test_bu_3_the_refresh_hint_is_what_the_operator_chose() -> None:
    async def scenario() -> None:
        standing = Standing()
        published = PublishBundle(standing, standing, Numbers())
        assert (await published.current()).refresh_hint == timedelta(minutes=5)
        standing.state = read(repository(trustdomain="{trust_domain: acme.example, refresh_hint: 30s}"))
        assert (await published.current()).refresh_hint == timedelta(seconds=30)

    asyncio.run(scenario())

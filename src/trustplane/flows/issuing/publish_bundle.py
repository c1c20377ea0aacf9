"""The bundle as other trust domains fetch it: numbered by its content, with the hint that the operator chose.

The number comes from the store, so that all replicas give one content one number; it rises when the content differs
from what was last published, and for no other reason (Trust Domain and Bundle §4.1.1).
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Protocol

from trustplane.registry.model import DesiredState
from trustplane.registry.records import Revision
from trustplane.spiffe.bundle import DEFAULT_REFRESH_HINT, Bundle


class Numbers(Protocol):
    async def next_bundle_sequence(self, content_digest: str) -> int: ...


class Declared(Protocol):
    @property
    def current(self) -> tuple[Revision, DesiredState] | None: ...


class OwnBundle(Protocol):
    def bundle(self) -> Bundle: ...


class PublishBundle:
    def __init__(self, own: OwnBundle, declared: Declared, numbers: Numbers) -> None:
        self._own = own
        self._declared = declared
        self._numbers = numbers
        self._numbered: tuple[str, int] | None = None
        self._numbering = asyncio.Lock()

    @property
    def sequence(self) -> int | None:
        """As last published; none before the first time."""
        return self._numbered[1] if self._numbered else None

    async def current(self) -> Bundle:
        """The newest (FE-9). The database is asked once for each content, however often it is fetched."""
        bundle = self._own.bundle()
        current = self._declared.current
        hint = current[1].refresh_hint if current else DEFAULT_REFRESH_HINT
        async with self._numbering:
            if self._numbered is None or self._numbered[0] != bundle.digest:
                self._numbered = bundle.digest, await self._numbers.next_bundle_sequence(bundle.digest)
            return replace(bundle, sequence=self._numbered[1], refresh_hint=hint)

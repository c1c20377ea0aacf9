"""The latest value of something, for many listeners.

A listener gets the current value first and then the newest each time it changed. One that is slow skips what came in
between and holds up nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Feed(Generic[Value]):
    def __init__(self, value: Value) -> None:
        self._value = value
        self._moved = asyncio.Event()

    @property
    def value(self) -> Value:
        return self._value

    def publish(self, value: Value) -> None:
        self._value = value
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    def moved(self) -> Coroutine[object, object, object]:
        """Await it for the next value published after this call, however late the awaiting begins."""
        return self._moved.wait()

    async def values(self) -> AsyncIterator[Value]:
        while True:
            moved = self._moved
            yield self._value
            await moved.wait()

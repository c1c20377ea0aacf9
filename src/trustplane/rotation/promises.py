"""The book of promised renewals, kept by who holds the leaf.

Whoever is given a new leaf before its time is not expected twice: the slot of the leaf before is free again. Without
that, the fleet that a mass restart replaces would crowd the book as a ghost for as long as its leaves would have lived.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from datetime import datetime
from typing import Generic, TypeVar

from trustplane.registry.model import RenewalWindow
from trustplane.rotation.slots import Promise, RenewalSlots

Holder = TypeVar("Holder", bound=Hashable)

_ROOM = 1024


class Promises(Generic[Holder]):
    """`Holder` may be a hash: two who share one cost a slot that is counted wrongly, and nothing else."""

    def __init__(self) -> None:
        self._slots = RenewalSlots()
        self._of: dict[Holder, Promise] = {}
        self._room = _ROOM

    def __len__(self) -> int:
        return len(self._of)

    def __iter__(self) -> Iterator[tuple[Holder, Promise]]:
        return iter(self._of.items())

    def renew(self, holder: Holder, at: datetime, not_after: datetime, window: RenewalWindow, serial: int) -> datetime:
        """The instant at which the leaf issued to it `at` is to be renewed, from now on promised."""
        before = self._of.get(holder)
        if before is not None and before.renew_at > at:
            self._slots.forget(before, at)
        renew_at = self._slots.place(at, not_after, window, serial)
        self._of[holder] = Promise(at, not_after, window, renew_at)
        if len(self._of) > self._room:
            self._sweep(at)
        return renew_at

    def recall(self, holder: Holder, promise: Promise, at: datetime) -> None:
        """Count a promise made before this server started, or by another one."""
        self._of[holder] = promise
        self._slots.recall(promise, at)

    def _sweep(self, at: datetime) -> None:
        """Holders that did not come back are forgotten when there are as many of them as of the others."""
        self._of = {holder: promise for holder, promise in self._of.items() if promise.renew_at > at}
        self._room = max(_ROOM, 2 * len(self._of))

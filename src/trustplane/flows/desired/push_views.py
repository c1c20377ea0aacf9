"""Pushing to every agent what its node must know.

`ViewFeed` holds the current desired state as `Needs` and wakes each follower when it changes; a follower sends a full
view first and differences afterwards, and nothing when the content is the same. Nothing polls: the work of a change is
one difference per distinct view, however many nodes share it. A candidate, and what services offer, are told with
the first push and when they change; no digest speaks of them, so to a follower that does not know of them that
difference is empty.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TypeAlias

from trustplane.registry.candidate import Candidate
from trustplane.registry.needs import Needs
from trustplane.registry.offered import Offered
from trustplane.registry.view import NodeView
from trustplane.registry.view_change import ViewChange, difference, digest
from trustplane.spiffe.names import NodeName

MEMOISED_CHANGES = 256
_Beside: TypeAlias = tuple[Candidate, tuple[Offered, ...]]


@dataclass(frozen=True, slots=True)
class Push:
    """One step of a stream. `change` is none when the whole `view` is to be sent."""

    number: int
    view: NodeView
    view_digest: str
    change: ViewChange | None


class ViewFeed:
    def __init__(self, needs: Needs) -> None:
        self._needs = needs
        self._moved = asyncio.Event()
        self._changes: OrderedDict[tuple[str, str, int, _Beside, _Beside], ViewChange] = OrderedDict()
        self._digests: dict[int, tuple[NodeView, str]] = {}

    @property
    def needs(self) -> Needs:
        return self._needs

    def publish(self, needs: Needs) -> None:
        """Make `needs` what every follower must reach."""
        self._needs = needs
        self._digests.clear()
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    def digest_of(self, node: NodeName) -> str:
        """Of what this node should hold now."""
        return self._view(node)[1]

    async def follow(self, node: NodeName, held_digest: str) -> AsyncIterator[Push]:
        """What `node` must be sent, from the digest it says it holds, for ever."""
        moved = self._moved
        view, wanted = self._view(node)
        told = ViewChange(view.revision, candidate=view.candidate, offered=view.offered)
        change = told if held_digest == wanted else None
        number = 1
        yield Push(number, view, wanted, change)
        while True:
            await moved.wait()
            moved = self._moved
            old_view, old = view, wanted
            view, wanted = self._view(node)
            if wanted != old or _beside(view) != _beside(old_view):
                number += 1
                yield Push(number, view, wanted, self._change(old_view, old, view, wanted))

    def _view(self, node: NodeName) -> tuple[NodeView, str]:
        view = self._needs.of(node)
        # Nodes with one placement share one view object, so its digest is taken once.
        if id(view) not in self._digests:
            self._digests[id(view)] = (view, digest(view))
        return self._digests[id(view)]

    def _change(self, old_view: NodeView, old: str, view: NodeView, wanted: str) -> ViewChange:
        key = (old, wanted, view.revision, _beside(old_view), _beside(view))
        if key not in self._changes:
            self._changes[key] = difference(old_view, view)
            if len(self._changes) > MEMOISED_CHANGES:
                self._changes.popitem(last=False)
        return self._changes[key]


def _beside(view: NodeView) -> _Beside:
    """What a view's digest does not speak of."""
    return view.candidate, view.offered

"""Updates as messages, made once for all agents that are sent the same.

gRPC keeps the last message of a stream until the next one, so what a thousand agents were sent would otherwise be held
a thousand times, and written out as often.
"""

from __future__ import annotations

from collections import OrderedDict

from trustplane.flows.desired.push_views import Push
from trustplane.registry.candidate import Candidate
from trustplane.registry.offered import Offered
from trustplane.wire import node_codec
from trustplane.wire.gen.trustplane.node.v1 import node_pb2

REMEMBERED = 64


class ViewUpdates:
    def __init__(self) -> None:
        # A change is known by which object it is, which stays true as long as its push is remembered beside it.
        self._made: OrderedDict[
            tuple[int, int, str, int, Candidate, tuple[Offered, ...]], tuple[Push, node_pb2.Update]
        ] = OrderedDict()

    def update(self, push: Push) -> node_pb2.Update:
        """Not to be changed by whoever is given it."""
        view = push.view
        key = (push.number, view.revision, push.view_digest, id(push.change), view.candidate, view.offered)
        if key not in self._made:
            self._made[key] = (push, node_codec.update(push))
            if len(self._made) > REMEMBERED:
                self._made.popitem(last=False)
        return self._made[key][1]

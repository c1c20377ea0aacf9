"""A real server that is killed at one instant: before or after it revokes an identity, or never.

python -m tests.kit.dying_server before server run ...
"""

from __future__ import annotations

import os
import signal
import sys

from trustplane.cli import app
from trustplane.flows.issuing.revoke import Order, Revoke
from trustplane.spiffe.ids import SpiffeId
from trustplane.trust.revocation import RevokedId


def dies(when: str) -> None:
    known = Revoke.identity

    async def identity(self: Revoke, spiffe_id: SpiffeId, order: Order) -> tuple[RevokedId, int]:
        done = await known(self, spiffe_id, order) if when != "before" else None
        if done is None or when == "after":
            os.kill(os.getpid(), signal.SIGKILL)
            signal.pause()  # until it arrives
        assert done is not None
        return done

    setattr(Revoke, "identity", identity)  # noqa: B010 - mypy refuses the assignment


if __name__ == "__main__":
    dies(sys.argv.pop(1))
    app.run()

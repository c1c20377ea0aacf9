"""What an agent does with failed handshakes while no server answers, on the disk that a folder is on.

Run as a program: the folder, and for how many minutes; its last line is a JSON object. Time is made up, the disk is
real. In the second half of the time the disk has no room at all: another file takes what is left.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from tests.kit.clock import VirtualClock
from tests.kit.handshakes import EXPIRED, HELD
from tests.kit.policies import PAYMENTS
from trustplane.fault import Unavailable
from trustplane.flows.records.collect_handshakes import CollectHandshakes
from trustplane.handshake.delivery import HandshakeParcel
from trustplane.handshake.failure import NOBODY, Claims
from trustplane.handshake.reported import Held
from trustplane.handshake.told import Told
from trustplane.host.spool import Stream
from trustplane.main.agent_spool import ParcelFiles
from trustplane.spiffe.names import NodeName, ServiceName
from trustplane.wire import handshake_codec

A_STEP = timedelta(seconds=6)
IN_A_STEP = 25
NODE = NodeName("node-a")


@dataclass
class Outcome:
    """`kept` and `dropped` as the server is told in the end, once it is back; `most_bytes` of the spool meanwhile."""

    told: int = 0
    kept: int = 0
    dropped: int = 0
    records: int = 0
    most_bytes: int = 0
    newest: str = ""


class Node:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = VirtualClock()
        self.files: ParcelFiles[HandshakeParcel] = ParcelFiles(NODE, folder, Stream(1, "a" * 32), handshake_codec)
        self.collecting = CollectHandshakes(NODE, "a" * 32, _given, self.files, self.clock)
        self.outcome = Outcome()

    async def go_on(self, lasting: timedelta) -> None:
        for _ in range(lasting // A_STEP):
            for _ in range(IN_A_STEP):
                self.outcome.told += 1
                self.collecting.failed(PAYMENTS, _refused(self.clock.now(), self.outcome.told))
            with contextlib.suppress(Unavailable):
                await self.collecting.keep()
            await self.clock.advance(A_STEP)
            size = sum(one.stat().st_size for one in self.folder.glob("*.parcel"))
            self.outcome.most_bytes = max(self.outcome.most_bytes, size)

    async def server_is_back(self) -> Outcome:
        """Each parcel is received and leaves the disk; what was lost meanwhile is told in the last."""
        found = self.outcome
        await self.collecting.close()
        while (parcel := await self.files.oldest()) is not None:
            found.kept += sum(one.failure.times for one in parcel.failures)
            found.records += len(parcel.failures)
            found.dropped += parcel.losses.dropped
            found.newest = parcel.failures[-1].failure.peer if parcel.failures else found.newest
            await self.files.drop(parcel)
        return found


def _refused(at: datetime, number: int) -> Told:
    told = {"log": "handshake", "start": f"{at:%Y-%m-%dT%H:%M:%S.000Z}", "tls_failure": EXPIRED, "local": "10.0.0.2:1"}
    return Told({**told, "peer": f"10.0.0.1:{number}"}, (1, 40, 0))


def _given(service: ServiceName, at: datetime) -> tuple[Held, Claims]:
    del service, at
    return HELD, NOBODY


async def _on_a_small_disk(folder: Path, minutes: int) -> Outcome:
    node, other = Node(folder / "handshakes"), folder / "another"
    await node.go_on(timedelta(minutes=minutes) / 2)
    with other.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)):
            pass
    await node.go_on(timedelta(minutes=minutes) / 2)
    other.unlink()
    return await node.server_is_back()


if __name__ == "__main__":
    found = asyncio.run(_on_a_small_disk(Path(sys.argv[1]), int(sys.argv[2])))
    sys.stdout.write(f"{json.dumps(vars(found))}\n")

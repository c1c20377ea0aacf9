"""The agent's parcels as files on its disk; joins the codec to the files."""

from __future__ import annotations

import asyncio
from pathlib import Path

from trustplane.fault import Refused
from trustplane.host.spool import SpoolFiles, Stream
from trustplane.spiffe.names import NodeName
from trustplane.verdict.delivery import Parcel
from trustplane.wire import parcel_codec


class ParcelFiles:
    """Satisfies `flows.count_decisions.Spool` and `flows.deliver_decisions.Outgoing`.

    A parcel that an agent of before left open is complete: nobody adds to it any more.
    """

    def __init__(self, node: NodeName, directory: Path, stream: Stream) -> None:
        self._node = node
        self._files = SpoolFiles(directory)
        self._stream = stream
        self._open: str | None = None
        self._more = asyncio.Event()
        self._one_at_a_time = asyncio.Lock()
        self._names: dict[tuple[str, int], str] = {}
        self.waiting = 0

    def more(self) -> asyncio.Event:
        return self._more

    async def write(self, parcel: Parcel) -> int:
        content = parcel_codec.encoded(parcel).SerializeToString()
        name = self._stream.name(parcel.id.number)
        async with self._one_at_a_time:
            left = await asyncio.to_thread(self._files.write, name, content)
            self._open = name
        return sum(map(parcel_codec.requests_in, left))

    async def close(self, number: int) -> None:
        if self._open == self._stream.name(number):
            self._open = None
        self._more.set()

    async def oldest(self) -> Parcel | None:
        async with self._one_at_a_time:
            names = [one for one in await asyncio.to_thread(self._files.names) if one != self._open]
            self.waiting = len(names)
            for name in names:
                content = await asyncio.to_thread(self._files.read, name)
                try:
                    parcel = parcel_codec.read(self._node, content or b"")
                except Refused:
                    self._files.drop(name)  # a file that is cut or not ours tells nothing
                    continue
                self._names = {(parcel.id.stream, parcel.id.number): name}
                return parcel
        return None

    async def drop(self, parcel: Parcel) -> None:
        name = self._names.get((parcel.id.stream, parcel.id.number))
        if name is not None:
            async with self._one_at_a_time:
                await asyncio.to_thread(self._files.drop, name)

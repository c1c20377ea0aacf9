"""The agent's parcels as files on its disk; joins the codec to the files."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from google.protobuf.message import Message

from trustplane.fault import Refused
from trustplane.flows.records.deliver_parcels import Numbered
from trustplane.host.spool import SpoolFiles, Stream
from trustplane.spiffe.names import NodeName

P = TypeVar("P", bound=Numbered)


class Codec(Protocol[P]):
    def encoded(self, parcel: P) -> Message: ...

    def read(self, node: NodeName, content: bytes) -> P: ...

    def told_in(self, content: bytes) -> int:
        """How much a parcel tells of that is given up."""
        ...


class ParcelFiles(Generic[P]):
    """Satisfies `flows.records.parcels.Spool` and `flows.records.deliver_parcels.Outgoing`.

    A parcel that an agent of before left open is complete: nobody adds to it any more.
    """

    def __init__(self, node: NodeName, directory: Path, stream: Stream, codec: Codec[P]) -> None:
        self._node = node
        self._codec = codec
        self._files = SpoolFiles(directory)
        self._stream = stream
        self._open: str | None = None
        self._more = asyncio.Event()
        self._one_at_a_time = asyncio.Lock()
        self._names: dict[tuple[str, int], str] = {}
        self.waiting = 0

    def more(self) -> asyncio.Event:
        return self._more

    async def write(self, parcel: P) -> int:
        content = self._codec.encoded(parcel).SerializeToString()
        name = self._stream.name(parcel.id.number)
        async with self._one_at_a_time:
            left = await asyncio.to_thread(self._files.write, name, content)
            self._open = name
        return sum(map(self._codec.told_in, left))

    async def close(self, number: int) -> None:
        if self._open == self._stream.name(number):
            self._open = None
        self._more.set()

    async def oldest(self) -> P | None:
        async with self._one_at_a_time:
            names = [one for one in await asyncio.to_thread(self._files.names) if one != self._open]
            self.waiting = len(names)
            for name in names:
                content = await asyncio.to_thread(self._files.read, name)
                try:
                    parcel = self._codec.read(self._node, content or b"")
                except Refused:
                    self._files.drop(name)  # a file that is cut or not ours tells nothing
                    continue
                self._names = {(parcel.id.stream, parcel.id.number): name}
                return parcel
        return None

    async def drop(self, parcel: P) -> None:
        name = self._names.get((parcel.id.stream, parcel.id.number))
        if name is not None:
            async with self._one_at_a_time:
                await asyncio.to_thread(self._files.drop, name)

"""How many entries of each sidecar's failures are accounted for, kept over a restart of the agent. Not a secret.

It is written in place, because a disk that is full takes no second file. What is torn counts as lost: then nothing that
was written before is missed.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from trustplane.fault import Refused
from trustplane.handshake.entries import Accounted
from trustplane.spiffe.names import ServiceName

MAX_BYTES = 1024 * 1024


class EntriesFile:
    def __init__(self, directory: Path) -> None:
        self._path = directory / "entries.json"

    def load(self) -> Mapping[ServiceName, Accounted] | None:
        try:
            with self._path.open("rb") as file:
                found = msgspec.json.decode(file.read(MAX_BYTES), type=dict[str, Accounted])
            return {ServiceName.parse(name): one for name, one in found.items()}
        except (OSError, msgspec.MsgspecError, Refused):
            return None

    def save(self, accounted: Mapping[ServiceName, Accounted]) -> None:
        content = msgspec.json.encode({str(service): one for service, one in accounted.items()})
        with contextlib.suppress(OSError):  # a full disk must not stop the node
            file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.truncate(file, os.write(file, content))
            finally:
                os.close(file)

"""Files that wait to be sent, on a disk that may fill up: bounded, each whole or not there, the oldest leaving first.

A file is written beside its name, flushed and renamed, so that a crash leaves the one of before or the new one. Names
sort in the order of writing: the stream's start, its id, the number in it.
"""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from trustplane.fault import Unavailable

MOST_FILES = 2000
MOST_BYTES = 32 * 1024 * 1024
MOST_BYTES_EACH = 4 * 1024 * 1024
_NAME = re.compile(r"[0-9]{13}-[0-9a-f]{32}-[0-9]{12}\.parcel")


@dataclass(frozen=True, slots=True)
class Stream:
    started_ms: int
    id: str

    def name(self, number: int) -> str:
        return f"{self.started_ms:013d}-{self.id}-{number:012d}.parcel"


class SpoolFiles:
    def __init__(self, directory: Path, most_files: int = MOST_FILES, most_bytes: int = MOST_BYTES) -> None:
        """Refuses no directory that is full or odd: what cannot be read there is left out."""
        self._directory = directory
        self._most_files = most_files
        self._most_bytes = most_bytes
        with contextlib.suppress(OSError):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            for left in directory.glob("*.new"):
                left.unlink()

    def names(self) -> list[str]:
        """The oldest first."""
        try:
            return sorted(one.name for one in self._directory.iterdir() if _NAME.fullmatch(one.name))
        except OSError:
            return []

    def write(self, name: str, content: bytes) -> list[bytes]:
        """What had to leave to make room."""
        left = self._within_bounds(name, len(content))
        while True:
            try:
                self._replace(name, content)
            except OSError as error:
                oldest = next((one for one in self.names() if one != name), None)
                if oldest is None:
                    raise _no_room(error) from error
                left.append(self._take(oldest))
            else:
                return left

    def read(self, name: str) -> bytes | None:
        try:
            with (self._directory / name).open("rb") as file:
                return file.read(MOST_BYTES_EACH)
        except OSError:
            return None

    def drop(self, name: str) -> None:
        (self._directory / name).unlink(missing_ok=True)

    def _within_bounds(self, name: str, size: int) -> list[bytes]:
        others = [one for one in self.names() if one != name]
        total = size + sum(map(self._size, others))
        left: list[bytes] = []
        while others and (len(others) >= self._most_files or total > self._most_bytes):
            oldest = others.pop(0)
            total -= self._size(oldest)
            left.append(self._take(oldest))
        return left

    def _take(self, name: str) -> bytes:
        content = self.read(name) or b""
        with contextlib.suppress(OSError):
            self.drop(name)
        return content

    def _size(self, name: str) -> int:
        try:
            return (self._directory / name).stat().st_size
        except OSError:
            return 0

    def _replace(self, name: str, content: bytes) -> None:
        fresh = self._directory / f"{name}.new"
        try:
            with fresh.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._directory / name)
        except OSError:
            with contextlib.suppress(OSError):
                fresh.unlink(missing_ok=True)
            raise


def _no_room(error: OSError) -> Unavailable:
    return Unavailable(
        code="spool-not-written",
        what="what the node's proxies decided cannot be written to its disk",
        why=error.strerror or str(error),
        fix="make room below the agent's data directory; until then it is counted in memory",
    )

"""A clock that a test sets under a running process, as an administrator or a bad NTP server does.

`libfaketime` answers for the kernel. The count that is never set (`CLOCK_BOOTTIME`, `CLOCK_MONOTONIC`) stays the
kernel's own, as when a real clock is set.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from tests.kit.debian import tool

_LIBRARY = "faketime/libfaketimeMT.so.1"


class WrongClock:
    def __init__(self, folder: Path) -> None:
        self._file = folder / "wrong-clock"
        self.set(timedelta(0))

    def set(self, ahead: timedelta) -> None:
        """Ahead of this machine's clock by so much; negative is behind."""
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{ahead.total_seconds():+.0f}\n")
        fresh.rename(self._file)

    @property
    def environment(self) -> Mapping[str, str]:
        return {
            "LD_PRELOAD": str(_library()),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }


def _library() -> Path:
    tool("faketime")
    found = [path for folder in Path("/usr/lib").glob("*") for path in folder.glob(_LIBRARY)]
    if not found:
        pytest.fail(f"{_LIBRARY} is not below /usr/lib; run scripts/debian_packages.sh", pytrace=False)
    return found[0]

"""A folder for what a module of tests shares, whose path is short enough for sockets."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def short_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="tp-", dir="/tmp"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)

"""A process's own directory: made with mode 0700, and usable, before anything depends on it."""

from __future__ import annotations

import os
from pathlib import Path

from trustplane.fault import Refused


def own_directory(path: Path) -> None:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(path, os.W_OK | os.X_OK):
            raise PermissionError(13, "permission denied")
    except OSError as error:
        raise Refused(
            code="data-dir-unusable",
            what=f"the data directory {path} cannot be used",
            why=error.strerror or str(error),
            fix="choose another with --data-dir, or make it writable for the user this process runs as",
        ) from None

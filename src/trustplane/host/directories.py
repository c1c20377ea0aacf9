"""A process's own directory: made with mode 0700, writable by nobody else, before anything depends on it."""

from __future__ import annotations

import os
from pathlib import Path

from trustplane.fault import Refused


def own_directory(path: Path) -> None:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
            raise PermissionError(13, "permission denied")
        if path.stat().st_mode & 0o022:
            raise PermissionError(13, "others may write to it, and so replace what is kept there")
    except OSError as error:
        raise Refused(
            code="data-dir-unusable",
            what=f"the data directory {path} cannot be used",
            why=error.strerror or str(error),
            fix="choose another with --data-dir, or make it writable for the user this process runs as alone",
        ) from None

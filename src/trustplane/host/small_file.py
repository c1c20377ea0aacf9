"""Files that people name and that are read whole: never more of one than it may have."""

from __future__ import annotations

from pathlib import Path

from trustplane.fault import Refused


def read_small(path: Path, most: int) -> bytes:
    """Raises `Refused` as `file-unreadable`, or as `file-too-large` beyond `most` bytes."""
    try:
        with path.open("rb") as file:
            content = file.read(most + 1)
    except OSError as error:
        raise Refused(
            code="file-unreadable",
            what=f"{path} cannot be read",
            why=(error.strerror or str(error)).lower(),
            fix="check the path and its permissions",
        ) from error
    if len(content) > most:
        raise Refused(
            code="file-too-large",
            what=f"{path} is larger than {most} bytes",
            why="nothing that is read here is that large",
            fix="check that it is the right file",
        )
    return content

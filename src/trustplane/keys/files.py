"""Files that hold secrets: made complete or not at all, and read only when nobody else could have."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from trustplane.fault import Refused, Unavailable

OTHERS = stat.S_IRWXG | stat.S_IRWXO
EVERYBODY = stat.S_IRWXO


def create_private(path: Path, content: bytes) -> bool:
    """Put `content` there with mode 0600 and say so, or leave what is there already. Never a half-written file."""
    if path.exists():
        return False
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            with open(handle, "wb") as file:  # noqa: PTH123 - a descriptor, opened with the mode it must have
                file.write(content)
                file.flush()
                os.fsync(handle)
            os.link(draft, path)  # fails when another process was first; rename would replace its key
        finally:
            draft.unlink()
        _sync_directory(path.parent)
    except FileExistsError:
        return False
    except OSError as error:
        raise Unavailable(
            code="key-file-not-written",
            what=f"{path} cannot be written",
            why=str(error),
            fix=f"make {path.parent} a directory this user may write, with space left: df -h {path.parent}",
        ) from error
    return True


def read_private(path: Path, largest: int, closed_to: int = OTHERS) -> bytes:
    """The content, refused when the mode lets in those it must be closed to, or the file is somebody else's."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise Refused(
            code="key-file-not-readable",
            what=f"{path} cannot be read",
            why=str(error),
            fix=f"check that it exists and is a file of this user (no symbolic link): ls -l {path}",
        ) from error
    try:
        _check(path, os.fstat(handle), largest, closed_to)
        return os.read(handle, largest)
    finally:
        os.close(handle)


def _check(path: Path, found: os.stat_result, largest: int, closed_to: int) -> None:
    if not stat.S_ISREG(found.st_mode) or found.st_size > largest:
        raise Refused(
            code="not-a-key-file",
            what=f"{path} is not a key file",
            why=f"it is not a regular file of at most {largest} bytes",
            fix="name the file that holds the key",
        )
    if found.st_mode & closed_to:
        raise Refused(
            code="key-file-open-to-others",
            what=f"{path} has mode {stat.S_IMODE(found.st_mode):04o}",
            why="its group or everybody may use it, so it no longer keeps a secret",
            fix=f"chmod 600 {path}, and replace the key if others had access",
        )
    if found.st_uid not in (os.geteuid(), 0):
        raise Refused(
            code="key-file-of-another-user",
            what=f"{path} belongs to uid {found.st_uid}",
            why=f"this process runs as uid {os.geteuid()}; the owner could change the key under it",
            fix=f"chown {os.geteuid()} {path}",
        )


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

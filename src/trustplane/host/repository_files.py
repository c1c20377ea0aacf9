"""A trust repository's files, from a directory.

Bounded in files, bytes and depth, and never outside the directory: a link may lead to a file within it (mounted
configuration is made of such links), to nothing else. Files that belong to people (dotfiles, Markdown) are not opened,
nor are files the repository has no place for; those are listed empty, so that `registry.repository.read` names them
together with everything else that is wrong.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from trustplane.fault import Place, Refused
from trustplane.registry import layout
from trustplane.registry.findings import Findings, shown
from trustplane.registry.yaml_tree import MAX_BYTES

MAX_DEPTH = 8


def read_directory(directory: Path) -> dict[str, bytes]:
    """Contents by path relative to `directory`, with `/`. A file too large comes cut, one byte above the limit."""
    try:
        root = directory.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise _unreadable(str(directory), error) from error
    if not root.is_dir():
        raise Refused(
            code="not-a-directory",
            what=f"{shown(str(directory))} is not a directory",
            why="a trust repository is a directory with trustdomain.yaml in it",
            fix="name the directory",
        )
    findings = Findings()
    files: dict[str, bytes] = {}
    size = 0
    for path in _paths(root, "", findings):
        with findings.at(Place(shown(path), 1)):
            files[path] = _content(root, path) if layout.has_a_place(path) else b""
            size += len(files[path])
        if len(files) + len(findings) > layout.MAX_FILES or size > layout.MAX_TOTAL_BYTES:
            raise layout.too_large(len(files), size)
    findings.refuse_if_any()
    return files


def _paths(root: Path, folder: str, findings: Findings) -> Iterator[str]:
    """The paths of all files below `folder` that count, directory by directory."""
    try:
        with os.scandir(root / folder) as entries:
            found = sorted((folder + entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries)
    except OSError as error:
        raise _unreadable(folder, error) from error
    for path, is_folder in found:
        if layout.is_ignored(path) and (not is_folder or layout.is_hidden(path)):
            continue
        if not is_folder:
            yield path
        elif path.count("/") < MAX_DEPTH:
            yield from _paths(root, path + "/", findings)
        else:
            with findings.at(None):
                raise layout.unknown_file(path)


def _content(root: Path, path: str) -> bytes:
    try:
        target = (root / path).resolve(strict=True)
        if not target.is_relative_to(root):
            raise Refused(
                code="link-leaves-repository",
                what=f"{shown(path)} is a link to {shown(str(target))}",
                why="what is reviewed in this directory must be what takes effect",
                fix="replace the link by the file",
            )
        # Nothing to wait for on a FIFO, and no link put in place after the look above.
        opened = os.open(target, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            return _regular(path, opened)
        finally:
            os.close(opened)
    except (OSError, RuntimeError) as error:  # pathlib says RuntimeError for a loop of links
        raise _unreadable(path, error) from error


def _regular(path: str, opened: int) -> bytes:
    if not stat.S_ISREG(os.fstat(opened).st_mode):
        raise Refused(
            code="not-a-file",
            what=f"{shown(path)} is not a regular file",
            why="devices, pipes and directories hold no desired state",
            fix="replace it by a file",
        )
    with os.fdopen(opened, "rb", closefd=False) as file:
        return file.read(MAX_BYTES + 1)


def _unreadable(path: str, error: OSError | RuntimeError) -> Refused:
    reason = getattr(error, "strerror", None) or shown(str(error))
    return Refused(
        code="unreadable-file",
        what=f"{shown(path) or 'the directory'} cannot be read",
        why=f"the operating system says: {reason}",
        fix="check that it exists and that this user may read it",
    )

"""Runbooks and postmortems: those that came with this installation, and those in a directory of the operator's."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from trustplane.fault import Refused
from trustplane.knowledge.front_matter import MAX_BYTES
from trustplane.knowledge.postmortem import Known, Postmortem
from trustplane.knowledge.runbook import Runbook
from trustplane.registry.findings import Findings

MAX_FILES = 1000
_PACKAGE = Path(__file__).parents[1]


def shipped_runbooks() -> tuple[Runbook, ...]:
    return tuple(Runbook.parse(str(path), _content(path)) for path in _in(_shipped("runbooks")))


def shipped_postmortems() -> tuple[Postmortem, ...]:
    return tuple(Postmortem.parse(str(path), _content(path)) for path in _in(_shipped("postmortems")))


def runbooks(directory: Path) -> tuple[Runbook, ...]:
    """All of a directory, or everything that is wrong with them."""
    findings = Findings()
    found = []
    for path in _in(_directory(directory)):
        with findings.at(None):
            found.append(Runbook.parse(str(path), _content(path)))
    findings.refuse_if_any()
    return tuple(found)


def postmortems(directory: Path, known: Known | None = None) -> tuple[Postmortem, ...]:
    """All of a directory, or everything that is wrong with them; with `known`, their dead links too."""
    findings = Findings()
    found = []
    for path in _in(_directory(directory)):
        with findings.at(None):
            found.append(Postmortem.parse(str(path), _content(path), known))
    findings.refuse_if_any()
    return tuple(found)


def write_new(path: Path, text: str) -> None:
    """A file that was not there before; its directory is made."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise Refused(
            code="postmortem-exists",
            what=f"{path} is there already",
            why="what somebody wrote is not written over",
            fix="choose another name, or edit it",
        ) from error
    except OSError as error:
        raise Refused(
            code="postmortem-not-written",
            what=f"{path} cannot be written",
            why=(error.strerror or str(error)).lower(),
            fix="name a directory that you may write to, with room",
        ) from error


def _shipped(name: str) -> Path:
    """In the package, or in the checkout it was installed from in place."""
    installed = _PACKAGE / name
    return installed if installed.is_dir() else _PACKAGE.parents[1] / "docs" / name


def _directory(directory: Path) -> Path:
    if not directory.is_dir():
        raise Refused(
            code="not-a-directory",
            what=f"{directory} is not a directory",
            why="runbooks and postmortems are Markdown files in one directory each",
            fix="name the directory, for example runbooks/ or postmortems/ of the trust repository",
        )
    return directory


def _in(directory: Path) -> Iterator[Path]:
    paths = sorted(path for path in directory.glob("*.md") if path.name != "README.md")
    if len(paths) > MAX_FILES:
        raise Refused(
            code="too-many-files",
            what=f"{directory} has {len(paths)} Markdown files",
            why=f"what is read must be bounded: {MAX_FILES} are allowed",
            fix="split the directory, or remove what does not belong there",
        )
    yield from paths


def _content(path: Path) -> bytes:
    """At most one byte more than is allowed. A link may lead to a file of the same directory (mounted configuration is
    made of such links), and to nothing else; a FIFO is not waited for."""
    try:
        target = path.resolve(strict=True)
        if not target.is_relative_to(path.parent.resolve()):
            raise _unreadable(path, f"it is a link to {target}, out of the directory")
        opened = os.open(target, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(opened, "rb") as file:
            if stat.S_ISREG(os.fstat(opened).st_mode):
                return file.read(MAX_BYTES + 1)
    except (OSError, RuntimeError) as error:  # pathlib says RuntimeError for a loop of links
        raise _unreadable(path, (getattr(error, "strerror", None) or str(error)).lower()) from error
    raise _unreadable(path, "it is no regular file")


def _unreadable(path: Path, why: str) -> Refused:
    return Refused(
        code="unreadable-file",
        what=f"{path} cannot be read",
        why=why,
        fix="make it a regular file that this user may read, in this directory",
    )

"""The runbooks that came with this installation, and those in a directory of the operator's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from trustplane.fault import Refused
from trustplane.knowledge.runbook import MAX_BYTES, Runbook

MAX_RUNBOOKS = 1000
_PACKAGE = Path(__file__).parents[1]


def shipped() -> tuple[Runbook, ...]:
    """From the package, or from the checkout it was installed from in place."""
    installed = _PACKAGE / "runbooks"
    return tuple(_in(installed if installed.is_dir() else _PACKAGE.parents[1] / "docs" / "runbooks"))


def own(directory: Path) -> tuple[Runbook, ...]:
    if not directory.is_dir():
        raise Refused(
            code="not-a-directory",
            what=f"{directory} is not a directory",
            why="runbooks are Markdown files in one directory",
            fix="name the directory, for example runbooks/ of the trust repository",
        )
    return tuple(_in(directory))


def _in(directory: Path) -> Iterator[Runbook]:
    for path in sorted(directory.glob("*.md"))[:MAX_RUNBOOKS]:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        yield Runbook.parse(str(path), content)

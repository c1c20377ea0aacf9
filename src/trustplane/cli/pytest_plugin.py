"""The tests of a trust repository as pytest's: `pytest trust/` runs each case of policies, guard-rails and templates.

It takes policy_test.yaml, guardrails_test.yaml and templates/*.yaml where a trustdomain.yaml stands above them, and
does nothing otherwise. What is wrong with the repository fails the collection, with every finding. Every pytest of an
environment that has trustplane loads this file, so it imports the rest only when there is something to collect.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from trustplane.policy.examine_book import Tried

ROOT_FILE = "trustdomain.yaml"
_NAMES = frozenset({"policy_test.yaml", "guardrails_test.yaml"})
_DEPTH = 3  # services/<namespace>/<service>/policy_test.yaml
_FOUND = pytest.StashKey[dict[Path, "dict[str, list[Tried]]"]]()


class NotARepository(Exception):  # noqa: N818 - it is printed as what it carries: the findings
    """What is wrong with the files, in full."""


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    if file_path.name in _NAMES or (file_path.suffix == ".yaml" and file_path.parent.name == "templates"):
        root = next((one for one in list(file_path.parents)[: _DEPTH + 1] if (one / ROOT_FILE).is_file()), None)
        if root is not None:
            collected: CaseFile = CaseFile.from_parent(parent, path=file_path)
            collected.root = root
            return collected
    return None


class CaseFile(pytest.File):
    root: Path

    def collect(self) -> Iterator[pytest.Item]:
        tried = _of(self.session, self.root).get(self.path.relative_to(self.root).as_posix(), [])
        names: dict[str, int] = {}
        for one in tried:
            names[one.case.name] = names.get(one.case.name, 0) + 1
            again = f" ({names[one.case.name]})" if names[one.case.name] > 1 else ""
            item: CaseItem = CaseItem.from_parent(self, name=one.case.name + again)
            item.tried = one
            yield item

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException]) -> object:  # type: ignore[override] # its text, as pytest takes it
        return str(excinfo.value) if isinstance(excinfo.value, NotARepository) else super().repr_failure(excinfo)


class CaseItem(pytest.Item):
    tried: Tried

    def runtest(self) -> None:
        problem = self.tried.run()
        if problem:
            raise AssertionError(problem)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: object = None) -> str:  # noqa: ARG002 - pytest's
        if not isinstance(excinfo.value, AssertionError):
            return f"{type(excinfo.value).__name__}: {excinfo.value}"
        case = self.tried.case
        expected = "allow" if case.allowed else "deny"
        because = f" because of {case.because}" if case.because else ""
        asked = f"  asked:    {case.request}\n" if case.request else ""
        return (
            f"{self.tried.subject}: {case.name}\n{asked}  expected: {expected}{because}\n  but:      {excinfo.value}\n"
            f"  at:       {case.place}"
        )

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, self.tried.case.place.line - 1, f"{self.tried.subject}: {self.tried.case.name}"


def _of(session: pytest.Session, root: Path) -> dict[str, list[Tried]]:
    """Every case of the repository by the file it stands in, read once in a session."""
    found = session.stash.setdefault(_FOUND, {})
    if root not in found:
        found[root] = _read(root)
    return found[root]


def _read(root: Path) -> dict[str, list[Tried]]:
    from trustplane.fault import Fault  # noqa: PLC0415 - only where there is something to collect
    from trustplane.host.repository_files import read_directory  # noqa: PLC0415
    from trustplane.policy import book  # noqa: PLC0415
    from trustplane.policy.examine_book import cases_of  # noqa: PLC0415

    found: dict[str, list[Tried]] = {}
    try:
        for one in cases_of(book.read(read_directory(root))):
            found.setdefault(one.case.place.file, []).append(one)
    except Fault as fault:
        raise NotARepository("\n".join(str(finding) for finding in fault.findings)) from fault
    return found

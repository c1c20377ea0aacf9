"""A mesh that is broken by one test after the other, and whole again after each."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.mesh import Mesh
from tests.kit.runbook_stand import Stand


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A short path: sockets are in it."""
    folder = Path(tempfile.mkdtemp(prefix="tp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def _standing(place: Path) -> Iterator[Stand]:
    with Mesh(place, drain="1s") as mesh:
        yield Stand.of(mesh)


@pytest.fixture
def stand(_standing: Stand) -> Iterator[Stand]:
    """Whole before a test and after it."""
    yield _standing
    sys.stderr.write(_standing.mesh.last_words())  # pytest shows it only for a test that failed
    _standing.put_right()

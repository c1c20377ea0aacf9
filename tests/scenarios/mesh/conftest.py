"""A mesh for one test, whose processes say their last words when the test fails."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.mesh import Mesh
from tests.kit.two_meshes import PARTNER


@pytest.fixture
def mesh(socket_dir: Path) -> Iterator[Mesh]:
    with Mesh(socket_dir) as one:
        yield one
        sys.stderr.write(one.last_words())  # pytest shows it only for a test that failed


@pytest.fixture
def ours(socket_dir: Path) -> Iterator[Mesh]:
    with Mesh(_made(socket_dir / "a"), drain="1s") as one:
        yield one
        sys.stderr.write(one.last_words())


@pytest.fixture
def theirs(socket_dir: Path) -> Iterator[Mesh]:
    """Another organisation's."""
    with Mesh(_made(socket_dir / "b"), PARTNER, "billing", drain="1s") as one:
        yield one
        sys.stderr.write(one.last_words())


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder

from __future__ import annotations

import fcntl
import socket
from pathlib import Path

import pytest

from trustplane.fault import Refused
from trustplane.main.demo import directory as demo_directory
from trustplane.main.demo.directory import LOCK, PREFIX, free_loopback, run_directory


def test_the_directory_is_gone_afterwards_whatever_was_in_it(tmp_path: Path) -> None:
    with run_directory(tmp_path) as directory:
        (directory / "deep" / "er").mkdir(parents=True)
        assert directory.stat().st_mode & 0o777 == 0o755
    assert list(tmp_path.iterdir()) == []


def test_it_is_gone_also_when_the_demo_fails(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), run_directory(tmp_path):
        _ = 1 / 0
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_demo_left_is_removed_and_a_living_demo_is_left_alone(tmp_path: Path) -> None:
    living, abandoned = tmp_path / f"{PREFIX}living", tmp_path / f"{PREFIX}abandoned"
    for one in (living, abandoned):
        one.mkdir()
        (one / LOCK).touch()
    with (living / LOCK).open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with run_directory(tmp_path):
            assert living.exists()
            assert not abandoned.exists()


def test_a_link_that_looks_like_a_demos_directory_is_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / LOCK).touch()
    (tmp_path / f"{PREFIX}link").symlink_to(precious)
    with run_directory(tmp_path):
        pass
    assert (precious / LOCK).exists()


@pytest.mark.network
def test_an_address_whose_port_is_taken_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("0.0.0.0", 0)) as everywhere:  # noqa: S104 - taken on every address is the point
        taken = everywhere.getsockname()[1]
        with pytest.raises(Refused) as refused:
            free_loopback([taken])
        assert str(taken) in refused.value.finding.fix
    monkeypatch.setattr(demo_directory, "ADDRESSES_TRIED", 3)
    assert free_loopback([taken]).startswith("127.")

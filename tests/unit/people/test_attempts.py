from __future__ import annotations

from datetime import timedelta

import pytest

from tests.kit.server_door import NOON
from trustplane.fault import Unavailable
from trustplane.people.attempts import (
    MOST_REMEMBERED,
    OF_ONE_ACCOUNT,
    OF_ONE_ADDRESS,
    WINDOW,
    WRITTEN_IN_A_WINDOW,
    Attempts,
)


def test_an_account_waits_from_whichever_address_until_the_window_has_passed() -> None:
    attempts = Attempts()
    for number in range(OF_ONE_ACCOUNT):
        attempts.require_patience("ada", f"10.0.0.{number}", NOON)
        attempts.failed("ada", f"10.0.0.{number}", NOON)
    with pytest.raises(Unavailable) as waits:
        attempts.require_patience("ada", "10.0.1.1", NOON)
    assert waits.value.retry_after == WINDOW
    attempts.require_patience("bob", "10.0.1.1", NOON)
    attempts.require_patience("ada", "10.0.1.1", NOON + WINDOW)


@pytest.mark.parametrize("addresses", [("10.0.0.1", "10.0.0.1"), ("2001:db8::1", "2001:db8::ffff:1"), ("odd", "odd")])
def test_an_address_waits_whatever_name_it_tries_and_a_network_is_one(addresses: tuple[str, str]) -> None:
    attempts = Attempts()
    for number in range(OF_ONE_ADDRESS):
        attempts.failed(f"name{number}", addresses[0], NOON)
    with pytest.raises(Unavailable, match="too-many-sign-ins"):
        attempts.require_patience("ada", addresses[1], NOON)
    attempts.require_patience("ada", "10.9.9.9", NOON)


def test_success_forgets_the_failures_of_the_account_and_not_of_the_address() -> None:
    attempts = Attempts()
    for _ in range(OF_ONE_ACCOUNT):
        attempts.failed("ada", "10.0.0.1", NOON)
    attempts.succeeded("ada")
    attempts.require_patience("ada", "10.0.0.1", NOON)
    for number in range(OF_ONE_ADDRESS - OF_ONE_ACCOUNT):
        attempts.failed(f"name{number}", "10.0.0.1", NOON)
    with pytest.raises(Unavailable, match="too-many-sign-ins"):
        attempts.require_patience("ada", "10.0.0.1", NOON)


def test_what_is_remembered_is_bounded() -> None:
    attempts = Attempts()
    for number in range(MOST_REMEMBERED):
        attempts.failed(f"name{number}", f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", NOON)
    assert len(attempts._failed) == MOST_REMEMBERED


def test_a_flood_of_failures_is_counted_and_not_written() -> None:
    attempts = Attempts()
    for _ in range(WRITTEN_IN_A_WINDOW):
        assert attempts.failed("ada", "10.0.0.1", NOON) == 0
    assert [attempts.failed("ada", "10.0.0.1", NOON) for _ in range(3)] == [None, None, None]
    assert attempts.failed("ada", "10.0.0.1", NOON + WINDOW + timedelta(seconds=1)) == 3

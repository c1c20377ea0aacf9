from __future__ import annotations

import pytest

from tests.kit.console import HASH, PASSWORD
from trustplane.fault import Broken, Refused
from trustplane.people.password import NOBODYS, PasswordHash, check_new


def test_a_password_matches_its_own_hash_and_no_other() -> None:
    kept = PasswordHash.of("correct horse battery", b"s" * 16)
    assert kept.matches("correct horse battery")
    assert not kept.matches("correct horse batterz")
    assert not HASH.matches("")
    assert HASH.matches(PASSWORD)


def test_two_ways_to_write_one_letter_are_one_password() -> None:
    assert PasswordHash.of("caf\u00e9 au lait, chaud", b"s" * 16).matches("cafe\u0301 au lait, chaud")


def test_nobody_has_no_password_and_a_hash_is_never_shown() -> None:
    assert not NOBODYS.matches("")
    assert "scrypt" not in repr(NOBODYS)


@pytest.mark.parametrize("text", ["", "plain", HASH.text[:-1], HASH.text + "\n", "md5$" + HASH.text])
def test_a_hash_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(Broken, match="bad-password-hash"):
        PasswordHash(text)


@pytest.mark.parametrize(
    "password", ["", "short", "a" * 50, "abababababababab", "ada is at home", "x" * 201, "with\nline breaks!"]
)
def test_weak_passwords_are_not_taken(password: str) -> None:
    with pytest.raises(Refused, match="weak-password"):
        check_new(password, "ada")


def test_a_long_sentence_is_taken_unless_the_name_is_in_it() -> None:
    check_new(PASSWORD, "ada")
    with pytest.raises(Refused, match="contains the account's name"):
        check_new(PASSWORD, "plain")

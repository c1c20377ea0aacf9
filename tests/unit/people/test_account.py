from __future__ import annotations

import pytest

from tests.kit.console import account
from trustplane.fault import Refused
from trustplane.people.account import AccountName, Role


@pytest.mark.parametrize("name", ["", "Ada", "ada ", "ada\n", "-ada", "a" * 65, "ad\u0430", "a/b"])
def test_names_that_could_be_mistaken_are_refused(name: str) -> None:
    with pytest.raises(Refused, match="bad-account-name"):
        AccountName(name)


def test_only_auditors_read_the_log_and_other_words_are_no_roles() -> None:
    assert [role.may_read_audit for role in Role] == [False, False, False, True]
    with pytest.raises(Refused, match="bad-role"):
        Role.parse("admin")


def test_an_account_is_shown_without_its_password() -> None:
    assert "scrypt" not in repr(account())

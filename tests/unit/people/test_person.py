from __future__ import annotations

import pytest

from trustplane.people.person import Person

ADA = Person("console:ada")


@pytest.mark.parametrize(
    "name", ["console:ada", "local:ada", "account:ada", "console:oidc:ada", "console:oidc:Ada@x.example"]
)
def test_names_that_read_alike_may_be_one_person(name: str) -> None:
    assert ADA.may_be(Person(name))
    assert Person(name).may_be(ADA)


def test_one_subject_of_a_provider_is_one_person_whatever_it_is_called() -> None:
    before, after = Person("console:oidc:a", "https://idp 1"), Person("console:oidc:b", "https://idp 1")
    assert before.may_be(after)
    assert not before.may_be(Person("console:oidc:b", "https://idp 2"))
    assert not Person("console:eve").may_be(ADA)  # no subject is nobody's

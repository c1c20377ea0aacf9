from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from trustplane.attest.entitlement import entitled, needs_digest
from trustplane.spiffe.selectors import Selector


@dataclass(frozen=True)
class Claim:
    name: str
    selectors: frozenset[Selector]


def claim(name: str, *selectors: str) -> Claim:
    return Claim(name, frozenset(Selector.parse(one) for one in selectors))


def shown(*selectors: str) -> frozenset[Selector]:
    return frozenset(Selector.parse(one) for one in selectors)


WEB = claim("web", "unix:uid:1001")
PAY = claim("pay", "unix:uid:1001", "unix:path:/usr/bin/pay")


def test_every_selector_of_a_claim_must_be_shown() -> None:
    assert entitled([WEB, PAY], shown("unix:uid:1001", "unix:gid:5")) == (WEB,)
    assert entitled([WEB, PAY], shown("unix:uid:1001", "unix:path:/usr/bin/pay")) == (WEB, PAY)
    assert entitled([WEB, PAY], shown("unix:path:/usr/bin/pay")) == ()


def test_a_claim_without_selectors_is_nobodys() -> None:
    assert entitled([claim("open")], shown("unix:uid:1001")) == ()


def test_the_order_of_claims_is_kept() -> None:
    facts = shown("unix:uid:1001", "unix:path:/usr/bin/pay")
    assert entitled([PAY, WEB], facts) == (PAY, WEB)


def test_the_digest_is_needed_only_when_some_claim_asks_for_it() -> None:
    assert not needs_digest([WEB, PAY])
    assert needs_digest([WEB, claim("exact", f"unix:sha256:{'0' * 64}")])


FACTS = [Selector("unix:uid", str(number)) for number in range(6)]


@given(st.lists(st.frozensets(st.sampled_from(FACTS))), st.frozensets(st.sampled_from(FACTS)), st.sampled_from(FACTS))
def test_showing_more_never_takes_an_identity_away(
    wanted: list[frozenset[Selector]], facts: frozenset[Selector], more: Selector
) -> None:
    claims = [Claim(str(number), one) for number, one in enumerate(wanted)]
    assert set(entitled(claims, facts)) <= set(entitled(claims, facts | {more}))

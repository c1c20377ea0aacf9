from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trustplane.fault import Refused
from trustplane.spiffe.ids import SpiffeId, TrustDomain
from trustplane.spiffe.patterns import IdPattern

A, B = TrustDomain("a.example"), TrustDomain("b.example")
PATHS = st.lists(st.sampled_from(["ns", "shop", "shop-evil", "x"]), max_size=4).map(tuple)
DOMAINS = st.sampled_from([A, B])
PATTERNS = st.builds(lambda name, path, below: IdPattern(name, path, below or not path), DOMAINS, PATHS, st.booleans())
IDS = st.builds(SpiffeId, DOMAINS, PATHS)


@pytest.mark.parametrize("text", ["spiffe://a.example/ns/shop", "spiffe://a.example/ns/shop/", "spiffe://a.example/"])
def test_a_pattern_says_itself(text: str) -> None:
    assert str(IdPattern.parse(text)) == text


def test_a_prefix_does_not_match_what_only_begins_like_it() -> None:
    prefix = IdPattern.parse("spiffe://a.example/ns/prod/")
    assert prefix.matches(SpiffeId(A, ("ns", "prod", "x")))
    assert not prefix.matches(SpiffeId(A, ("ns", "prod-evil", "x")))
    assert not prefix.matches(SpiffeId(A, ("ns", "prod")))
    assert not prefix.matches(SpiffeId(B, ("ns", "prod", "x")))


@pytest.mark.parametrize(
    "text", ["spiffe://a.example", "a.example/x", "spiffe://a.example/x//", "spiffe://a.example//"]
)
def test_what_is_no_pattern_is_refused(text: str) -> None:
    with pytest.raises(Refused):
        IdPattern.parse(text)


@given(PATTERNS, PATTERNS, IDS)
def test_what_is_covered_matches_nothing_more(wide: IdPattern, narrow: IdPattern, one: SpiffeId) -> None:
    if wide.covers(narrow) and narrow.matches(one):
        assert wide.matches(one)


@given(PATTERNS, PATTERNS, PATHS)
def test_paths_meet_where_one_path_is_meant_by_both(one: IdPattern, other: IdPattern, path: tuple[str, ...]) -> None:
    assert one.paths_meet(other) == other.paths_meet(one)
    if one.matches(SpiffeId(one.trust_domain, path)) and other.matches(SpiffeId(other.trust_domain, path)):
        assert one.paths_meet(other)

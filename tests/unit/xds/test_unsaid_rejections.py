"""A rejection that only the proxy's own counters know of is found; one that was said, or is not of ours, is none."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trustplane.xds.unsaid_rejections import AS_ACKNOWLEDGED, UPDATES, Subscription, UnsaidRejections

IDENTITY = "sds.spiffe_acme.example/ns/shop/sa/web"  # as a real Envoy counts it
THINGS = ("secret/spiffe://acme.example/ns/shop/sa/web", "route/out/pay:443", "listener/in")


def counted(rejected: int, taken_up: int = 1, name: str = IDENTITY) -> Subscription:
    return Subscription(name, rejected, taken_up)


def looked(*looks: Subscription) -> UnsaidRejections:
    found = UnsaidRejections()
    for one in looks:
        found.look([one], THINGS)
    return found


def is_doubted(found: UnsaidRejections) -> bool:
    told = found.held()
    assert (told.thing, told.desired, bool(told.refusal)) == (UPDATES, AS_ACKNOWLEDGED, told.held != told.desired)
    return bool(told.refusal)


def test_what_was_rejected_before_the_first_look_may_have_been_said_before() -> None:
    assert not is_doubted(looked(counted(7), counted(7), counted(7)))


def test_a_rejection_that_is_unsaid_at_a_second_look_is_a_doubt_and_says_where_it_is_counted() -> None:
    found = looked(counted(0), counted(1))
    assert found.is_suspicious
    assert not is_doubted(found), "the refusal may be on its way"
    found.look([counted(1)], THINGS)
    assert is_doubted(found)
    assert f"{IDENTITY}.update_rejected" in found.held().refusal


def test_a_refusal_that_comes_between_the_looks_or_before_them_says_it() -> None:
    late = looked(counted(0), counted(1))
    late.refused()
    late.look([counted(1)], THINGS)
    early = looked(counted(0))
    early.refused()
    for _ in range(2):
        early.look([counted(1)], THINGS)
    assert not is_doubted(late)
    assert not is_doubted(early)


def test_the_doubt_stays_until_something_later_is_taken_up() -> None:
    found = looked(counted(0), counted(1), counted(1), counted(1))
    found.refused()  # of something else
    found.look([counted(1)], THINGS)
    assert is_doubted(found)
    found.look([counted(1, taken_up=2)], THINGS)
    assert not is_doubted(found)


def test_listeners_clusters_and_routes_of_ours_count_and_what_others_serve_does_not() -> None:
    for name in ("listener_manager.lds", "cluster_manager.cds", "http.in.rds.out/pay_443"):
        assert is_doubted(looked(*(counted(number, name=name) for number in (0, 1, 1)))), name
    for name in ("sds.by-hand", "http.in.rds.other", "sds.spiffe_acme.example/ns/shop/sa/we"):
        assert not is_doubted(looked(*(counted(number, name=name) for number in (0, 1, 1)))), name


def test_a_subscription_that_is_gone_leaves_no_doubt() -> None:
    found = looked(counted(0), counted(1), counted(1))
    found.look([], THINGS)
    assert not is_doubted(found)


@given(st.lists(st.sampled_from(["takes up", "rejects and says so", "look"]), max_size=60))
def test_a_proxy_that_says_what_it_rejects_is_never_in_doubt(history: list[str]) -> None:
    found, rejected, taken_up, unsaid = UnsaidRejections(), 0, 0, False
    for what in history:
        if unsaid:  # a refusal arrives before anything else that the proxy does
            found.refused()
            unsaid = False
        if what == "look":
            found.look([counted(rejected, taken_up)], THINGS)
            assert not is_doubted(found)
        elif what == "takes up":
            taken_up += 1
        else:
            rejected, unsaid = rejected + 1, True
            found.look([counted(rejected, taken_up)], THINGS)  # while the refusal is on its way
            assert not is_doubted(found)

"""Whatever the order in which counts arrive, and however often, they come to the same."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kit.policies import PAYMENTS, REQUESTS, policies, policy_book
from tests.kit.verdicts import START, counted, kinds, tallies
from trustplane.fault import Refused
from trustplane.policy.access import Access, Grant, Verdict
from trustplane.policy.compile import compiled
from trustplane.policy.tree import EVERYONE, AllOf, Method, Path, Request
from trustplane.registry.parcels import ParcelId, is_new
from trustplane.spiffe.names import NodeName
from trustplane.verdict.decision import DecisionKind, SeenPath
from trustplane.verdict.delivery import Parcel
from trustplane.verdict.folding import Asked, Paths
from trustplane.verdict.replay import CannotTell, narrowed, replayed
from trustplane.verdict.tally import Tallies, Tally, merged, requests

EXAMPLES = settings(max_examples=50, deadline=None)
NODES = (NodeName("node-a"), NodeName("node-b"))


@EXAMPLES
@given(tallies(), tallies(), tallies())
def test_merging_is_associative_and_commutative(one: Tally, two: Tally, three: Tally) -> None:
    assert one.merged(two) == two.merged(one)
    assert one.merged(two).merged(three) == one.merged(two.merged(three))


@EXAMPLES
@given(st.lists(counted, max_size=4))
def test_no_request_is_lost_or_made_up_by_merging(parts: list[Tallies]) -> None:
    whole = merged(parts)
    assert merged(reversed(parts)) == whole
    assert requests(whole) == sum(map(requests, parts))


@EXAMPLES
@given(st.lists(st.tuples(st.sampled_from(NODES), counted), max_size=6), st.data())
def test_parcels_that_arrive_again_add_nothing(sent: list[tuple[NodeName, Tallies]], data: st.DataObject) -> None:
    """Each is sent until it is received, in order; copies of any earlier one may arrive at any moment."""
    numbers = dict.fromkeys(NODES, 0)
    received: dict[tuple[NodeName, str], int] = {}
    known: list[Parcel] = []
    kept: list[Tallies] = []
    for node, some in sent:
        numbers[node] += 1
        known.append(Parcel(ParcelId(node, "0" * 16, numbers[node]), START, some))
        late = data.draw(st.lists(st.sampled_from(known), max_size=3))
        for parcel in [known[-1], *late]:
            if is_new(parcel.id, received):
                received[parcel.id.node, parcel.id.stream] = parcel.id.number
                kept.append(parcel.tallies)
    assert merged(kept) == merged(some for _, some in sent)


@EXAMPLES
@given(st.lists(kinds, max_size=30), st.integers(0, 3))
def test_folding_bounds_paths_and_keeps_all_else(seen: list[DecisionKind], most: int) -> None:
    read = Grant("read", EVERYONE, AllOf((Method("GET"), Path(("/orders/", "")), Path(("/charge",)))))
    paths, asked = Paths(most), Asked.by(Access((), (read,)))
    kept = [paths.kept(one, asked) for one in seen]
    assert len({one.path for one in kept if not one.path.folded} - {SeenPath("/charge")}) <= most
    assert [(one.caller, one.operation, one.enforced, one.trial) for one in kept] == [
        (one.caller, one.operation, one.enforced, one.trial) for one in seen
    ]
    assert all(one.path.text.startswith(found.path.text) for one, found in zip(seen, kept, strict=True))
    assert {found.path.text for found in kept if found.path.folded} <= {"", "/orders/"}
    assert paths.folded_requests == sum(one != found for one, found in zip(seen, kept, strict=True))


@EXAMPLES
@given(policies(), REQUESTS, st.integers(0, 12))
def test_a_replay_never_guesses(cedar: str, request: Request, kept: int) -> None:
    """What it says of a request with nothing but caller, method and part of its path is so, or it says nothing."""
    try:
        access = compiled(policy_book(cedar).rules_of(PAYMENTS))
    except Refused:
        return
    path = SeenPath.of(request.path)
    for seen in (path, path.below(request.path[:kept])):
        enforced = Verdict(allowed=True, rule=None)
        kind = DecisionKind(PAYMENTS, request.caller, request.method, seen, request.port, None, enforced)
        answer = replayed(access, kind)
        assert replayed(narrowed(access, kind), kind) == answer
        assert isinstance(answer, CannotTell) or answer.allowed is access.decide(request).allowed

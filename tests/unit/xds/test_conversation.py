"""Single exchanges of an xDS stream, as transcripts; tests/properties/xds explores the rest."""

from __future__ import annotations

import pytest

from trustplane.xds.conversation import (
    MAX_NAMES,
    Closed,
    Conversation,
    Dialect,
    Effect,
    Ended,
    Held,
    Offered,
    Requested,
    RetryDue,
    Unknown,
)
from trustplane.xds.resources import Kind, Offer, Resource, typed
from trustplane.xds.topic import Answer


def one(kind: Kind, name: str, content: int = 0, stands_for: str = "") -> Resource:
    return Resource(kind, name, typed(kind.value, name=name, content=content), stands_for)


CLUSTER_A, CLUSTER_B = one(Kind.CLUSTER, "a"), one(Kind.CLUSTER, "b")
LISTENER, LISTENER_2 = one(Kind.LISTENER, "in"), one(Kind.LISTENER, "in", 2)
BOTH = Offer((CLUSTER_A, CLUSTER_B, LISTENER))
FEWER = Offer((CLUSTER_A, LISTENER_2))


def answers(effects: tuple[Effect, ...]) -> list[Answer]:
    return [effect for effect in effects if isinstance(effect, Answer)]


def held(effects: tuple[Effect, ...]) -> dict[str, Held]:
    return {effect.thing: effect for effect in effects if isinstance(effect, Held)}


def connected(dialect: Dialect, offer: Offer) -> Conversation:
    """A proxy that asked for all and took all up."""
    talk = Conversation(dialect)
    talk.feed(Offered(offer))
    for kind in (Kind.CLUSTER, Kind.LISTENER):
        (answer,) = answers(talk.feed(Requested(kind)))
        talk.feed(ack(answer))
    return talk


def ack(answer: Answer) -> Requested:
    return Requested(answer.kind, answer.nonce, version=answer.version)


def nack(answer: Answer) -> Requested:
    return Requested(answer.kind, answer.nonce, "no thanks", version="before")


@pytest.mark.parametrize("dialect", Dialect)
def test_nothing_is_answered_before_the_first_offer(dialect: Dialect) -> None:
    talk = Conversation(dialect)
    assert talk.feed(Requested(Kind.CLUSTER)) == ()
    assert talk.feed(Requested(Kind.LISTENER)) == ()
    assert [answer.kind for answer in answers(talk.feed(Offered(BOTH)))] == [Kind.CLUSTER, Kind.LISTENER]


@pytest.mark.parametrize("dialect", Dialect)
def test_a_cluster_goes_only_after_the_listener_that_used_it(dialect: Dialect) -> None:
    talk = connected(dialect, BOTH)
    (listener,) = answers(talk.feed(Offered(FEWER)))
    assert listener.kind is Kind.LISTENER
    (cluster,) = answers(talk.feed(ack(listener)))
    assert cluster.kind is Kind.CLUSTER
    expected = ((), ("b",)) if dialect is Dialect.DELTA else ((CLUSTER_A,), ())
    assert (cluster.resources, cluster.removed) == expected


@pytest.mark.parametrize("dialect", Dialect)
def test_a_cluster_stays_while_its_listener_is_refused(dialect: Dialect) -> None:
    talk = connected(dialect, BOTH)
    (listener,) = answers(talk.feed(Offered(FEWER)))
    assert answers(talk.feed(nack(listener))) == []


@pytest.mark.parametrize("dialect", Dialect)
def test_the_same_offer_again_sends_nothing(dialect: Dialect) -> None:
    talk = connected(dialect, BOTH)
    assert talk.feed(Offered(Offer((CLUSTER_A, CLUSTER_B, LISTENER)))) == ()


def test_a_proxy_that_comes_back_is_sent_only_what_changed() -> None:
    talk = Conversation(Dialect.DELTA)
    talk.feed(Offered(FEWER))
    effects = talk.feed(Requested(Kind.CLUSTER, known={"a": CLUSTER_A.version}))
    assert answers(effects) == []
    assert held(effects)["cluster/a"].held == CLUSTER_A.version
    (answer,) = answers(talk.feed(Requested(Kind.LISTENER, known={"in": LISTENER.version})))
    assert answer.resources == (LISTENER_2,)


def test_a_state_of_the_world_proxy_that_comes_back_with_the_same_version_is_sent_nothing() -> None:
    talk = Conversation(Dialect.STATE)
    talk.feed(Offered(BOTH))
    (answer,) = answers(talk.feed(Requested(Kind.CLUSTER)))
    again = Conversation(Dialect.STATE)
    again.feed(Offered(BOTH))
    effects = again.feed(Requested(Kind.CLUSTER, version=answer.version))
    assert answers(effects) == []
    assert held(effects)["cluster/b"].held == CLUSTER_B.version


def test_of_several_refused_resources_the_culprit_is_found_and_named() -> None:
    talk = Conversation(Dialect.DELTA)
    talk.feed(Offered(BOTH))
    (both,) = answers(talk.feed(Requested(Kind.CLUSTER)))
    (first,) = answers(talk.feed(nack(both)))
    assert first.resources == (CLUSTER_A,)
    effects = talk.feed(ack(first))
    assert held(effects)["cluster/a"] == Held("cluster/a", CLUSTER_A.version, CLUSTER_A.version)
    (second,) = answers(effects)
    refused = held(talk.feed(nack(second)))
    assert refused == {}  # already said with the first refusal
    assert talk.refusing
    (again,) = answers(talk.feed(RetryDue()))
    assert again.resources == (CLUSTER_B,)


def test_a_refusal_is_reported_with_what_is_still_held() -> None:
    talk = connected(Dialect.DELTA, BOTH)
    (answer,) = answers(talk.feed(Offered(FEWER)))
    told = held(talk.feed(nack(answer)))
    assert told == {"listener/in": Held("listener/in", LISTENER_2.version, LISTENER.version, "no thanks")}


def test_an_answer_to_a_nonce_nobody_sent_changes_nothing() -> None:
    talk = connected(Dialect.DELTA, BOTH)
    talk.feed(Offered(FEWER))
    assert talk.feed(Requested(Kind.LISTENER, "17", "no")) == ()


def test_content_that_stays_but_is_known_by_another_name_is_held_at_once() -> None:
    before = Offer((CLUSTER_A, LISTENER, one(Kind.SECRET, "s", stands_for="bundle 1")))
    after = Offer((CLUSTER_A, LISTENER, one(Kind.SECRET, "s", stands_for="bundle 2")))
    talk = connected(Dialect.DELTA, before)
    (answer,) = answers(talk.feed(Requested(Kind.SECRET, subscribe=("s",))))
    talk.feed(ack(answer))
    assert talk.feed(Offered(after)) == (Held("secret/s", "bundle 2", "bundle 2"),)


def test_asking_again_for_a_name_sends_it_again() -> None:
    offer = Offer((CLUSTER_A, LISTENER, one(Kind.SECRET, "s")))
    talk = connected(Dialect.DELTA, offer)
    (answer,) = answers(talk.feed(Requested(Kind.SECRET, subscribe=("s",))))
    talk.feed(ack(answer))
    assert len(answers(talk.feed(Requested(Kind.SECRET, subscribe=("s",))))) == 1


def test_a_secret_is_never_taken_away() -> None:
    talk = connected(Dialect.DELTA, Offer((CLUSTER_A, LISTENER, one(Kind.SECRET, "s"))))
    (answer,) = answers(talk.feed(Requested(Kind.SECRET, subscribe=("s",))))
    talk.feed(ack(answer))
    assert answers(talk.feed(Offered(Offer((CLUSTER_A, LISTENER))))) == []


@pytest.mark.parametrize("dialect", Dialect)
def test_a_name_that_is_not_offered_waits_for_sidecars_and_ends_the_stream_of_others(dialect: Dialect) -> None:
    waits, ends = Conversation(dialect), Conversation(dialect, Unknown.ENDS)
    for talk in (waits, ends):
        talk.feed(Offered(Offer((one(Kind.SECRET, "s"),))))
    asked = Requested(Kind.SECRET, subscribe=("t",))
    assert waits.feed(asked) == ()
    (ended,) = ends.feed(asked)
    assert isinstance(ended, Ended)
    assert ended.fault.code == "xds-name-unknown"
    assert ends.feed(Offered(BOTH)) == ()


def test_an_identity_that_is_taken_away_ends_the_stream() -> None:
    talk = Conversation(Dialect.STATE, Unknown.ENDS)
    talk.feed(Offered(Offer((one(Kind.SECRET, "s"), one(Kind.SECRET, "t")))))
    talk.feed(Requested(Kind.SECRET, subscribe=("s", "t")))
    (ended,) = talk.feed(Offered(Offer((one(Kind.SECRET, "s"),))))
    assert isinstance(ended, Ended)


def test_too_many_names_end_the_stream() -> None:
    talk = Conversation(Dialect.DELTA)
    (ended,) = talk.feed(Requested(Kind.SECRET, subscribe=tuple(str(n) for n in range(MAX_NAMES + 1))))
    assert isinstance(ended, Ended)
    assert ended.fault.code == "xds-too-many-names"


def test_after_the_end_nothing_is_said() -> None:
    talk = connected(Dialect.DELTA, BOTH)
    assert talk.feed(Closed()) == ()
    assert talk.feed(Offered(FEWER)) == ()


def test_an_unnamed_request_gets_the_offers_choice() -> None:
    talk = Conversation(Dialect.STATE, Unknown.ENDS)
    talk.feed(Offered(Offer((one(Kind.SECRET, "s"), one(Kind.SECRET, "default")), wildcard=frozenset({"s"}))))
    (answer,) = answers(talk.feed(Requested(Kind.SECRET)))
    assert [each.name for each in answer.resources] == ["s"]

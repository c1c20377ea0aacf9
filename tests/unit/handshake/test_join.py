"""Two records become one connection when they can be, and stay two when they cannot."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from trustplane.handshake.failure import Failure, Implementation, Side
from trustplane.handshake.join import MAX_CANDIDATES, NEAR, Servers, join

AT = datetime(2026, 11, 26, 10, tzinfo=UTC)
CLIENT, SERVER = "10.0.0.1:40000", "10.0.0.2:8443"


def client(seconds: float = 0, local: str = CLIENT, peer: str = SERVER) -> Failure:
    at = AT + timedelta(seconds=seconds)
    return Failure("", Implementation.ENVOY, Side.CLIENT, at=at, flags="UC", local=local, peer=peer)


def server(seconds: float = 0, text: str = "refused", peer: str = CLIENT, local: str = SERVER) -> Failure:
    return Failure(text, Implementation.ENVOY, Side.SERVER, at=AT + timedelta(seconds=seconds), local=local, peer=peer)


def test_the_clients_own_address_is_the_servers_peer() -> None:
    (pair,) = join([client(), server()])
    assert (pair.client, pair.server, pair.missing, pair.by_time) == (client(), server(), None, False)


def test_the_order_of_logs_does_not_matter() -> None:
    (pair,) = join([server(), client()])
    assert pair.missing is None


def test_of_a_port_used_again_the_nearest_is_taken() -> None:
    pairs = join([client(0), client(60), server(61, "second"), server(1, "first")])
    assert [(one.server.text if one.server else "") for one in pairs] == ["first", "second"]


def test_what_is_too_far_away_is_another_connection() -> None:
    pairs = join([client(0), server(121)])
    assert [one.missing for one in pairs] == [Side.SERVER, Side.CLIENT]


def test_an_address_rewritten_on_the_way_joins_nothing() -> None:
    assert len(join([client(), server(peer="192.0.2.1:1")])) == 2


def test_another_port_of_the_server_is_another_connection() -> None:
    assert len(join([client(), server(local="10.0.0.2:9999")])) == 2


def test_each_record_is_in_one_pair() -> None:
    pairs = join([client(0), client(0), server(0)])
    assert [one.missing for one in pairs] == [None, Side.SERVER]


def test_a_connection_never_made_is_joined_by_server_and_time() -> None:
    (pair,) = join([client(local=""), server(1)])
    assert (pair.missing, pair.by_time) == (None, True)


def test_by_time_alone_nothing_is_joined_when_records_differ() -> None:
    pairs = join([client(local=""), server(0.5, "one"), server(1, "another")])
    assert [one.missing for one in pairs] == [Side.SERVER, Side.CLIENT, Side.CLIENT]


def test_by_time_alone_nothing_is_joined_when_there_are_too_many_to_look_at() -> None:
    many = [server(0.001 * number) for number in range(MAX_CANDIDATES + 1)]
    assert len(join([client(local=""), *many])) == len(many) + 1


def test_of_a_port_that_a_log_is_full_of_only_so_many_records_are_looked_at() -> None:
    records = [server(0.001 * number) for number in range(10 * MAX_CANDIDATES)]
    assert len(Servers(records, lambda one: one.peer).near(CLIENT, AT, NEAR)) == MAX_CANDIDATES

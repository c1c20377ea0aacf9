"""A parcel of handshakes as a message, and a hostile message as no more than it may be."""

from __future__ import annotations

import pytest

from tests.kit.handshakes import AT, CALLER, hidden, refused
from tests.kit.policies import PAYMENTS
from trustplane.fault import Refused
from trustplane.handshake.delivery import MOST_SETUPS, HandshakeParcel
from trustplane.handshake.failure import NOBODY, Claims, Side
from trustplane.handshake.setup import Became, Setup
from trustplane.registry.parcels import Losses, ParcelId
from trustplane.spiffe.names import NodeName
from trustplane.wire import handshake_codec
from trustplane.wire.gen.trustplane.node.v1 import node_pb2

NODE = NodeName("node-a")
COMPLETED = {(PAYMENTS, Side.SERVER): 7, (CALLER, Side.CLIENT): 1 << 40}


BECAME = Became(PAYMENTS, AT, Setup("1.40.0", "0.9.1", "b" * 64, 18))


def parcel(**told: object) -> HandshakeParcel:
    return HandshakeParcel(ParcelId(NODE, "a" * 32, 7), AT, **told)  # type: ignore[arg-type] # a parcel's fields


def test_it_comes_back_as_it_was() -> None:
    bare = refused(theirs=NOBODY, ours=Claims("spiffe://a/b"), text="", tls=None, build=(), times=9)
    told = parcel(failures=(refused(), hidden(), bare), completed=COMPLETED, losses=Losses(3, 4), setups=(BECAME,))
    content = handshake_codec.encoded(told).SerializeToString()
    assert handshake_codec.read(NODE, content) == told
    assert handshake_codec.told_in(content) == 14


def test_text_that_is_no_unicode_can_be_sent() -> None:
    told = parcel(failures=(refused(text="\ud800\x00", theirs=Claims("\udfff")),))
    (found,) = handshake_codec.read(NODE, handshake_codec.encoded(told).SerializeToString()).failures
    assert (found.failure.text, found.failure.theirs.spiffe_id) == ("?\x00", "?")


@pytest.mark.parametrize(
    "broken",
    [
        {"service": "no service"},
        {"at": {"seconds": 1 << 60}},
        {"theirs": {"not_after": {"seconds": -(1 << 60)}}},
        {"bundle": "x" * 500},
        {"rollout": "\x1b[31m"},
        {"revision": (1 << 64) - 1},
        {"times": 0},
    ],
)
def test_one_record_that_is_none_costs_only_itself(broken: dict[str, object]) -> None:
    message = handshake_codec.encoded(parcel(failures=(refused(),)))
    whole = {"service": "a/b", "at": {"seconds": 1}, "times": 5, **broken}
    message.failed.append(node_pb2.FailedHandshake(**whole))  # type: ignore[arg-type] # a message's fields
    found = handshake_codec.decoded(NODE, message)
    assert len(found.failures) == 1
    assert found.losses.dropped in {1, 5}


@pytest.mark.parametrize(
    "broken", [{"service": "no service"}, {"at": {"seconds": 1 << 60}}, {"envoy": "1 40"}, {"bundle": "\n"}]
)
def test_a_setup_that_is_none_is_left_out(broken: dict[str, object]) -> None:
    message = handshake_codec.encoded(parcel(setups=(BECAME,)))
    message.setups.append(node_pb2.SidecarSetup(**{"service": "a/b", "at": {"seconds": 1}, **broken}))  # type: ignore[arg-type] # a message's fields
    assert handshake_codec.decoded(NODE, message).setups == (BECAME,)


def test_more_than_a_parcel_holds_is_refused() -> None:
    message = node_pb2.HandshakeParcel(setups=[node_pb2.SidecarSetup()] * (MOST_SETUPS + 1))
    with pytest.raises(Refused, match="2001 setups"):
        handshake_codec.decoded(NODE, message)


def test_what_is_too_long_is_cut() -> None:
    message = node_pb2.FailedHandshake(service="a/b", times=1, text="x" * 100_000, peer="y" * 100_000, build="1" * 9999)
    told = node_pb2.HandshakeParcel(stream="a" * 32, number=1, failed=[message])
    (found,) = handshake_codec.decoded(NODE, told).failures
    assert (len(found.failure.text), len(found.failure.peer)) == (2048, 512)


@pytest.mark.parametrize(
    "message",
    [
        node_pb2.HandshakeParcel(stream="x", number=1),
        node_pb2.HandshakeParcel(stream="a" * 32),
        node_pb2.HandshakeParcel(stream="a" * 32, number=1, failed=[node_pb2.FailedHandshake()] * 501),
        node_pb2.HandshakeParcel(
            stream="a" * 32, number=1, completed=[node_pb2.CompletedHandshakes(service="a/b", count=1 << 60)]
        ),
    ],
)
def test_what_is_no_parcel_is_refused(message: node_pb2.HandshakeParcel) -> None:
    with pytest.raises(Refused, match="bad-parcel"):
        handshake_codec.decoded(NODE, message)


def test_a_file_that_is_cut_is_refused() -> None:
    with pytest.raises(Refused, match="bad-parcel"):
        handshake_codec.read(NODE, b"\xff\xff")

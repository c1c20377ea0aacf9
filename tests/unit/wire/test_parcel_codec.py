"""A parcel as a message, and a hostile message as no more than it may be."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from tests.kit.verdicts import START, counted
from trustplane.fault import Refused
from trustplane.registry.parcels import Losses, ParcelId
from trustplane.spiffe.names import NodeName
from trustplane.verdict.delivery import Parcel
from trustplane.verdict.tally import Tallies
from trustplane.wire import parcel_codec
from trustplane.wire.gen.trustplane.node.v1 import node_pb2

NODE = NodeName("node-a")


def parcel(tallies: Tallies) -> Parcel:
    return Parcel(ParcelId(NODE, "a" * 32, 7), START, tallies, Losses(3, 4))


@settings(max_examples=30, deadline=None)
@given(counted)
def test_it_comes_back_as_it_was_but_for_operations(tallies: Tallies) -> None:
    read = parcel_codec.read(NODE, parcel_codec.encoded(parcel(tallies)).SerializeToString())
    assert (read.id, read.losses) == (ParcelId(NODE, "a" * 32, 7), Losses(3, 4))
    assert sum(one.count for one in read.tallies.values()) == sum(one.count for one in tallies.values())
    assert {(one.caller, one.path, one.enforced, one.trial) for one in read.tallies} == {
        (one.caller, one.path, one.enforced, one.trial) for one in tallies
    }


@pytest.mark.parametrize(
    "broken",
    [
        {"callee": "no service"},
        {"callee": "a/b", "caller": "spiffe://x/../y"},
        {"callee": "a/b", "method": "G T"},
        {"callee": "a/b", "method": "GET", "path": "/\x1b[31m"},
        {"callee": "a/b", "method": "GET", "path": "/", "path_plain": True, "port": 70_000},
        {"callee": "a/b", "method": "GET", "path": "/", "path_plain": True, "rule": "x" * 500},
        {"callee": "a/b", "method": "GET", "path": "/", "path_plain": True, "first": {"seconds": 1 << 60}},
    ],
)
def test_one_line_that_is_no_decision_costs_only_itself(broken: dict[str, object]) -> None:
    message = parcel_codec.encoded(parcel({}))
    message.decided.append(node_pb2.Decided(count=5, **broken))  # type: ignore[arg-type] # a message's fields
    assert parcel_codec.decoded(NODE, message).losses == Losses(8, 4)


@pytest.mark.parametrize(
    "message",
    [
        node_pb2.Parcel(stream="x", number=1),
        node_pb2.Parcel(stream="a" * 32),
        node_pb2.Parcel(stream="a" * 32, number=1, decided=[node_pb2.Decided()] * 2001),
    ],
)
def test_what_is_no_parcel_is_refused(message: node_pb2.Parcel) -> None:
    with pytest.raises(Refused, match="bad-parcel"):
        parcel_codec.decoded(NODE, message)


def test_a_file_that_is_cut_is_refused() -> None:
    with pytest.raises(Refused, match="bad-parcel"):
        parcel_codec.read(NODE, b"\xff\xff")

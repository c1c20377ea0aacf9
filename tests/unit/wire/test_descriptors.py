"""Envoy's messages, read from its binary: complete, cached, and not from a file that is no Envoy."""

from __future__ import annotations

from pathlib import Path

import pytest

from trustplane.fault import Refused
from trustplane.host.envoy import find_envoy
from trustplane.wire.descriptors import Descriptors

CLUSTER = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
ENVOY = find_envoy(None)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("descriptors")
    Descriptors.of(ENVOY, folder)
    return folder


def test_a_resource_goes_there_and_back(cache: Path) -> None:
    descriptors = Descriptors.of(ENVOY, cache)
    content = {"@type": CLUSTER, "name": "a", "connect_timeout": "1.500s"}
    assert descriptors.dictionary(descriptors.any(content)) == content


@pytest.mark.parametrize(
    "name",
    [
        "envoy.service.discovery.v3.DeltaDiscoveryRequest",
        "envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig",
        "envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter",
        "envoy.service.metrics.v3.StreamMetricsMessage",
    ],
)
def test_messages_are_found_also_those_with_far_dependencies(cache: Path, name: str) -> None:
    assert Descriptors.of(ENVOY, cache).message(name).DESCRIPTOR.full_name == name


def test_an_unknown_message_is_refused_by_name(cache: Path) -> None:
    with pytest.raises(Refused) as refusal:
        Descriptors.of(ENVOY, cache).message("envoy.no.Such")
    assert refusal.value.code == "envoy-message-unknown"


def test_the_cache_is_used(cache: Path) -> None:
    (cached,) = cache.iterdir()
    before = cached.stat()
    Descriptors.of(ENVOY, cache)
    assert cached.stat().st_mtime_ns == before.st_mtime_ns


@pytest.mark.parametrize("damage", [b"", b"short", None], ids=["empty", "torn", "one bit"])
def test_a_damaged_cache_is_noticed_and_replaced(cache: Path, damage: bytes | None) -> None:
    (cached,) = cache.iterdir()
    whole = cached.read_bytes()
    flipped = whole[:-1] + bytes([whole[-1] ^ 1])
    cached.write_bytes(flipped if damage is None else damage)
    assert Descriptors.of(ENVOY, cache).message("google.protobuf.Any").DESCRIPTOR.full_name == "google.protobuf.Any"
    assert cached.read_bytes() == whole
    assert list(cache.iterdir()) == [cached]


def test_a_cache_that_cannot_be_written_stops_nothing() -> None:
    nowhere = Path("/proc/trustplane")  # nothing can be made there, not even by root
    assert Descriptors.of(ENVOY, nowhere).message("google.protobuf.Any").DESCRIPTOR.name == "Any"
    assert not nowhere.exists()


@pytest.mark.parametrize("content", [b"#!/bin/sh\n", b"\x0a\x0cenvoy/a.proto\x12" * 50], ids=["a script", "lures"])
def test_a_file_that_is_no_envoy_is_refused(tmp_path: Path, content: bytes) -> None:
    binary = tmp_path / "envoy"
    binary.write_bytes(content)
    with pytest.raises(Refused) as refusal:
        Descriptors.of(binary, tmp_path / "cache")
    assert refusal.value.code == "envoy-without-descriptors"
    assert not (tmp_path / "cache").exists()

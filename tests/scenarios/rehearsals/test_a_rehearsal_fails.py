"""A rehearsal that could not fail would prove nothing: a certificate without a fault fails the rehearsal of one."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from tests.kit.envoy_bench import DESCRIPTOR_CACHE
from trustplane.flows.rehearsal import Check
from trustplane.host.clock import SystemClock
from trustplane.host.envoy import find_envoy
from trustplane.main.rehearsals import run as rehearse
from trustplane.main.rehearsals.certificates import Make, expired_leaf, refused_by_handshake
from trustplane.main.rehearsals.pair import pair

pytestmark = pytest.mark.scenario
EXPIRED = "at depth 0: certificate has expired"


def played(folder: Path, make: Make, reason: str) -> dict[str, bool]:
    async def play() -> list[Check]:
        on_trial = rehearse.candidate(rehearse.Options(), rehearse.state_on_trial(rehearse.Options()))
        async with pair(folder, find_envoy(None), DESCRIPTOR_CACHE, on_trial, SystemClock().now()) as two:
            two.patience = timedelta(seconds=2)
            return list(await refused_by_handshake(make, reason)(two, SystemClock().now()))

    return {one.must: one.holds for one in asyncio.run(play())}


def test_a_sound_leaf_fails_what_an_expired_one_passes(socket_dir: Path) -> None:
    found = played(socket_dir, lambda two, name, at: two.leaf(name, two.root.issuer(at), at), EXPIRED)
    assert [must for must, holds in found.items() if holds] == ["web's calls to pay are answered 200"]


def test_a_refusal_for_another_reason_is_not_the_one_that_must_come(socket_dir: Path) -> None:
    found = played(socket_dir, expired_leaf, "at depth 1: certificate has expired")
    assert [must for must, holds in found.items() if not holds] == [
        "pay's listener log says at depth 1: certificate has expired",
        "web's request log says at depth 1: certificate has expired",
    ]

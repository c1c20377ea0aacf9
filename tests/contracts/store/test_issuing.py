from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.contracts.store.records import (
    CERTIFICATE,
    HOUR,
    JWT,
    LEDGER,
    NOW,
    OTHER_NODE,
    WEB,
    bodies,
    certificates,
    code_of,
    opened,
)
from tests.kit.ca import rsa2048
from trustplane.fault import Refused
from trustplane.issuance.record import Purpose
from trustplane.spiffe.names import NodeName
from trustplane.store.certificates import RECENT, SERIALS_AT_ONCE
from trustplane.store.columns import SERIAL_BYTES
from trustplane.trust.authority import AuthorityId, AuthorityState

LARGEST = (1 << 8 * SERIAL_BYTES) - 1


@pytest.mark.parametrize("serial", [1, LARGEST, 1 << 127, 1 << 64])
async def test_a_certificate_comes_back_as_it_was_recorded(url: str, serial: int) -> None:
    async with await opened(url) as store:
        await store.record_issuance(certificates(serial), [b"issued"], NOW)
        assert await store.certificate(serial) == replace(CERTIFICATE, serial=serial)
        assert await bodies(store) == [b"issued"]


@pytest.mark.parametrize("serial", [0, -1, LARGEST + 1])
async def test_a_serial_that_no_certificate_has_finds_none(url: str, serial: int) -> None:
    async with await opened(url) as store:
        assert await store.certificate(serial) is None


async def test_many_serials_are_looked_up_at_once(url: str) -> None:
    async with await opened(url) as store:
        await store.record_issuance(certificates(*range(1, SERIALS_AT_ONCE + 3)), [b"issued"], NOW)
        invented = (LARGEST + 1, -1, LARGEST, 1 << 100)
        asked = (*range(2, SERIALS_AT_ONCE + 3), 2, *invented)
        found = await store.certificates_with(asked)
        assert sorted(one.serial for one in found) == list(range(2, SERIALS_AT_ONCE + 3))
        assert await store.certificates_with(invented) == await store.certificates_with(()) == ()


async def test_a_taken_serial_is_named_and_nothing_of_the_batch_is_written(url: str) -> None:
    async with await opened(url) as store:
        await store.record_issuance(certificates(1, 2), [b"first"], NOW)
        with pytest.raises(Refused, match=f"{2:032x}") as refused:
            await store.record_issuance(certificates(3, 2), [b"second"], NOW)
        assert refused.value.code == "serial-taken"
        assert f"{3:032x}" not in str(refused.value)
        assert await store.certificate(3) is None
        assert await bodies(store) == [b"first"]


async def test_one_serial_twice_in_a_batch_is_refused(url: str) -> None:
    async with await opened(url) as store:
        assert await code_of(store.record_issuance(certificates(5, 5), [b"x"], NOW)) == "serial-taken"
        assert await bodies(store) == []


async def test_a_bad_batch_harms_none_of_those_written_with_it(url: str) -> None:
    async with await opened(url) as store:
        await store.record_issuance(certificates(1000), [b"first"], NOW)
        serials = [1000 if n == 7 else n + 1 for n in range(40)]
        ends = await asyncio.gather(
            *(code_of(store.record_issuance(certificates(n), [b"%d" % n], NOW)) for n in serials)
        )
        assert [ends.index("serial-taken"), ends.count("done")] == [7, 39]
        assert sorted(await bodies(store)) == sorted([b"first"] + [b"%d" % n for n in serials if n != 1000])


async def test_two_replicas_that_use_one_serial_at_once_are_told_apart(url: str) -> None:
    async with await opened(url) as one, await opened(url) as other:
        for serial in range(1, 11):
            both = (code_of(store.record_issuance(certificates(serial), [b"x"], NOW)) for store in (one, other))
            assert sorted(await asyncio.gather(*both)) == ["done", "serial-taken"]
        assert len(await bodies(one)) == 10


async def test_certificates_of_an_id_come_newest_first(url: str) -> None:
    async with await opened(url) as store:
        of_web = [replace(CERTIFICATE, serial=n, issued_at=NOW + n * timedelta(seconds=1)) for n in (1, 3, 2)]
        await store.record_issuance([*of_web, replace(CERTIFICATE, serial=9, spiffe_id=LEDGER)], [], NOW)
        assert [one.serial for one in await store.certificates_of(WEB, 2)] == [3, 2]
        assert [one.serial for one in await store.certificates_of(LEDGER, 9)] == [9]


async def test_the_newest_of_each_id_and_node_that_has_not_expired(url: str) -> None:
    renewed = replace(CERTIFICATE, serial=2, issued_at=NOW + HOUR, not_after=NOW + 2 * HOUR)
    on_another_node = replace(CERTIFICATE, serial=3, node=OTHER_NODE)
    expired = replace(CERTIFICATE, serial=4, spiffe_id=LEDGER, not_after=NOW)
    async with await opened(url) as store:
        await store.record_issuance([CERTIFICATE, renewed, on_another_node, expired], [], NOW)
        assert await store.newest_certificates() == (renewed, on_another_node)


async def test_the_newest_few_that_live_of_each_that_is_asked_for(url: str) -> None:
    many = [replace(CERTIFICATE, serial=n, issued_at=NOW + n * timedelta(seconds=1)) for n in range(1, 13)]
    elsewhere = replace(CERTIFICATE, serial=20, node=OTHER_NODE)
    other = replace(CERTIFICATE, serial=21, spiffe_id=LEDGER)
    there = replace(CERTIFICATE, serial=22, spiffe_id=LEDGER, node=OTHER_NODE)
    expired = replace(CERTIFICATE, serial=23, not_after=NOW)
    probe = replace(CERTIFICATE, serial=24, purpose=Purpose.PROBE)
    async with await opened(url) as store:
        await store.record_issuance([*many, elsewhere, other, there, expired, probe], [], NOW)
        assert await store.recent_certificates([(WEB, CERTIFICATE.node)]) == tuple(many[: -RECENT - 1 : -1])
        asked = [(WEB, OTHER_NODE), (LEDGER, CERTIFICATE.node), (LEDGER, CERTIFICATE.node)]
        assert {one.serial for one in await store.recent_certificates(asked)} == {20, 21}
        crowd = [(WEB, NodeName(f"n{number}")) for number in range(250)]
        assert [one.serial for one in await store.recent_certificates([*crowd, (LEDGER, OTHER_NODE)])] == [22]
        assert await store.recent_certificates([]) == ()


async def test_a_certificate_that_was_renewed_does_not_count_as_expiring(url: str) -> None:
    renewed = replace(CERTIFICATE, serial=2, issued_at=NOW + HOUR / 2, not_after=NOW + 2 * HOUR)
    async with await opened(url) as store:
        await store.record_issuance([CERTIFICATE, renewed], [], NOW)
        assert await store.count_certificates_expiring_before(NOW + 2 * HOUR) == 0
        assert await store.count_certificates_expiring_before(NOW + 3 * HOUR) == 1


async def test_pruning_forgets_certificates_and_keeps_the_audit_log(url: str) -> None:
    old = certificates(*range(1, 4502))
    alive = replace(CERTIFICATE, serial=9999, not_after=NOW + 2 * HOUR)
    async with await opened(url) as store:
        await store.record_issuance([*old, alive], [b"issued"], NOW)
        assert await store.prune_certificates(NOW + HOUR) == 0
        assert await store.prune_certificates(NOW + HOUR + timedelta(seconds=1)) == len(old)
        assert await store.certificates_of(WEB, 9) == (alive,)
        assert await bodies(store) == [b"issued"]


async def test_an_authority_comes_back_as_it_was_put_and_its_key_only_by_name(url: str) -> None:
    owned = replace(JWT, id=AuthorityId("ef" * 32), owner=NodeName("server-1"), public_key=rsa2048().public_key())
    async with await opened(url) as store:
        await store.put_authority(JWT, b"sealed")
        await store.put_authority(owned, b"other")
        assert await store.authorities() == (JWT, owned)
        assert await store.sealed_key(JWT.id) == b"sealed"
        assert await code_of(store.sealed_key(AuthorityId("00" * 32))) == "authority-unknown"


async def test_an_authority_is_made_once(url: str) -> None:
    async with await opened(url) as one, await opened(url) as other:
        both = (code_of(store.put_authority(JWT, b"sealed")) for store in (one, other))
        assert sorted(await asyncio.gather(*both)) == ["authority-exists", "done"]


async def test_of_two_replicas_that_move_an_authority_one_does(url: str) -> None:
    steps = (JWT.id, AuthorityState.PREPARED, AuthorityState.ACTIVE, NOW)
    async with await opened(url) as one, await opened(url) as other:
        await one.put_authority(JWT, b"sealed")
        assert sorted(await asyncio.gather(one.move_authority(*steps), other.move_authority(*steps))) == [False, True]
        assert await other.authorities() == (replace(JWT, state=AuthorityState.ACTIVE),)

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

from tests.contracts.store.records import CERTIFICATE, HOUR, LEDGER, NOW, WEB, certificates, opened
from trustplane.store.topics import Topic
from trustplane.trust.authority import AuthorityId
from trustplane.trust.revocation import (
    Cause,
    Reason,
    Revocations,
    RevokedCertificate,
    RevokedId,
    RevokedIssuer,
    SignedCrl,
)

CAUSE = Cause(Reason.KEY_COMPROMISE, "laptop stolen", "local:eve", NOW)
LATER = replace(CAUSE, note="again", at=NOW + timedelta(minutes=1))
AUTHORITY = AuthorityId("ab" * 32)
ONE = RevokedCertificate((1 << 128) - 1, WEB, AUTHORITY, "0f" * 32, NOW + HOUR, CAUSE)
ID = RevokedId(WEB, CAUSE)
ISSUER = RevokedIssuer(AUTHORITY, CAUSE)
ALL = Revocations((ONE,), (ID,), (ISSUER,))
CRL = SignedCrl(AUTHORITY, 1, NOW, NOW + HOUR, "aa" * 32, b"crl")


async def test_revocations_come_back_as_they_were_put(url: str) -> None:
    async with await opened(url) as store:
        assert await store.revocations() == Revocations()
        await store.put_revocations(ALL)
        assert await store.revocations() == ALL


async def test_what_is_revoked_keeps_its_first_cause(url: str) -> None:
    async with await opened(url) as store:
        await store.put_revocations(ALL)
        other = replace(ONE, serial=7, cause=LATER)
        await store.put_revocations(Revocations((replace(ONE, cause=LATER), other), (replace(ID, cause=LATER),)))
        assert await store.revocations() == replace(ALL, certificates=(ONE, other))


async def test_two_at_once_revoke_once(url: str) -> None:
    async with await opened(url) as store, await opened(url) as replica:
        await asyncio.gather(store.put_revocations(ALL), replica.put_revocations(ALL))
        assert await store.revocations() == ALL


async def test_a_lifted_id_is_free_and_can_be_revoked_again(url: str) -> None:
    async with await opened(url) as store:
        await store.put_revocations(ALL)
        assert not await store.lift_id(LEDGER, NOW)
        assert await store.lift_id(WEB, NOW)
        assert not await store.lift_id(WEB, NOW)
        assert (await store.revocations()).ids == ()
        await store.put_revocations(Revocations(ids=(replace(ID, cause=LATER),)))
        assert (await store.revocations()).ids == (replace(ID, cause=LATER),)


async def test_an_issuer_is_cut_off_once(url: str) -> None:
    async with await opened(url) as store:
        assert not await store.cut_issuer(AUTHORITY, NOW)
        await store.put_revocations(ALL)
        assert await store.cut_issuer(AUTHORITY, NOW + HOUR)
        assert not await store.cut_issuer(AUTHORITY, NOW + 2 * HOUR)
        assert (await store.revocations()).issuers == (replace(ISSUER, cut_at=NOW + HOUR),)


async def test_only_what_is_about_expired_certificates_is_pruned(url: str) -> None:
    async with await opened(url) as store:
        await store.put_revocations(ALL)
        assert await store.prune_revocations(NOW + HOUR) == 0
        assert await store.prune_revocations(NOW + HOUR + timedelta(seconds=1)) == 1
        assert await store.revocations() == replace(ALL, certificates=())


async def test_a_crl_is_replaced_by_a_higher_number_only(url: str) -> None:
    async with await opened(url) as store:
        assert await store.put_crl(CRL)
        assert not await store.put_crl(replace(CRL, der=b"other"))
        assert list(await store.crls()) == [CRL]
        second = replace(CRL, number=2, der=b"second", signed_at=NOW + HOUR)
        assert await store.put_crl(second)
        assert not await store.put_crl(CRL)
        assert list(await store.crls()) == [second]


async def test_of_two_replicas_with_one_number_one_is_first(url: str) -> None:
    async with await opened(url) as store, await opened(url) as replica:
        ones = await asyncio.gather(store.put_crl(CRL), replica.put_crl(replace(CRL, der=b"other")))
        assert sorted(ones) == [False, True]


async def test_living_certificates_are_those_of_the_id_that_have_not_expired(url: str) -> None:
    async with await opened(url) as store:
        expired = replace(CERTIFICATE, serial=8, not_after=NOW)
        await store.record_issuance([*certificates(1, 2), replace(CERTIFICATE, serial=9, spiffe_id=LEDGER)], [], NOW)
        await store.record_issuance([expired], [], NOW)
        assert [one.serial for one in await store.living_certificates_of(WEB)] == [1, 2]


async def test_a_revocation_is_announced_and_a_repeated_one_is_not(url: str) -> None:
    async with await opened(url) as store:
        changes = store.changes()
        await store.put_revocations(ALL)
        assert await anext(changes) is Topic.REVOCATIONS
        await store.put_revocations(ALL)
        await store.put_crl(replace(CRL, number=5))
        assert await anext(changes) is Topic.REVOCATIONS

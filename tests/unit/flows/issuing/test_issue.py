"""Batches: each request its own answer, intent before the key, certificates before the answer."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography import x509

from tests.kit.issuing_ports import (
    ACME,
    NODE,
    NOON,
    WEB,
    MemoryAuthority,
    MemoryRecords,
    RightsTable,
    authority_keys,
    leaf_key,
    profile,
)
from trustplane.fault import Broken, Fault, Unavailable
from trustplane.flows.issuing.issue import SIGNED_A_TURN, Issued, IssueX509, Request
from trustplane.flows.issuing.signer import Signer, SigningKey
from trustplane.issuance.admit import Right
from trustplane.issuance.record import IssuedCertificate, Purpose
from trustplane.rotation.slots import SLOT
from trustplane.spiffe.bundle import Bundle, BundleSet
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.names import NodeName
from trustplane.spiffe.verify import verify_x509

LEDGER = SpiffeId(ACME, ("ns", "shop", "sa", "ledger"))
AUTHORITY = MemoryAuthority.at(NOON)
SIGNER = Signer(AUTHORITY.issuing, AUTHORITY.key)
CSR = leaf_key().csr()


def an_issuer(records: MemoryRecords, *, key: SigningKey = AUTHORITY.key, **options: Any) -> IssueX509:  # noqa: ANN401 - IssueX509's own
    return IssueX509(records, lambda: Signer(AUTHORITY.issuing, key), RightsTable.of(WEB, LEDGER), profile(), **options)


def issue(records: MemoryRecords, *requests: Request, at: datetime = NOON) -> Sequence[Issued | Fault]:
    return asyncio.run(an_issuer(records).issue(NODE, requests, at))


def events(records: MemoryRecords) -> list[dict[str, Any]]:
    return [json.loads(body) for body in records.bodies]


def codes(answers: Sequence[Issued | Fault]) -> list[str]:
    return [answer.code if isinstance(answer, Fault) else "issued" for answer in answers]


def test_an_entitled_request_ends_in_an_svid_that_the_bundle_vouches_for() -> None:
    records = MemoryRecords()
    (answer,) = issue(records, Request(str(WEB), CSR))
    assert isinstance(answer, Issued)
    root = AUTHORITY.root.certificate
    assert root is not None
    assert verify_x509(answer.svid, BundleSet.of(Bundle(ACME, (root,))), NOON) == WEB
    record = records.certificates[answer.serial]
    assert (record.leaf, record.renew_at, record.node) == (answer.chain[0], answer.renew_at, NODE)
    assert NOON + timedelta(minutes=30) <= answer.renew_at <= NOON + timedelta(minutes=45)


def test_the_intent_names_the_bytes_that_were_then_signed_and_the_outcome_the_serials() -> None:
    records = MemoryRecords()
    answers = issue(records, Request(str(WEB), CSR), Request(str(LEDGER), CSR))
    intent, outcome = events(records)
    assert (intent["event"], outcome["event"]) == ("x509-intent", "x509-outcome")
    certificates = [x509.load_der_x509_certificate(answer.chain[0]) for answer in answers if isinstance(answer, Issued)]
    signed = [
        (f"{each.serial_number:x}", hashlib.sha256(each.tbs_certificate_bytes).hexdigest()) for each in certificates
    ]
    assert [(each["serial"], each["tbs_sha256"]) for each in intent["orders"]] == signed
    assert outcome["issued"] == [serial for serial, _ in signed]


def test_one_bad_request_spoils_its_own_answer_only() -> None:
    records = MemoryRecords()
    answers = issue(
        records,
        Request(str(WEB), CSR),
        Request(str(WEB), b"hostile"),
        Request("spiffe://acme.example/ns/shop/sa/stranger", CSR),
        Request("not an id", CSR),
        Request(str(LEDGER), leaf_key().csr()[:-1] + b"\0"),
        Request(str(LEDGER), CSR),
    )
    assert codes(answers) == ["issued", "bad-csr", "not-entitled", "bad-spiffe-id", "bad-csr", "issued"]
    assert len(records.certificates) == 2


def test_what_a_node_has_no_right_to_is_written_down_and_its_broken_requests_are_not() -> None:
    records = MemoryRecords()
    stranger = "spiffe://acme.example/ns/shop/sa/stranger"
    issue(records, *[Request(stranger, CSR)] * 30, Request(str(WEB), b"broken"))
    (refused,) = events(records)
    assert refused["event"] == "x509-refused"
    assert refused["refused"] == [{"id": stranger, "code": "not-entitled"}] * 20


def test_another_nodes_identity_is_not_given() -> None:
    records = MemoryRecords()
    answers = asyncio.run(an_issuer(records).issue(NodeName("node-b"), [Request(str(WEB), CSR)], NOON))
    assert codes(answers) == ["not-entitled"]


def test_nothing_is_signed_when_the_intent_cannot_be_written() -> None:
    class NeverSigns(Unwilling):
        reason = "signed without an intent"

    with pytest.raises(Unavailable, match="store-down"):
        asyncio.run(
            an_issuer(MemoryRecords(down=True), key=NeverSigns(AUTHORITY.key)).issue(
                NODE, [Request(str(WEB), CSR)], NOON
            )
        )


def test_nothing_is_answered_when_the_certificates_cannot_be_recorded() -> None:
    class FailsToRecord(MemoryRecords):
        async def record_issuance(
            self, certificates: Sequence[IssuedCertificate], bodies: Sequence[bytes], at: datetime
        ) -> None:
            del certificates, bodies, at
            raise Unavailable(code="store-down", what="down", why="a test said so", fix="wait")

    records = FailsToRecord()
    with pytest.raises(Unavailable, match="store-down"):
        issue(records, Request(str(WEB), CSR))
    assert [each["event"] for each in events(records)] == ["x509-intent"], "the evidence stays"


def test_a_serial_that_is_taken_is_drawn_again() -> None:
    records = MemoryRecords()
    drawn = iter([bytes(16), bytes(16), b"\1" * 16])
    issuer = an_issuer(records, entropy=lambda _: next(drawn))

    async def twice() -> list[Issued | Fault]:
        requests = [Request(str(WEB), CSR)]
        return [*await issuer.issue(NODE, requests, NOON), *await issuer.issue(NODE, requests, NOON)]

    assert codes(asyncio.run(twice())) == ["issued", "issued"]
    assert len(records.certificates) == 2
    assert [each["event"] for each in events(records)] == [
        "x509-intent", "x509-outcome", "x509-intent", "x509-intent", "x509-outcome",
    ]  # fmt: skip


def test_a_source_of_serials_that_repeats_is_reported_and_not_retried_for_ever() -> None:
    records = MemoryRecords()
    issuer = an_issuer(records, entropy=bytes)

    async def twice() -> None:
        requests = [Request(str(WEB), CSR)]
        await issuer.issue(NODE, requests, NOON)
        await issuer.issue(NODE, requests, NOON)

    with pytest.raises(Broken, match="serials-not-random"):
        asyncio.run(twice())
    assert len(records.certificates) == 1


def test_a_key_that_signs_wrongly_gives_nobody_a_certificate() -> None:
    records = MemoryRecords()
    wrong, _ = authority_keys().make()
    requests = [Request(str(WEB), CSR), Request(str(LEDGER), CSR)]
    answers = asyncio.run(an_issuer(records, key=wrong).issue(NODE, requests, NOON))
    assert codes(answers) == ["confirm-failed", "confirm-failed"]
    assert records.certificates == {}
    assert sorted(events(records)[-1]["failed"].values()) == ["confirm-failed", "confirm-failed"]


def test_a_clock_that_is_far_off_is_unavailable_and_uses_no_key() -> None:
    records = MemoryRecords()
    for years in (-1, 1):
        (answer,) = issue(records, Request(str(WEB), CSR), at=NOON + timedelta(days=365 * years))
        assert isinstance(answer, Unavailable)
    assert records.bodies == []


def test_an_empty_batch_is_answered_with_nothing() -> None:
    records = MemoryRecords()
    assert list(issue(records)) == []
    assert records.writes == 0


@pytest.mark.parametrize(
    ("ask", "purpose", "path"),
    [
        (lambda one: one.issue_node(NODE, CSR, NOON), Purpose.NODE, ("trustplane", "agent", "node-a")),
        (lambda one: one.issue_server(NODE, CSR, NOON), Purpose.SERVER, ("trustplane", "server", "node-a")),
    ],
)
def test_nodes_and_servers_get_their_own_identity(
    ask: Callable[[IssueX509], Awaitable[Issued | Fault]], purpose: Purpose, path: tuple[str, ...]
) -> None:
    async def play() -> Issued | Fault:
        return await ask(an_issuer(records))

    records = MemoryRecords()
    answer = asyncio.run(play())
    assert isinstance(answer, Issued)
    assert answer.svid.spiffe_id == SpiffeId(ACME, path)
    assert records.certificates[answer.serial].purpose is purpose


def test_others_get_their_turn_while_a_batch_is_issued() -> None:
    async def play() -> int:
        turns = 0

        async def other() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        task = asyncio.create_task(other())
        await an_issuer(MemoryRecords()).issue(NODE, [Request(str(WEB), CSR)] * (SIGNED_A_TURN * 4), NOON)
        task.cancel()
        return turns

    assert asyncio.run(play()) >= 4


class Unwilling:
    """A key that must not be used."""

    reason = "used"

    def __init__(self, key: SigningKey) -> None:
        self.id, self.public_key = key.id, key.public_key

    def sign(self, message: bytes) -> bytes:
        raise AssertionError(f"{self.reason}: {len(message)} bytes")


def test_a_signer_is_printed_without_its_key() -> None:
    assert "key" not in repr(replace(SIGNER)).replace("public_key", "")


def test_leaves_that_are_issued_together_are_not_all_asked_back_together() -> None:
    instants = [one.renew_at for one in issued_to_many(an_issuer_for_many(MemoryRecords()), 300)]
    assert len(instants) == 300
    slots = Counter((instant - NOON) // SLOT for instant in instants)
    # One hour of life, a window of fifteen minutes: 180 slots take 300 leaves with two or three in each.
    assert max(slots.values()) <= 3


def test_promises_made_before_a_restart_are_kept_clear_of() -> None:
    records = MemoryRecords()
    taken = {(one.renew_at - NOON) // SLOT for one in issued_to_many(an_issuer_for_many(records), 50)}
    restarted = an_issuer(records)
    restarted.recall(records.certificates.values(), NOON)
    (after,) = asyncio.run(restarted.issue(NODE, [Request(str(WEB), CSR)], NOON))
    assert isinstance(after, Issued)
    assert (after.renew_at - NOON) // SLOT not in taken


def test_a_renewal_before_its_time_leaves_no_promise_behind() -> None:
    records = MemoryRecords()
    before = issued_to_many(an_issuer_for_many(records), 1)[0].renew_at
    restarted = an_issuer_for_many(records)
    restarted.recall(records.certificates.values(), NOON)
    again = [issued_to_many(restarted, 1)[0].renew_at for _ in range(5)]
    assert {(one - NOON) // SLOT for one in (before, *again)} == {(before - NOON) // SLOT}


def an_issuer_for_many(records: MemoryRecords) -> IssueX509:
    rights = RightsTable({(NODE, one): Right(NODE, one, profile()) for one in map(sibling, range(300))})
    return IssueX509(records, lambda: SIGNER, rights, profile())


def issued_to_many(issuer: IssueX509, count: int) -> list[Issued]:
    wanted = [Request(str(sibling(number)), CSR) for number in range(count)]
    return [one for one in asyncio.run(issuer.issue(NODE, wanted, NOON)) if isinstance(one, Issued)]


def sibling(number: int) -> SpiffeId:
    return SpiffeId(ACME, ("ns", "shop", "sa", f"s{number}"))

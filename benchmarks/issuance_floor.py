"""What issuing costs beside the floor it cannot go below: one P-256 verification and one signature.

The pure path, from the bytes of a request to the confirmed certificate: parse, prove, admit, shape, lint, sign, look
again. No store, no network; those are in the end-to-end figure.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from benchmarks._figures import goal, load, small, tell
from trustplane.issuance.admit import Right, admit
from trustplane.issuance.ask import Ask
from trustplane.issuance.authority_shape import issuing_body, root_body
from trustplane.issuance.confirm import confirm, confirm_authority, confirm_whole
from trustplane.issuance.csr import Csr
from trustplane.issuance.lints import lint
from trustplane.issuance.serial import ENTROPY_BYTES, serial_from
from trustplane.issuance.shape import shape
from trustplane.keys.authority import AuthorityKey, AuthorityKeys
from trustplane.keys.leaf import LeafKey
from trustplane.keys.sealing import Kek
from trustplane.registry.model import KeyKind, Profile, RenewalWindow
from trustplane.spiffe.ids import SpiffeId, TrustDomain
from trustplane.spiffe.names import NodeName
from trustplane.trust.authority import Authority, AuthorityKind, AuthorityState

ROUNDS = 1 if small() else 9
CERTIFICATES = 50 if small() else 500
BATCH = 50
AT = datetime(2030, 1, 1, tzinfo=UTC)
ACME = TrustDomain("acme.example")
NODE = NodeName("node-a")
HOURLY = Profile("default", 1, KeyKind.P256, timedelta(hours=1), timedelta(seconds=30), RenewalWindow(0.5, 0.75))
ECDSA = ec.ECDSA(hashes.SHA256())


def an_authority(keys: AuthorityKeys) -> tuple[Authority, AuthorityKey]:
    root_key, key = keys.make()[0], keys.make()[0]
    body = root_body(ACME, root_key.public_key, a_serial(), AT, timedelta(days=3650))
    certificate = confirm_authority(body.der(), root_key.sign(body.der()), issuer=None)
    kind, state, domain = AuthorityKind.ROOT, AuthorityState.ACTIVE, ACME
    ends = body.not_before, body.not_after
    root = Authority(root_key.id, kind, state, domain, None, root_key.public_key, certificate, None, *ends)
    body = issuing_body(root, NODE, key.public_key, a_serial(), at=AT, lifetime=timedelta(days=30))
    der = body.der()
    certificate = confirm_authority(der, root_key.sign(der), issuer=root.certificate)
    kind, ends = AuthorityKind.ISSUING, (body.not_before, body.not_after)
    return Authority(key.id, kind, state, domain, NODE, key.public_key, certificate, root.id, *ends), key


def a_serial() -> int:
    return serial_from(secrets.token_bytes(ENTROPY_BYTES))


def a_batch(asks: Sequence[tuple[SpiffeId, bytes]], authority: Authority, key: AuthorityKey) -> list[bytes]:
    orders = []
    for spiffe_id, csr in asks:
        admitted = admit(Ask(NODE, spiffe_id, Csr.parse(csr)), Right(NODE, spiffe_id, HOURLY))
        order = shape(admitted, authority, a_serial(), AT)
        lint(order)
        orders.append(order)
    leaves = []
    for order in orders:
        body = order.redeem()
        leaves.append(confirm(order, body, key.sign(body)))
    confirm_whole(orders[0], leaves[0])
    return leaves


def seconds_each(work: Callable[[], None], count: int) -> float:
    started = process_time()
    work()
    return (process_time() - started) / count


def main() -> None:
    loads = [load()]
    with TemporaryDirectory() as directory:
        authority, key = an_authority(AuthorityKeys(Kek.from_key_file(Path(directory, "seal.key"))))
    asks = [
        (SpiffeId(ACME, ("ns", "bench", "sa", f"s{number}")), LeafKey.generate(KeyKind.P256).csr())
        for number in range(CERTIFICATES)
    ]
    private = ec.generate_private_key(ec.SECP256R1())
    public, message = private.public_key(), bytes(400)
    signature = private.sign(message, ECDSA)

    def floor() -> None:
        for _ in range(CERTIFICATES):
            public.verify(signature, message, ECDSA)
            private.sign(message, ECDSA)

    def issue() -> None:
        for start in range(0, CERTIFICATES, BATCH):
            a_batch(asks[start : start + BATCH], authority, key)

    # Turn about, the best of each: other work on the machine slows both alike.
    rounds = [(seconds_each(floor, CERTIFICATES), seconds_each(issue, CERTIFICATES)) for _ in range(ROUNDS)]
    best_floor, best_issue = (min(times) for times in zip(*rounds, strict=True))
    figures = {
        "share_of_floor": goal(round(best_floor / best_issue, 3), at_least=0.65),
        "floor_us": round(best_floor * 1e6, 1),
        "issue_us": round(best_issue * 1e6, 1),
        "a_core_second": round(1 / best_issue),
    }
    tell("issuance_floor", figures, [*loads, load()])


if __name__ == "__main__":
    main()

"""What flows rely on of whoever keeps authority keys. Every keeper passes this suite: today there is the sealed one."""

from __future__ import annotations

import copy
import pickle  # noqa: TID251 - to see that it fails
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from trustplane.fault import Fault
from trustplane.flows.issuing.keep_authorities import AuthorityKeys
from trustplane.keys.authority import AuthorityKeys as SealedAuthorityKeys
from trustplane.keys.authority import identify
from trustplane.keys.sealing import Kek


def sealed_under_a_key() -> AuthorityKeys:
    return SealedAuthorityKeys(Kek(bytes(32), stretched=False, told_as="a test's key"))


def sealed_under_a_passphrase() -> AuthorityKeys:
    return SealedAuthorityKeys(Kek(b"correct horse battery staple", stretched=True, told_as="a test's passphrase"))


KEEPERS = pytest.mark.parametrize("keeper", [sealed_under_a_key, sealed_under_a_passphrase])


@KEEPERS
def test_a_key_survives_a_restart_of_its_keeper(keeper: Callable[[], AuthorityKeys]) -> None:
    key, sealed = keeper().make()
    again = keeper().unseal(key.id, sealed)
    assert again.id == key.id
    assert again.public_key == key.public_key
    key.public_key.verify(again.sign(b"message"), b"message", ec.ECDSA(hashes.SHA256()))


@KEEPERS
def test_a_key_is_named_by_its_public_half(keeper: Callable[[], AuthorityKeys]) -> None:
    key, _ = keeper().make()
    assert key.id == identify(key.public_key)
    assert len(key.id.hex) == 64


@KEEPERS
def test_a_sealed_key_in_another_ones_row_does_not_open(keeper: Callable[[], AuthorityKeys]) -> None:
    keys = keeper()
    (mine, _), (_, others) = keys.make(), keys.make()
    with pytest.raises(Fault) as refused:
        keys.unseal(mine.id, others)
    assert refused.value.code == "seal-does-not-open"


@KEEPERS
def test_a_key_is_neither_printed_nor_copied(keeper: Callable[[], AuthorityKeys]) -> None:
    key, _ = keeper().make()
    assert repr(key) == f"AuthorityKey({key.id})"
    for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="seal it"):
            attempt(key)

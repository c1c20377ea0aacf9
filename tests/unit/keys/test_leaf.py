"""What an agent makes, a server takes; and it is not printed."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_der_private_key

from tests.kit.issuing_ports import leaf_key
from trustplane.issuance.csr import Csr
from trustplane.registry.model import KeyKind


@pytest.mark.parametrize("kind", KeyKind)
def test_the_request_is_for_the_key_that_is_handed_out(kind: KeyKind) -> None:
    key = leaf_key(kind)
    private = load_der_private_key(key.pkcs8(), password=None)
    assert x509.load_der_x509_csr(key.csr()).public_key() == private.public_key()
    assert Csr.parse(key.csr()).key is kind


def test_the_request_says_nothing_but_the_key() -> None:
    request = x509.load_der_x509_csr(leaf_key().csr())
    assert len(request.subject) == len(request.extensions) == 0


def test_a_key_is_never_printed() -> None:
    assert repr(leaf_key()) == "LeafKey(256 bits)"

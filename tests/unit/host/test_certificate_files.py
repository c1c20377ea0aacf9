from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.kit.ca import TestCa
from tests.kit.clock import VirtualClock
from trustplane.fault import Refused
from trustplane.host.certificate_files import CertificateFiles
from trustplane.host.tls_context import federation_context

CA = TestCa.root("web.invalid", uris=())


def write(folder: Path, name: str) -> tuple[Path, Path]:
    leaf, key = CA.leaf("/x", uris=(), dns=(name,))
    certificate, secret = folder / "web.pem", folder / "web.key"
    certificate.write_bytes(leaf.public_bytes(Encoding.PEM))
    secret.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return certificate, secret


def shown(context: ssl.SSLContext, name: str) -> bool:
    """Whether a client that expects `name` is content: a handshake in memory."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    trusting = ssl.create_default_context(cadata=CA.certificate.public_bytes(Encoding.PEM).decode())
    client = trusting.wrap_bio(to_client, to_server, server_hostname=name)
    server = context.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(5):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLCertVerificationError:
                return False
    return client.version() is not None


def test_new_files_are_shown_without_a_restart(tmp_path: Path) -> None:
    files = CertificateFiles(*write(tmp_path, "one.example"), VirtualClock())
    assert shown(files.context, "one.example")
    write(tmp_path, "two.example")
    files.look()
    assert shown(files.context, "two.example")
    assert not shown(files.context, "one.example")


def test_files_that_are_no_pair_are_left_until_they_are(tmp_path: Path) -> None:
    certificate, key = write(tmp_path, "one.example")
    files = CertificateFiles(certificate, key, VirtualClock())
    old = key.read_bytes()
    write(tmp_path, "two.example")
    new = key.read_bytes()
    key.write_bytes(old)
    files.look()
    assert shown(files.context, "one.example")
    key.write_bytes(new)
    files.look()
    assert shown(files.context, "two.example")
    key.unlink()
    files.look()
    assert shown(files.context, "two.example")


def test_without_a_certificate_the_door_does_not_open(tmp_path: Path) -> None:
    certificate, key = write(tmp_path, "one.example")
    certificate.write_text("nothing")
    with pytest.raises(Refused) as refused:
        CertificateFiles(certificate, key, VirtualClock())
    assert refused.value.code == "web-certificate-unusable"


def test_fe_5_and_fe_9_the_endpoint_speaks_what_mozilla_calls_intermediate_and_asks_no_certificate() -> None:
    context = federation_context()
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.verify_mode is ssl.CERT_NONE
    weak = [one["name"] for one in context.get_ciphers() if not one["aead"]]
    assert weak == []

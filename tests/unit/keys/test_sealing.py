"""Sealed keys open with the key they were sealed under, for what they were sealed for, and otherwise not at all."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from trustplane.fault import Refused, Unavailable
from trustplane.keys.sealing import CREDENTIAL, KEY_FILE, Kek, choose_kek

SECRET = b"the private half"


def a_kek(byte: int = 0, *, stretched: bool = False) -> Kek:
    return Kek(bytes((byte,)) * 32, stretched=stretched, told_as="a test's key")


@pytest.mark.parametrize("stretched", [False, True])
def test_another_process_with_the_same_secret_opens_it(stretched: bool) -> None:  # noqa: FBT001 - the parameter
    sealed = a_kek(stretched=stretched).seal(SECRET, bound_to=b"here")
    assert SECRET not in sealed
    assert a_kek(stretched=stretched).unseal(sealed, bound_to=b"here") == SECRET


def test_no_two_sealings_are_alike() -> None:
    kek = a_kek()
    assert kek.seal(SECRET, bound_to=b"here") != kek.seal(SECRET, bound_to=b"here")


def test_another_key_another_purpose_and_a_changed_byte_do_not_open() -> None:
    sealed = a_kek().seal(SECRET, bound_to=b"here")
    attempts = [
        (a_kek(1), sealed, b"here"),
        (a_kek(), sealed, b"there"),
        (a_kek(), b"", b"here"),
        (a_kek(), sealed[:20], b"here"),
        *((a_kek(), sealed[:at] + bytes((sealed[at] ^ 1,)) + sealed[at + 1 :], b"here") for at in range(len(sealed))),
    ]
    for kek, what, bound_to in attempts:
        with pytest.raises(Refused) as refused:
            kek.unseal(what, bound_to=bound_to)
        assert refused.value.code == "seal-does-not-open"


def test_a_key_file_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "seal.key"
    sealed = Kek.from_key_file(path).seal(SECRET, bound_to=b"here")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert Kek.from_key_file(path).unseal(sealed, bound_to=b"here") == SECRET
    assert [each.name for each in tmp_path.iterdir()] == ["seal.key"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601])
def test_a_key_file_others_can_use_is_refused_with_the_command_that_mends_it(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "seal.key"
    Kek.from_key_file(path)
    path.chmod(mode)
    with pytest.raises(Refused) as refused:
        Kek.from_key_file(path)
    assert refused.value.code == "key-file-open-to-others"
    assert refused.value.finding.fix.startswith(f"chmod 600 {path}")


def test_a_symbolic_link_a_directory_and_a_device_are_no_key_files(tmp_path: Path) -> None:
    Kek.from_key_file(tmp_path / "seal.key")
    (tmp_path / "link").symlink_to(tmp_path / "seal.key")
    for path, code in (
        (tmp_path / "link", "key-file-not-readable"),
        (tmp_path, "not-a-key-file"),
        (Path("/dev/zero"), "not-a-key-file"),
    ):
        with pytest.raises(Refused) as refused:
            Kek.from_passphrase_file(path)
        assert refused.value.code == code


def test_a_directory_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as unavailable:
        Kek.from_key_file(tmp_path / "missing" / "seal.key")
    assert unavailable.value.code == "key-file-not-written"


def test_a_credential_may_show_group_bits_and_nothing_to_everybody(tmp_path: Path) -> None:
    path = tmp_path / CREDENTIAL
    path.touch()
    path.write_text("c" * 32)
    path.chmod(0o440)
    Kek.from_credential(path)
    path.chmod(0o444)
    with pytest.raises(Refused, match="key-file-open-to-others"):
        Kek.from_credential(path)


def test_a_short_passphrase_and_a_short_key_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "passphrase"
    path.touch(mode=0o600)
    path.write_text("hunter2\n")
    with pytest.raises(Refused, match="weak-seal"):
        Kek.from_passphrase_file(path)
    with pytest.raises(Refused, match="weak-seal"):
        Kek.from_credential(path)


def test_a_passphrase_goes_before_a_credential_and_that_before_a_key_file(tmp_path: Path) -> None:
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    passphrase, credential = tmp_path / "passphrase", credentials / CREDENTIAL
    for path, content in ((passphrase, "correct horse battery"), (credential, "c" * 32)):
        path.touch(mode=0o600)
        path.write_text(content)
    assert str(passphrase) in repr(choose_kek(tmp_path, passphrase, credentials))
    assert CREDENTIAL in repr(choose_kek(tmp_path, None, credentials))
    assert not (tmp_path / KEY_FILE).exists()
    credential.unlink()
    assert KEY_FILE in repr(choose_kek(tmp_path, None, credentials))


def test_a_key_is_never_printed() -> None:
    assert "AAAA" not in repr(Kek(b"A" * 32, stretched=False, told_as="a file"))

"""An agent's cache opens on the machine and for the node it was sealed for, and nowhere else."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from trustplane.fault import Refused
from trustplane.keys.cache_seal import CREDENTIAL, KEY_FILE, choose_cache_seal
from trustplane.spiffe.ids import SpiffeId

NODE = SpiffeId.parse("spiffe://acme.example/trustplane/agent/node-a")
OTHER = SpiffeId.parse("spiffe://acme.example/trustplane/agent/node-b")


def with_credential(folder: Path, secret: bytes) -> Path:
    folder.mkdir()
    (folder / CREDENTIAL).touch(mode=0o400)
    (folder / CREDENTIAL).chmod(0o600)
    (folder / CREDENTIAL).write_bytes(secret)
    return folder


def test_the_next_start_opens_it_with_a_key_file_of_its_owner_alone(tmp_path: Path) -> None:
    sealed = choose_cache_seal(tmp_path, NODE, None).seal(b"keys")
    assert b"keys" not in sealed
    assert choose_cache_seal(tmp_path, NODE, None).unseal(sealed) == b"keys"
    assert stat.S_IMODE((tmp_path / KEY_FILE).stat().st_mode) == 0o600


def test_a_credential_is_preferred_and_leaves_no_key_on_disk(tmp_path: Path) -> None:
    credentials = with_credential(tmp_path / "credentials", b"k" * 32)
    sealed = choose_cache_seal(tmp_path, NODE, credentials).seal(b"keys")
    assert not (tmp_path / KEY_FILE).exists()
    assert choose_cache_seal(tmp_path, NODE, credentials).unseal(sealed) == b"keys"


def test_another_machines_key_another_node_and_a_cut_do_not_open_it(tmp_path: Path) -> None:
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    here.mkdir()
    elsewhere.mkdir()
    sealed = choose_cache_seal(here, NODE, None).seal(b"keys")
    for directory, node, what in ((elsewhere, NODE, sealed), (here, OTHER, sealed), (here, NODE, sealed[:-1])):
        with pytest.raises(Refused) as refused:
            choose_cache_seal(directory, node, None).unseal(what)
        assert refused.value.code == "cache-seal-does-not-open"
        assert CREDENTIAL in refused.value.finding.fix


def test_a_key_that_others_could_read_is_refused(tmp_path: Path) -> None:
    choose_cache_seal(tmp_path, NODE, None)
    (tmp_path / KEY_FILE).chmod(0o644)
    with pytest.raises(Refused):
        choose_cache_seal(tmp_path, NODE, None)

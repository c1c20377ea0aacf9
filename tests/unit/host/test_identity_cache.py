"""What was saved is what is loaded; anything else is set aside, said, and never used."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.sidecars import authority, keyed
from tests.properties.registry.views import VIEWS
from trustplane.fault import Refused, Unavailable
from trustplane.flows.clock_skew import Skew
from trustplane.flows.node.remember_identities import KeptLeaf, Remembered
from trustplane.host import identity_cache
from trustplane.host.identity_cache import NAME, IdentityCache, Seal
from trustplane.registry.view import NodeView
from trustplane.rotation.leaf import Kept
from trustplane.spiffe.ids import SpiffeId

NODE = SpiffeId.parse("spiffe://acme.example/trustplane/agent/node-a")
OTHER = SpiffeId.parse("spiffe://acme.example/trustplane/agent/node-b")
NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
LEAF = keyed(authority(), "spiffe://acme.example/ns/shop/sa/web")
KEPT = Kept(NOON, NOON + timedelta(hours=1), NOON - timedelta(microseconds=1), 3, timedelta(milliseconds=250))
EMPTY = NodeView(1, (), (), ())


class Plain:
    """No seal, so that a test can write what the cache then reads."""

    def seal(self, plaintext: bytes) -> bytes:
        return plaintext

    def unseal(self, sealed: bytes) -> bytes:
        return sealed


def cache(directory: Path, node: SpiffeId = NODE, seal: Callable[[], Seal] = Plain) -> IdentityCache:
    return IdentityCache(directory, node, seal)


def remembered(view: NodeView = EMPTY) -> Remembered:
    skew = Skew(timedelta(seconds=-3), timedelta(milliseconds=7), NOON)
    return Remembered(NOON, view, (KeptLeaf(LEAF, NOON, 4, KEPT), KeptLeaf(LEAF, None)), skew)


@given(view=VIEWS)
def test_what_was_saved_is_what_is_loaded(tmp_path_factory: pytest.TempPathFactory, view: NodeView) -> None:
    directory = tmp_path_factory.mktemp("cache")
    cache(directory).save(remembered(view))
    found = cache(directory).load()
    assert found == remembered(view)
    assert [one.keyed.key_pkcs8 for one in found.leaves] == [LEAF.key_pkcs8] * 2


def test_nothing_saved_is_nothing_found(tmp_path: Path) -> None:
    assert cache(tmp_path).load() is None


def test_the_file_is_for_its_owner_alone_and_replaced_whole(tmp_path: Path) -> None:
    cache(tmp_path).save(remembered())
    before = (tmp_path / NAME).stat().st_ino
    cache(tmp_path).save(remembered())
    assert (tmp_path / NAME).stat().st_mode & 0o777 == 0o600
    assert (tmp_path / NAME).stat().st_ino != before
    assert [one.name for one in tmp_path.iterdir()] == [NAME]


@given(share=st.floats(0, 1, exclude_max=True))
def test_a_torn_file_is_set_aside(tmp_path_factory: pytest.TempPathFactory, share: float) -> None:
    directory = tmp_path_factory.mktemp("cache")
    cache(directory).save(remembered())
    path = directory / NAME
    os.truncate(path, int(path.stat().st_size * share))
    _is_set_aside(directory)


@pytest.mark.parametrize(
    ("before", "after"),
    [(b'"version":1', b'"version":2'), (b"agent/node-a", b"agent/node-b"), (b'"renewals":4', b'"renewals":"x"')],
)
def test_another_version_another_node_and_a_wrong_value_are_set_aside(
    tmp_path: Path, before: bytes, after: bytes
) -> None:
    cache(tmp_path).save(remembered())
    content = (tmp_path / NAME).read_bytes()
    assert before in content
    (tmp_path / NAME).write_bytes(content.replace(before, after))
    _is_set_aside(tmp_path)


def test_a_key_that_is_not_the_leafs_is_set_aside(tmp_path: Path) -> None:
    cache(tmp_path).save(Remembered(NOON, EMPTY, (KeptLeaf(LEAF, None),)))
    other = keyed(authority(), "spiffe://acme.example/ns/shop/sa/web")
    content = (tmp_path / NAME).read_bytes()
    cache(tmp_path).save(Remembered(NOON, EMPTY, (KeptLeaf(other, None),)))
    chain = content[: content.index(b'"key"')]
    (tmp_path / NAME).write_bytes(chain + (tmp_path / NAME).read_bytes()[len(chain) :])
    _is_set_aside(tmp_path)


def test_a_file_that_others_could_read_or_write_is_set_aside(tmp_path: Path) -> None:
    cache(tmp_path).save(remembered())
    (tmp_path / NAME).chmod(0o640)
    _is_set_aside(tmp_path)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    cache(tmp_path).save(remembered())
    (tmp_path / NAME).rename(tmp_path / "elsewhere")
    (tmp_path / NAME).symlink_to(tmp_path / "elsewhere")
    _is_set_aside(tmp_path)


def test_a_file_too_large_is_set_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache(tmp_path).save(remembered())
    monkeypatch.setattr(identity_cache, "MAX_BYTES", 100)
    _is_set_aside(tmp_path)


def test_what_is_set_aside_does_not_stop_the_next_save(tmp_path: Path) -> None:
    (tmp_path / NAME).touch(mode=0o600)
    _is_set_aside(tmp_path)
    cache(tmp_path).save(remembered())
    assert cache(tmp_path).load() == remembered()


def test_a_seal_that_cannot_be_had_leaves_the_file_where_it_is(tmp_path: Path) -> None:
    cache(tmp_path).save(remembered())
    with pytest.raises(Refused) as refused:
        cache(tmp_path, seal=_no_seal).load()
    assert refused.value.code == "weak-seal"
    assert cache(tmp_path).load() == remembered()
    with pytest.raises(Unavailable) as unavailable:
        cache(tmp_path, seal=_no_seal).save(remembered())
    assert unavailable.value.code == "identity-cache-not-saved"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is Linux's always full device")
def test_a_full_disk_is_unavailable_and_keeps_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache(tmp_path).save(remembered())
    full = os.open("/dev/full", os.O_WRONLY)
    monkeypatch.setattr(os, "fchmod", lambda descriptor, _mode: os.dup2(full, descriptor))
    with pytest.raises(Unavailable) as unavailable:
        cache(tmp_path).save(remembered(NodeView(2, (), (), ())))
    monkeypatch.undo()
    os.close(full)
    assert "No space left" in unavailable.value.finding.why
    assert cache(tmp_path).load() == remembered()
    assert [one.name for one in tmp_path.iterdir()] == [NAME]


def _no_seal() -> Seal:
    raise Refused(code="weak-seal", what="the credential has 3 bytes", why="32 are needed", fix="write a longer one")


def _is_set_aside(directory: Path) -> None:
    with pytest.raises(Refused) as refused:
        cache(directory).load()
    assert refused.value.code == "identity-cache-refused"
    assert not (directory / NAME).exists()
    assert cache(directory).load() is None

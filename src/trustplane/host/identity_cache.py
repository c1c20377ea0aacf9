"""An agent's identities on disk: one sealed file, replaced whole.

It is read only when it is whole, this node's, of this version and closed to others. What is not is set aside under
another name, so that the next save does not destroy the evidence, and refused with what to do about it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Protocol

import msgspec

from trustplane.fault import Fault, Refused, Unavailable
from trustplane.flows.clock_skew import Skew
from trustplane.flows.node.remember_identities import KeptLeaf, Remembered
from trustplane.registry.view import NodeView
from trustplane.rotation.leaf import Kept
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.x509_svid import KeyedSvid, X509Svid

NAME = "identities.sealed"
MAX_BYTES = 64 * 1024 * 1024
VERSION = 1


class Seal(Protocol):
    def seal(self, plaintext: bytes) -> bytes: ...

    def unseal(self, sealed: bytes) -> bytes: ...


class _StoredLeaf(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    chain: list[bytes]
    key: bytes
    renew_at: datetime | None
    renewals: int
    renewal: Kept | None

    def __repr__(self) -> str:
        return f"_StoredLeaf(renew_at={self.renew_at!r})"  # the key is never printed


class _Version(msgspec.Struct, frozen=True):
    version: int
    node: str


class _Stored(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: int
    node: str
    saved_at: datetime
    view: NodeView
    leaves: list[_StoredLeaf]
    skew: Skew | None


class IdentityCache:
    """`seal` is chosen at each use: a key that cannot be had yet is asked for again."""

    def __init__(self, directory: Path, node: SpiffeId, seal: Callable[[], Seal]) -> None:
        self._path = directory / NAME
        self._node = node
        self._seal = seal

    def load(self) -> Remembered | None:
        sealed = self._read()
        if sealed is None:
            return None
        seal = self._seal()  # its own refusal is about the key, and says nothing against the file
        try:
            content = seal.unseal(sealed)
        except Refused as fault:
            raise self._set_aside(fault.finding.why, fault.finding.fix) from None
        return self._remembered(content)

    def save(self, remembered: Remembered) -> None:
        try:
            sealed = self._seal().seal(msgspec.json.encode(_stored(remembered, self._node)))
        except Refused as fault:
            raise self._not_saved(fault.finding.what, fault.finding.fix) from None
        if len(sealed) > MAX_BYTES:
            raise self._not_saved(f"{len(sealed)} bytes are more than the {MAX_BYTES} it may have", "report this")
        try:
            _replace(self._path, sealed)
        except OSError as error:
            why = error.strerror or str(error)
            raise self._not_saved(why, f"free space for, or mend the permissions of, {self._path.parent}") from None

    def _read(self) -> bytes | None:
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._set_aside(f"it cannot be read: {error.strerror}") from None
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            if found.st_mode & 0o077 or found.st_uid != os.geteuid():
                raise self._set_aside(f"its mode is {found.st_mode & 0o777:04o} and its owner {found.st_uid}")
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise self._set_aside(f"it has more than {MAX_BYTES} bytes")
        return content

    def _remembered(self, content: bytes) -> Remembered:
        try:
            about = msgspec.json.decode(content, type=_Version)
            known = (about.version, about.node) == (VERSION, str(self._node))
            found = _remembered(msgspec.json.decode(content, type=_Stored)) if known else None
        except (msgspec.MsgspecError, ValueError, OverflowError, Fault):
            # The cause is dropped: a decoder's message may quote a key.
            raise self._set_aside("its content does not hold valid values") from None
        if found is None:
            raise self._set_aside(f"it is of version {about.version} and of {about.node:.200}, not of this agent")
        return found

    def _set_aside(self, why: str, fix: str = "") -> Refused:
        aside = self._path.with_suffix(".refused")
        with contextlib.suppress(OSError):  # what stays in place is replaced by the next save
            self._path.replace(aside)
        return Refused(
            code="identity-cache-refused",
            what=f"the identities cached in {self._path} are not used; they are set aside as {aside.name}",
            why=why,
            fix=fix or f"nothing, if a server is there: the agent gets new ones; look at {aside} and remove it",
        )

    def _not_saved(self, why: str, fix: str) -> Unavailable:
        return Unavailable(
            code="identity-cache-not-saved",
            what=f"the identities of this node could not be written to {self._path}",
            why=why,
            fix=f"{fix}; the agent serves on and tries again, but would not survive a restart without a server",
        )


def _stored(remembered: Remembered, node: SpiffeId) -> _Stored:
    leaves = [
        _StoredLeaf(list(one.keyed.svid.der()), one.keyed.key_pkcs8, one.renew_at, one.renewals, one.renewal)
        for one in remembered.leaves
    ]
    return _Stored(VERSION, str(node), remembered.saved_at, remembered.view, leaves, remembered.skew)


def _remembered(stored: _Stored) -> Remembered:
    leaves = tuple(
        KeptLeaf(KeyedSvid(X509Svid.from_der(one.chain), one.key), one.renew_at, one.renewals, one.renewal)
        for one in stored.leaves
    )
    return Remembered(stored.saved_at, stored.view, leaves, stored.skew)


def _replace(path: Path, content: bytes) -> None:
    """All or nothing, also when the power goes: the content is on disk before the name is."""
    fresh = path.with_suffix(".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o600)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        fresh.replace(path)
    except OSError:
        fresh.unlink(missing_ok=True)  # on a full disk, half a file is in the way of everyone
        raise
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)

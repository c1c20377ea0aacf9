"""The node's identity on disk: one file of mode 0600, replaced whole and there after a loss of power.

The file holds the node's private key in the clear. Mode 0600 protects it from other users of the node, not from root
and not from whoever copies the disk (decisions/0080).
"""

from __future__ import annotations

import base64
import os
import stat
from datetime import datetime
from pathlib import Path

import msgspec

from trustplane.fault import Refused, Unavailable
from trustplane.flows.node.node_link import NodeIdentity
from trustplane.spiffe import bundle_document
from trustplane.spiffe.x509_svid import KeyedSvid, X509Svid

MAX_FILE_BYTES = 4 * 1024 * 1024
NAME = "node-identity.json"
VERSION = 1


class _Stored(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: int
    chain: list[str]
    key: str
    renew_at: datetime
    bundle: str

    def __repr__(self) -> str:
        return f"_Stored(version={self.version}, renew_at={self.renew_at!r})"


class IdentityFile:
    def __init__(self, directory: Path) -> None:
        self._path = directory / NAME

    def load(self) -> NodeIdentity | None:
        """The identity kept, or none when there is none. Refuses a file that others could have read or written."""
        try:
            # Not through a link, and without waiting for the other end of a pipe.
            descriptor = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(descriptor, "rb") as file:
                self._check_kept_private(os.fstat(descriptor))
                text = file.read(MAX_FILE_BYTES)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unusable(f"it cannot be read: {error.strerror}") from None
        try:
            return _identity(msgspec.json.decode(text, type=_Stored))
        except (msgspec.MsgspecError, ValueError, Refused):
            # The cause is dropped: a decoder's message may quote the key.
            raise self._unusable("its content is damaged") from None

    def _check_kept_private(self, found: os.stat_result) -> None:
        if not stat.S_ISREG(found.st_mode):
            raise self._unusable("it is not a regular file")
        if found.st_uid != os.geteuid():
            raise self._unusable(f"it belongs to user {found.st_uid}, not to the one this agent runs as")
        if found.st_mode & 0o077:
            mode = stat.S_IMODE(found.st_mode)
            raise self._unusable(f"its mode is {mode:04o}, so others may have read the node's key")
        if found.st_size > MAX_FILE_BYTES:
            raise self._unusable(f"it has {found.st_size} bytes, more than any identity")

    def save(self, identity: NodeIdentity) -> None:
        stored = _Stored(
            version=VERSION,
            chain=[base64.b64encode(one).decode() for one in identity.keyed.svid.der()],
            key=base64.b64encode(identity.keyed.key_pkcs8).decode(),
            renew_at=identity.renew_at,
            bundle=base64.b64encode(identity.bundle_document).decode(),
        )
        fresh = self._path.with_suffix(".new")
        try:
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                os.fchmod(file.fileno(), 0o600)
                file.write(msgspec.json.encode(stored))
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._path)
            _sync_directory(self._path.parent)
        except OSError as error:
            raise Unavailable(
                code="identity-not-saved",
                what=f"the node's identity could not be written to {self._path}",
                why=f"{error.strerror}",
                fix="free space or mend the permissions of the agent's data directory; the agent tries again",
            ) from None

    def _unusable(self, why: str) -> Refused:
        return Refused(
            code="identity-file-unusable",
            what=f"the node identity in {self._path} cannot be used",
            why=why,
            fix=f"remove {self._path} and enrol the node again: trustplane server token create NODE",
        )


def _identity(stored: _Stored) -> NodeIdentity:
    if stored.version != VERSION or stored.renew_at.tzinfo is None:
        raise ValueError
    svid = X509Svid.from_der([base64.b64decode(one, validate=True) for one in stored.chain])
    bundle = base64.b64decode(stored.bundle, validate=True)
    bundle_document.decode(bundle, svid.spiffe_id.trust_domain)
    return NodeIdentity(KeyedSvid(svid, base64.b64decode(stored.key, validate=True)), stored.renew_at, bundle)


def _sync_directory(path: Path) -> None:
    """The new name is durable: a node's token is spent when its identity is saved."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

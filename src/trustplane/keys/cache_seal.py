"""The seal of an agent's identity cache: AES-256-GCM, bound to the node, under a key of this machine's own.

The key comes from a systemd credential when the unit has one, which may be bound to the TPM, else from a file of mode
0600 beside the cache. Against whom each protects: decisions/0130.
"""

from __future__ import annotations

import secrets
from pathlib import Path

from trustplane.fault import Refused
from trustplane.keys.files import EVERYBODY, create_private, read_private
from trustplane.keys.sealing import SHORTEST_KEY, Kek
from trustplane.spiffe.ids import SpiffeId

CREDENTIAL = "trustplane-agent-seal"
KEY_FILE = "identities.key"
_LARGEST = 4096
_PURPOSE = b"trustplane identity cache v1\0"


class CacheSeal:
    """Seals for one node: what was sealed for another does not open."""

    def __init__(self, kek: Kek, node: SpiffeId) -> None:
        self._kek = kek
        self._bound_to = _PURPOSE + str(node).encode()

    def seal(self, plaintext: bytes) -> bytes:
        return self._kek.seal(plaintext, self._bound_to)

    def unseal(self, sealed: bytes) -> bytes:
        try:
            return self._kek.unseal(sealed, self._bound_to)
        except Refused:
            raise Refused(
                code="cache-seal-does-not-open",
                what=f"the sealed identities do not open with {self._kek!r}",
                why="they were sealed under another key or for another node, or were changed or cut short",
                fix=f"nothing, if a server is there; else restore the credential {CREDENTIAL}, or {KEY_FILE}",
            ) from None


def choose_cache_seal(directory: Path, node: SpiffeId, credentials: Path | None) -> CacheSeal:
    """Under the systemd credential if there is one, else under a key file in `directory`, made at first use."""
    if credentials is not None and (credentials / CREDENTIAL).exists():
        # systemd lets the unit's user in by an access list, which shows as bits of the group (systemd.exec(5)).
        secret = read_private(credentials / CREDENTIAL, _LARGEST, closed_to=EVERYBODY)
        return CacheSeal(Kek(secret, stretched=False, told_as=f"the systemd credential {CREDENTIAL}"), node)
    path = directory / KEY_FILE
    create_private(path, secrets.token_bytes(SHORTEST_KEY))
    return CacheSeal(Kek(read_private(path, _LARGEST), stretched=False, told_as=str(path)), node)

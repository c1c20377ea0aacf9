"""Checkpoints: the log's size and root, signed (C2SP tlog-checkpoint inside C2SP signed-note, Ed25519).

Whoever keeps one can later prove that the log was changed. A note may carry signatures of keys nobody here knows; those
are ignored, and a signature of a known key that does not verify refuses the whole note.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from trustplane.audit.merkle import HASH_BYTES
from trustplane.fault import Refused

MAX_NOTE_BYTES = 16 * 1024
MAX_SIGNATURES = 32
_DASH = "\u2014"
_ED25519 = b"\x01"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What is signed. `origin` names the log."""

    origin: str
    size: int
    root: bytes

    def __post_init__(self) -> None:
        _check_name(self.origin)
        if self.size < 0 or len(self.root) != HASH_BYTES:
            raise _refuse(f"its tree has {self.size} entries and a root of {len(self.root)} bytes")

    def text(self) -> str:
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


@dataclass(frozen=True, slots=True)
class NoteKey:
    """A key that may sign notes, by the name it signs under."""

    name: str
    public: bytes  # 32 bytes, RFC 8032

    def __post_init__(self) -> None:
        _check_name(self.name)
        if len(self.public) != HASH_BYTES:
            raise _refuse(f"an Ed25519 key has 32 bytes, not {len(self.public)}")

    @property
    def id(self) -> bytes:
        return hashlib.sha256(self.name.encode() + b"\n" + _ED25519 + self.public).digest()[:4]

    def __str__(self) -> str:
        """As Go's sumdb writes verifier keys: name+id+key."""
        return f"{self.name}+{self.id.hex()}+{base64.b64encode(_ED25519 + self.public).decode()}"

    @classmethod
    def parse(cls, text: str) -> NoteKey:
        name, _, rest = text.strip().partition("+")
        key_id, _, encoded = rest.partition("+")
        key = _decode(encoded)
        found = cls(name, key[1:]) if key[:1] == _ED25519 else None
        if found is None or found.id.hex() != key_id:
            raise _refuse(f"{text[:200]!r} is not an Ed25519 verifier key: name+id+base64")
        return found


@dataclass(frozen=True, slots=True)
class _Signature:
    name: str
    key_id: bytes
    signature: bytes = field(repr=False)


def sign(checkpoint: Checkpoint, key: NoteKey, signer: Callable[[bytes], bytes]) -> str:
    """The signed note. `signer` is the Ed25519 key whose public half is `key`."""
    text = checkpoint.text()
    signature = base64.b64encode(key.id + signer(text.encode())).decode()
    return f"{text}\n{_DASH} {key.name} {signature}\n"


def open_note(note: str, trusted: Sequence[NoteKey]) -> Checkpoint:
    """What the note says, refused unless a trusted key signed it and no signature of a trusted key is wrong."""
    text, signatures = _split(note)
    keys = {(key.name, key.id): key for key in trusted}
    vouched = False
    for each in signatures:
        key = keys.get((each.name, each.key_id))
        if key is None:
            continue
        try:
            Ed25519PublicKey.from_public_bytes(key.public).verify(each.signature, text.encode())
        except InvalidSignature as error:
            raise _refuse(f"the signature of {each.name} does not verify") from error
        vouched = True
    if not vouched:
        names = ", ".join(key.name for key in trusted)
        raise _refuse(f"none of the keys given signed it ({names or 'no key was given'})")
    return _read(text)


def is_signed_by(note: str, key: NoteKey) -> bool:
    """Whether the note claims a signature by that key, which `open_note` then verifies."""
    return any((each.name, each.key_id) == (key.name, key.id) for each in _split(note)[1])


def read_unverified(note: str) -> Checkpoint:
    """What the note claims. For finding which entries to look at, never for believing."""
    return _read(_split(note)[0])


def _split(note: str) -> tuple[str, list[_Signature]]:
    if len(note.encode()) > MAX_NOTE_BYTES:
        raise _refuse(f"it has more than {MAX_NOTE_BYTES} bytes")
    if any(ord(each) < 0x20 and each != "\n" for each in note) or not note.endswith("\n"):
        raise _refuse("it holds control characters, or does not end with its last line")
    text, blank, signatures = note.rpartition("\n\n")
    lines = signatures.split("\n")[:-1]
    if not blank or not 1 <= len(lines) <= MAX_SIGNATURES:
        raise _refuse(f"it is not a text, a blank line and 1 to {MAX_SIGNATURES} signature lines")
    return text + "\n", [_signature(line) for line in lines]


def _signature(line: str) -> _Signature:
    dash, _, rest = line.partition(" ")
    name, _, encoded = rest.partition(" ")
    raw = _decode(encoded)
    if dash != _DASH or not name or len(raw) <= 4:
        raise _refuse("a signature line is not a dash, a name and a signature")
    return _Signature(name, raw[:4], raw[4:])


def _read(text: str) -> Checkpoint:
    lines = text.split("\n")[:-1]
    if len(lines) < 3 or not all(lines):
        raise _refuse("it does not have an origin, a size and a root, one a line")
    origin, size, root = lines[:3]
    if not (size.isascii() and size.isdigit()) or (size != "0" and size.startswith("0")) or len(size) > 18:
        raise _refuse(f"its size {size[:40]!r} is not a decimal number without leading zeroes")
    return Checkpoint(origin, int(size), _decode(root))


def _decode(encoded: str) -> bytes:
    try:
        raw = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise _refuse(f"{encoded[:60]!r} is not base64") from error
    if base64.b64encode(raw).decode() != encoded:
        raise _refuse(f"{encoded[:60]!r} is base64 in another than the one allowed spelling")
    return raw


def _check_name(name: str) -> None:
    if not name or "+" in name or any(each.isspace() or ord(each) < 0x20 for each in name):
        raise _refuse(f"{name[:200]!r} is not a name: no spaces, no plus, not empty")


def _refuse(why: str) -> Refused:
    return Refused(
        code="bad-checkpoint",
        what="the checkpoint cannot be used",
        why=why,
        fix="give the signed note as it was kept, and the verifier key of the log: trustplane audit show --key",
    )

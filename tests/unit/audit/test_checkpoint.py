"""Signed notes as C2SP writes them: the documents' own examples, and each way a note can be wrong."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from trustplane.audit.checkpoint import Checkpoint, NoteKey, open_note, read_unverified, sign
from trustplane.fault import Refused

# C2SP tlog-checkpoint.md, the example.
EXAMPLE = """example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

\u2014 example.com/behind-the-sofa \
Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
"""
# golang.org/x/mod/sumdb/note, the package's example: key, text and signature made by another implementation.
GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_NOTE_TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
GO_SIGNATURE = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="

SECRET = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEY = NoteKey("acme.example/audit", SECRET.public_key().public_bytes_raw())
CHECKPOINT = Checkpoint("acme.example/audit", 12, bytes(range(32)))


def test_the_example_of_the_specification_is_read() -> None:
    found = read_unverified(EXAMPLE)
    assert (found.origin, found.size) == ("example.com/behind-the-sofa", 20852163)
    assert base64.b64encode(found.root).decode() == "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="


def test_a_key_and_a_signature_of_gos_note_package_are_understood() -> None:
    key = NoteKey.parse(GO_KEY)
    assert str(key) == GO_KEY
    note = f"{GO_NOTE_TEXT}\n\u2014 PeterNeumann {GO_SIGNATURE}\n"
    # The signature verifies; what is refused is that the text is no checkpoint.
    with pytest.raises(Refused, match="an origin, a size and a root"):
        open_note(note, [key])
    with pytest.raises(Refused, match="does not verify"):
        open_note(note.replace("answer", "ANSWER"), [key])


def test_what_was_signed_is_opened() -> None:
    note = sign(CHECKPOINT, KEY, SECRET.sign)
    assert open_note(note, [KEY]) == CHECKPOINT
    assert note.startswith(
        "acme.example/audit\n12\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n\n\u2014 acme.example/audit "
    )


def test_signatures_of_unknown_keys_are_ignored_and_alone_are_not_enough() -> None:
    note = sign(CHECKPOINT, KEY, SECRET.sign)
    unknown = "\u2014 witness.example " + base64.b64encode(bytes(68)).decode() + "\n"
    assert open_note(note + unknown, [KEY]) == CHECKPOINT
    with pytest.raises(Refused, match="none of the keys given"):
        open_note(note, [NoteKey("acme.example/audit", bytes(32))])
    with pytest.raises(Refused, match="none of the keys given"):
        open_note(note, [])


@pytest.mark.parametrize(
    "spoil",
    [
        lambda note: note.replace("\n12\n", "\n13\n"),
        lambda note: note.replace("\n12\n", "\n012\n"),
        lambda note: note.replace("\n12\n", "\n\uff11\uff12\n"),
        lambda note: note.replace("\n12\n", "\n" + "9" * 19 + "\n"),
        lambda note: note.replace("AAEC", "AAE"),
        lambda note: note[:-1],
        lambda note: note.replace("\n\n", "\n"),
        lambda note: note.replace("12", "12\r"),
        lambda note: note.replace("\u2014", "-"),
        lambda note: note + "\u2014 x y\n" * 40,
        lambda note: "x" * 20_000 + note,
        lambda note: note[:0],
    ],
)
def test_a_spoiled_note_is_refused(spoil: object) -> None:
    assert callable(spoil)
    with pytest.raises(Refused) as refused:
        open_note(spoil(sign(CHECKPOINT, KEY, SECRET.sign)), [KEY])
    assert refused.value.code == "bad-checkpoint"


@pytest.mark.parametrize(
    "text", ["", "acme", "acme+00000000+AAAA", str(KEY)[:-4], str(KEY).replace("acme", "acne"), "a b+1+2"]
)
def test_a_verifier_key_that_is_not_one_is_refused(text: str) -> None:
    with pytest.raises(Refused, match="bad-checkpoint"):
        NoteKey.parse(text)


@pytest.mark.parametrize("name", ["", "acme audit", "acme+audit", "acme\naudit"])
def test_origins_have_no_spaces_and_no_plus(name: str) -> None:
    with pytest.raises(Refused, match="bad-checkpoint"):
        Checkpoint(name, 0, bytes(32))

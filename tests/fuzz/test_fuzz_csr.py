"""A request is refused or read; nothing else comes out of the parser, whatever goes in. Bounded, for `make check`."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.kit.issuing_ports import leaf_key
from trustplane.fault import Refused
from trustplane.issuance.csr import Csr
from trustplane.registry.model import KeyKind

SOUND = {kind: leaf_key(kind).csr() for kind in KeyKind}


@settings(max_examples=500)
@given(st.binary(max_size=9000))
@example(b"")
def test_any_bytes(der: bytes) -> None:
    csr = _read(der)
    assert csr is None or csr.spki in der


@st.composite
def nearly_sound(draw: st.DrawFn) -> bytes:
    """A sound request with a few bytes changed, dropped, doubled or put in: it reaches deeper than noise does."""
    der = bytearray(SOUND[draw(st.sampled_from(KeyKind))])
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(der) - 1)))
        match draw(st.sampled_from(["change", "drop", "double", "insert", "cut"])):
            case "change":
                der[at : at + 1] = bytes((draw(st.integers(0, 255)),))
            case "drop":
                del der[at : at + 1]
            case "double":
                der[at:at] = der[at : at + draw(st.integers(1, 40))]
            case "insert":
                der[at:at] = draw(st.binary(min_size=1, max_size=8))
            case _:
                del der[at + 1 :]
    return bytes(der)


@settings(max_examples=2000)
@given(nearly_sound())
def test_nearly_sound_requests(der: bytes) -> None:
    csr = _read(der)
    if csr is not None:
        # The signature covers all but the outermost wrapping, so what still verifies holds an unchanged key.
        assert csr.spki in {Csr.parse(sound).spki for sound in SOUND.values()}


def _read(der: bytes) -> Csr | None:
    try:
        return Csr.parse(der)
    except Refused:
        return None

"""Whatever a log says, reading it ends, and what is made of it keeps the rules."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from trustplane.fault import Place
from trustplane.handshake.catalogue import BY_IMPLEMENTATION, CATALOGUE, EITHER_SIDE_FIRST
from trustplane.handshake.causes import CAUSES
from trustplane.handshake.diagnosis import diagnose
from trustplane.handshake.failure import MAX_TEXT, Failure, Implementation, Side, Tls
from trustplane.handshake.holding import Holdings
from trustplane.handshake.join import Pair, join
from trustplane.handshake.readers import envoy_config, event
from trustplane.handshake.readers.formats import READERS, Format, format_of
from trustplane.handshake.readers.line import Line
from trustplane.handshake.recognise import Unknown, origin_of, recognise
from trustplane.handshake.signature import Voice, plain

WORDS = sorted({word for one in CATALOGUE for word in one.match.words})
# Real fragments in an order nobody wrote, between anything at all.
TEXTS = st.lists(st.sampled_from(WORDS) | st.text(max_size=40), max_size=6).map(" ".join)
FAILURES = st.builds(
    Failure,
    text=TEXTS,
    implementation=st.none() | st.sampled_from(Implementation),
    side=st.none() | st.sampled_from(Side),
    build=st.sampled_from([(), (1, 36), (1, 38, 3), (99,)]),
    tls=st.none() | st.sampled_from(Tls),
    flags=st.sampled_from(["", "-", "UC", "UF,URX", "NR", "DPE"]),
    local=st.sampled_from(["", "a:1", "b:2"]),
    peer=st.sampled_from(["", "a:1", "b:2"]),
)


@given(FAILURES)
def test_every_failure_has_a_signature_and_causes_that_exist(failure: Failure) -> None:
    found = diagnose(next(iter(join([failure]))))
    assert found.suspects
    assert all(one.cause in CAUSES and 0 < one.confidence < 1 for one in found.suspects)
    assert sum(one.confidence for one in found.suspects) <= 1
    assert found.sure or found.cause in CAUSES


@given(FAILURES)
def test_the_signature_is_the_first_that_takes_the_text_however_it_is_looked_up(failure: Failure) -> None:
    text = plain(failure.text)
    origin = failure.implementation or origin_of(text)
    rules = BY_IMPLEMENTATION if failure.side is not None else EITHER_SIDE_FIRST
    tried = rules[origin] if origin else [rule for of in rules.values() for rule in of]
    first = next((rule for rule in tried if rule.match.takes(failure, text)), None)
    found = recognise(failure).signature
    assert found is first if first else isinstance(found, Unknown)


@given(FAILURES)
def test_only_a_side_that_refused_or_speaks_of_itself_is_sure(failure: Failure) -> None:
    pair = next(iter(join([failure])))
    voices = {recognise(one).voice for one in pair.failures}
    assert not diagnose(pair).sure or voices & {Voice.VERIFIER, Voice.OWN}


@given(st.lists(FAILURES, max_size=12))
def test_joining_loses_and_doubles_no_record(failures: list[Failure]) -> None:
    pairs: list[Pair] = join(failures)
    records = [one for pair in pairs for one in pair.failures]
    assert sorted(map(repr, records)) == sorted(map(repr, failures))


@given(st.lists(st.text(max_size=200) | TEXTS, max_size=8), st.sampled_from(Format))
def test_every_reader_takes_every_text(texts: list[str], written: Format) -> None:
    lines = [Line(text, Place("log", number)) for number, text in enumerate(texts, 1)]
    for failure in (*READERS[written](lines), *READERS[format_of(lines)](lines)):
        assert len(failure.text) <= MAX_TEXT
        assert recognise(failure).signature.id


@given(FAILURES)
def test_an_event_comes_back_as_it_was(failure: Failure) -> None:
    (found,) = event.read([Line(event.encoded(failure), Place("events", 1))])
    assert found == failure


NAMES = st.sampled_from(
    ["configs", "static_listeners", "listener", "address", "socket_address", "port_value", "filter_chains", "crl",
     "transport_socket", "typed_config", "common_tls_context", "validation_context", "tls_certificates", "name",
     "inline_bytes", "trusted_ca", "static_clusters", "cluster", "load_assignment", "endpoints", "lb_endpoints"]
)  # fmt: skip
DUMPS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=40,
)


@given(st.dictionaries(NAMES, DUMPS, max_size=3), st.sampled_from(Side))
def test_whatever_a_dump_holds_is_read_or_refused(dump: dict[str, object], side: Side) -> None:
    document = json.dumps({"configs": [dump, {"static_listeners": [{"listener": dump}]}]}).encode()
    assert isinstance(envoy_config.read(document, side), Holdings)

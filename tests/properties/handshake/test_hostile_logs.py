"""A log is written by whoever connects: nothing of it reaches a terminal or a command as it is, and nothing is lost."""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from trustplane.cli import diagnose, ingest
from trustplane.cli.output import neutral, say_json
from trustplane.fault import Place
from trustplane.handshake.causes import CAUSES
from trustplane.handshake.readers import event
from trustplane.handshake.readers.formats import READERS, Format
from trustplane.handshake.readers.line import Line
from trustplane.host.log_files import LogFile
from trustplane.spiffe.ids import SpiffeId

ATTACKS = (
    "\x1b[2J", "\x1b]0;owned\x07", "\x9b31m", "\x7f", "\u202e", "\u2066", "\u2028", "\U000e0041", "\x00", "\r",
    "\ufeff",
    "<script>alert(1)</script>", "$(rm -rf ~)", "`id`", "; reboot", "' OR 1=1 --", '"', "\\", "x" * 20_000,
    "\x1b" * 20_000, "\x9b" * 20_000, "\ud7ff",
    "spiffe://acme.example/ns/shop/sa/web", "spiffe://acme.example/$(id)", "spiffe://acme.example/ns/a b", "spiffe://",
    "spiffe://acme.example/ns/shop/sa/web\x1b[2J", "certificate has expired", "tls: ", "x509: ", "[SSL: ", "%n%n%n",
    "{{7*7}}",
)  # fmt: skip
TEXTS = st.lists(st.sampled_from(ATTACKS) | st.text(max_size=10), min_size=1, max_size=5).map("".join)


def envoy(text: str) -> str:
    fields = {"log": "handshake", "tls_failure": text, "peer_id": text, "peer": text, "local": text, "details": text}
    return json.dumps({**fields, "peer_serial": text, "peer_not_after": text, "start": text, "flags": text})


def istio(text: str) -> str:
    return (
        f'[2026-11-26T10:00:00.000Z] "{text}" 503 UF {text} - "TLS_error:|{text}" 0 1 2 - "-" "-" "-" "-" "10.0.0.2:1" '
        f"outbound|80||pay - {text} 10.0.0.1:5 - -"
    )


def nginx(text: str) -> str:
    return f'2026/11/26 10:00:00 [info] 1#1: *3 client SSL {text}, client: {text}, server: {text}, request: "{text}"'


def haproxy(text: str) -> str:
    return f"h haproxy[7]: 10.0.0.1:40000 [26/Nov/2026:10:00:00.123] fe/1: SSL {text} ssl_c_err=26 {text}"


def go(text: str) -> str:
    return f"http: TLS handshake error from {text}: remote error: tls: {text}"


def python(text: str) -> str:
    return f"ssl.SSLError: [SSL: {text}] {text} (_ssl.c:1)"


def java(text: str) -> str:
    return f"javax.net.ssl.SSLHandshakeException: {text}\n\tat x\nCaused by: java.io.EOFException: {text}"


def openssl(text: str) -> str:
    return f"ACCEPT\ndepth=0 {text}\nverify error:num=10:{text}\n"


WRITERS: dict[Format, Callable[[str], str]] = {
    Format.ENVOY: envoy, Format.ISTIO: istio, Format.NGINX: nginx, Format.HAPROXY: haproxy, Format.GO: go,
    Format.PYTHON: python, Format.JAVA: java, Format.OPENSSL: openssl,
}  # fmt: skip
LOGS = st.tuples(st.sampled_from(list(WRITERS)), st.lists(TEXTS, min_size=1, max_size=3)).map(
    lambda one: (one[0], "\n".join(map(WRITERS[one[0]], one[1])).encode("utf-8", "surrogatepass"))
)


@contextlib.contextmanager
def log_of(content: bytes) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log"
        path.write_bytes(content)
        yield str(path)


def printed(run: Callable[[], None]) -> list[str]:
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        run()
    return out.getvalue().split("\n")[:-1]


@settings(max_examples=60)
@given(LOGS)
def test_what_is_ingested_comes_back_and_cannot_be_seen_by_a_terminal(log: tuple[Format, bytes]) -> None:
    written, content = log
    with log_of(content) as path:
        shown = printed(lambda: ingest.command(ingest.Kind(written.value), path, as_json=True))
        read = list(READERS[written](LogFile(path).lines()))
    assert all(line.isprintable() for line in shown)
    again = list(event.read([Line(line, Place("events", 1)) for line in shown]))
    assert len(again) == len(shown) == len(read)
    for before, after in zip(read, again, strict=True):
        assert before.text == after.text if len(before.text) <= 400 else before.text.startswith(after.text)


@settings(max_examples=60)
@given(LOGS)
def test_what_is_diagnosed_is_printable_and_its_commands_can_be_typed(log: tuple[Format, bytes]) -> None:
    written, content = log
    with log_of(content) as path:
        text = printed(lambda: diagnose.command(Path("/nowhere"), [path], written))
        (answer,) = printed(lambda: diagnose.command(Path("/nowhere"), [path], written, as_json=True))
    assert all(line.isprintable() and len(line) < 4_000 for line in text)
    assert answer.isprintable()
    said = msgspec.json.decode(answer)
    for cause in (cause for group in (said, *said["others"]) for cause in group["causes"]):
        assert can_be_typed(cause["command"], CAUSES[cause["id"]].command)


def can_be_typed(command: str, known: str) -> bool:
    """As it stands in the catalogue, or with an ID that holds no character of a shell."""
    before, _, after = known.partition("<ID>")
    if command == known:
        return True
    name = command.removeprefix(before).removesuffix(after)
    return str(SpiffeId.parse(name)) == name and command == known.replace("<ID>", name)


@given(st.text(max_size=40))
def test_json_that_was_made_printable_is_the_same_json(text: str) -> None:
    (line,) = printed(lambda: say_json({"text": text}))
    assert line.isprintable()
    assert json.loads(line) == {"text": text}
    assert all(one.isprintable() or one == "\n" for one in neutral(text))

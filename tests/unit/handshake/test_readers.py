"""Lines as each program writes them, read into failures."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.kit.fault_records import VECTORS
from trustplane.fault import Place
from trustplane.handshake.failure import Claims, Failure, Implementation, Side, Tls
from trustplane.handshake.readers import event
from trustplane.handshake.readers.formats import READERS, Format, format_of
from trustplane.handshake.readers.line import Line, instant_in
from trustplane.handshake.recognise import Unknown, recognise


def lines(text: str) -> list[Line]:
    return [Line(one, Place("log", number)) for number, one in enumerate(text.splitlines(), 1)]


def read(format_: Format, text: str) -> list[Failure]:
    return list(READERS[format_](lines(text)))


OUTBOUND = (
    '{"log":"outbound","start":"2026-11-26T10:00:00.250Z","flags":"UC","status":503,"tls_failure":null,'
    '"details":"upstream_reset_before_response_started{connection_termination}","peer":"127.0.0.1:1","upstream":"10.0.0.2:8443",'
    '"upstream_local":"10.0.0.1:40000","tls_version":"TLSv1.3","peer_id":"spiffe://acme.example/pay","local_id":"spiffe://acme.example/web"}'
)
HANDSHAKE = (
    '{"log":"handshake","start":"2026-11-26T10:00:00.260Z","peer":"10.0.0.1:40000","local":"10.0.0.2:8443",'
    '"tls_failure":"TLS_error:|268435581:...:CERTIFICATE_VERIFY_FAILED:verify_cert_failed:...","tls_version":"TLSv1.3",'
    '"peer_id":"spiffe://acme.example/web","peer_serial":"0a","peer_not_after":"2026-11-26T09:00:00.000Z"}'
)
OK = '{"log":"outbound","flags":"-","status":200,"local_id":"spiffe://acme.example/web","tls_version":"TLSv1.3"}'
NOT_MADE = '{"log":"outbound","flags":"UF","status":503,"upstream_host":"10.0.0.2:8443","tls_failure":"TLS_error:|x"}'


def test_both_logs_of_our_sidecars() -> None:
    client, server = read(Format.ENVOY, f"{OUTBOUND}\n{OK}\n{HANDSHAKE}")
    assert (client.side, client.local, client.peer, client.flags) == (
        Side.CLIENT,
        "10.0.0.1:40000",
        "10.0.0.2:8443",
        "UC",
    )
    assert (server.side, server.local, server.peer) == (Side.SERVER, "10.0.0.2:8443", "10.0.0.1:40000")
    assert client.tls is server.tls is Tls.V1_3
    assert server.theirs == Claims("spiffe://acme.example/web", "0a", "", datetime(2026, 11, 26, 9, tzinfo=UTC))
    assert server.place == Place("log", 3)


def test_a_connection_that_was_never_made_has_the_identity_of_its_log() -> None:
    (failure,) = read(Format.ENVOY, f"{OK}\n{NOT_MADE}")
    assert failure.ours.spiffe_id == "spiffe://acme.example/web"
    assert (failure.local, failure.peer) == ("", "10.0.0.2:8443")


def test_a_refusal_by_rule_comes_out_too() -> None:
    (failure,) = read(Format.ENVOY, '{"log":"inbound","flags":"-","details":"rbac_access_denied_matched_policy[none]"}')
    assert recognise(failure).signature.id == "envoy-denied"


ISTIO = (
    '[2026-11-26T10:00:00.123Z] "GET /x HTTP/1.1" 503 UF upstream_reset_before_response_started - '
    '"TLS_error:|268436501:SSL_routines:OPENSSL_internal:SSLV3_ALERT_CERTIFICATE_EXPIRED:TLS_error_end" 0 152 4 - "-" '
    '"curl/8" "id" "pay:80" "10.0.0.2:8443" outbound|80||pay - 10.0.0.9:80 10.0.0.1:55555 - default'
)
EXPIRED_GO = "x509: certificate has expired or is not yet valid: current time A is after B"
NGINX = (
    "2026/11/26 10:00:00 [info] 12#12: *3 client SSL certificate verify error: (10:certificate has expired) while "
    "reading client request headers, client: 10.0.0.1, server: _, request: x"
)
HAPROXY = (
    "Nov 26 10:00:00 lb haproxy[7]: 10.0.0.1:40000 [26/Nov/2026:10:00:00.123] fe/1: SSL client certificate not trusted "
    "ssl_c_err=26"
)
JAVA = """\
Exception in thread "main" javax.net.ssl.SSLHandshakeException: PKIX path validation failed: validity check failed
\tat java.base/sun.security.ssl.Alert.createSSLException(Alert.java:131)
\tat java.base/sun.security.ssl.TransportContext.fatal(TransportContext.java:378)
Caused by: sun.security.validator.ValidatorException: PKIX path validation failed: validity check failed
\t... 20 more
Caused by: java.security.cert.CertificateNotYetValidException: NotBefore: Thu Nov 26 11:00:00 UTC 2026
\t... 30 more
unrelated"""
OPENSSL = """\
ACCEPT
depth=1 CN = issuing
verify error:num=10:certificate has expired
ERROR
805B4235177F0000:error:0A000086:SSL routines:tls_process_client_certificate:certificate verify failed:x.c:3530:
CONNECTION CLOSED
ACCEPT
ERROR
805B4235177F0000:error:0A0000C7:SSL routines:tls_process:peer did not return a certificate:x.c:3517:"""
PYTHON = """\
Traceback (most recent call last):
  File "/app/x.py", line 3, in <module>
ssl.SSLCertVerificationError: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate"""
CURL = """\
* SSL connection using TLSv1.2 / ECDHE-ECDSA-AES128-GCM-SHA256
curl: (60) SSL certificate verification failed"""


@pytest.mark.parametrize(
    ("format_", "text", "found"),
    [
        (Format.ISTIO, ISTIO, [("envoy-alert-expired", Side.CLIENT)]),
        (Format.NGINX, NGINX, [("nginx-expired", Side.SERVER)]),
        (Format.HAPROXY, HAPROXY, [("haproxy-wrong-usage", Side.SERVER)]),
        (Format.JAVA, JAVA, [("java-not-yet-valid", None)]),
        (
            Format.OPENSSL,
            OPENSSL,
            [("openssl-authority-expired", Side.SERVER), ("openssl-no-certificate", Side.SERVER)],
        ),
        (Format.PYTHON, PYTHON, [("python-self-signed", None)]),
        (Format.CURL, CURL, [("curl-own-certificate-refused", Side.CLIENT)]),
        (Format.GO, f"http: TLS handshake error from 10.0.0.1:5: remote error: tls: {EXPIRED_GO}",
         [("go-expired", Side.SERVER)]),
    ],
    ids=lambda value: value.value if isinstance(value, Format) else "",
)  # fmt: skip
def test_each_format_is_read_and_seen(format_: Format, text: str, found: list[tuple[str, Side | None]]) -> None:
    failures = read(format_, text)
    assert [(recognise(one).signature.id, one.side) for one in failures] == found
    assert READERS[format_of(lines(text))] is READERS[format_]


def found_lines() -> list[list[str]]:
    blocks = (VECTORS / "found.txt").read_text().split("\n\n")[1:]
    return [[line for line in block.splitlines() if not line.startswith("# ")] for block in blocks]


@pytest.mark.parametrize(("wanted", "text"), found_lines())
def test_lines_that_people_found(wanted: str, text: str) -> None:
    written, *rest = wanted.split()
    seen = [
        [signature_of(one), one.side.value if one.side else "-", one.peer or "-"] for one in read(Format(written), text)
    ]
    assert seen == ([] if rest == ["-"] else [rest])
    assert READERS[format_of(lines(text))] is READERS[Format(written)]


def signature_of(failure: Failure) -> str:
    found = recognise(failure).signature
    return "?" if isinstance(found, Unknown) else found.id


def test_what_our_proxy_had_with_the_program_behind_it_is_no_failed_handshake() -> None:
    line = '{"log":"inbound","flags":"UF","details":"upstream_reset_before_response_started{connection_failure}"}'
    assert read(Format.ENVOY, line) == []


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-11-26T10:00:00.123456Z x", datetime(2026, 11, 26, 10, 0, 0, 123456, UTC)),
        ("2026/11/26 10:00:00 x", datetime(2026, 11, 26, 10, tzinfo=UTC)),
        ("[26/Nov/2026:10:00:00.5] x", datetime(2026, 11, 26, 10, 0, 0, 500000, UTC)),
        ("2026-13-45T10:00:00Z", None),
        ("26/Xyz/2026:10:00:00", None),
        ("no time at all", None),
    ],
)
def test_instants_of_logs(text: str, at: datetime | None) -> None:
    assert instant_in(text) == at


def test_an_event_written_is_the_event_read() -> None:
    written = Failure(
        "text", Implementation.GO, Side.CLIENT, (1, 27, 3), Tls.V1_2, datetime(2026, 11, 26, tzinfo=UTC), "UF", "d",
        "10.0.0.1:1", "10.0.0.2:2", Claims("spiffe://a.example/b", "0a", "0b", datetime(2027, 1, 1, tzinfo=UTC)),
    )  # fmt: skip
    encoded = event.encoded(written)
    (found,) = event.read([Line(encoded, Place("events", 1))])
    assert found == written


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "{}",
        '{"log":"outbound"}',
        '{"log":"outbound","flags":{"a":1},"tls_failure":[1]}',
        '{"log":"handshake","peer_not_after":17,"tls_failure":"x\\u0000\\u001b[31m"}',
        '{"log":"failure","side":"both"}',
        "[" * 5000,
        '{"a":' * 2000,
        "\x00\x1b[31m<script>alert(1)</script>",
    ],
)
def test_lines_that_no_program_wrote_break_no_reader(text: str) -> None:
    for reader in READERS.values():
        assert len(list(reader(lines(text)))) <= 1


FRAMES = """java.net.SocketException: Broken pipe
\tat java.base/sun.security.ssl.SSLSocketOutputRecord.flush(SSLSocketOutputRecord.java:271)
\tat java.base/sun.security.ssl.{sending}.produce(X.java:773)
\tat java.base/sun.security.ssl.ServerHelloDone$ServerHelloDoneConsumer.consume(ServerHelloDone.java:182)
\tat Client.main(Client.java:38)
"""


@pytest.mark.parametrize(
    ("sending", "signature"),
    [
        ("CertificateVerify$T12CertificateVerifyProducer", "java-refused-after-certificate"),
        ("Finished$T12FinishedProducer", "java-refused-without-certificate"),
        ("SSLSocketImpl$AppOutputStream", "java-broken-pipe"),
    ],
)
def test_what_java_was_sending_says_whether_it_had_presented_a_certificate(sending: str, signature: str) -> None:
    (failure,) = read(Format.JAVA, FRAMES.format(sending=sending))
    assert recognise(failure).signature.id == signature
    assert failure.side is Side.CLIENT
    assert (failure.tls is Tls.V1_2) == ("$T12" in sending)


def test_which_side_verified_is_in_javas_frames() -> None:
    refused = (
        "javax.net.ssl.SSLHandshakeException: PKIX path building failed\n"
        "\tat java.base/sun.security.ssl.CertificateMessage$T13CertificateConsumer.{check}(CertificateMessage.java:1)\n"
    )
    sides = [read(Format.JAVA, refused.format(check=f"check{one}Certs")) for one in ("Server", "Client")]
    assert [(one.side, one.tls) for (one,) in sides] == [(Side.CLIENT, Tls.V1_3), (Side.SERVER, Tls.V1_3)]

"""Text logs of proxies: Envoy's default and Istio's access log, Envoy's own log, nginx's error log, HAProxy's log."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from trustplane.handshake.failure import Failure, Implementation, Side
from trustplane.handshake.readers import access_log
from trustplane.handshake.readers.line import Line, instant_in

# [start] "request" status flags ...: what follows differs between Envoy's default format and Istio's.
_ENTRY: Final = re.compile(
    r'\[(?P<start>[^\]]{1,40})\] "[^"]{0,8192}" \d{1,3} (?P<flags>[A-Za-z,-]{1,64}) (?P<rest>.*)'
)
_ISTIO: Final = re.compile(r'(?P<details>\S{1,512}) (?P<ended>\S{1,512}) "(?P<failure>[^"]{0,4096})" .*')
_AFTER: Final = re.compile(
    r'"(?P<upstream>[^" ]{1,128})" (?P<cluster>\S{1,512}) (?P<upstream_local>\S{1,128}) (?P<local>\S{1,128})'
    r" (?P<remote>\S{1,128}) \S{1,256} \S{1,256}$"
)
_UPSTREAM: Final = re.compile(r'"(?P<upstream>[^" ]{1,128})"\s*$')
_OWN: Final = re.compile(r"TLS[ _]error|update rejected|initial fetch timed out|Secret is not supplied", re.IGNORECASE)
_NGINX: Final = re.compile(
    r"(?P<when>\d{4}/\d\d/\d\d \d\d:\d\d:\d\d) \[\w{1,16}\] \d+#\d+: (?:\*\d+ )?(?P<text>.*?)"
    r"(?:, client: (?P<client>[^,]{1,64}))?(?:, server: (?P<server>[^,]{0,256}))?(?:, .*)?$"
)
_NGINX_TLS: Final = re.compile(r"ssl|certificate|plain http", re.IGNORECASE)
_NGINX_UPSTREAM: Final = re.compile(r', upstream: "(?P<scheme>[a-z]{1,16})://(?P<address>[^/",]{1,128})')
_HAPROXY: Final = re.compile(
    r"(?:^|\s)(?P<client>[0-9a-fA-F.:]{2,45}:\d{1,5}) \[(?P<when>[^\]]{1,40})\] (?P<text>.*SSL .*)$"
)


def read_envoy(lines: Iterable[Line]) -> Iterator[Failure]:
    """JSON, either text format, and what Envoy says of its own configuration."""
    log = access_log.AccessLog()
    for line in lines:
        if line.text.startswith("{"):
            if failure := log.take(line):
                yield failure
        elif found := _ENTRY.match(line.text):
            if failure := _entry(found, line):
                yield failure
        elif _OWN.search(line.text):
            yield Failure(line.text, Implementation.ENVOY, at=instant_in(line.text), place=line.place)


def _entry(found: re.Match[str], line: Line) -> Failure | None:
    entry: dict[str, object] = {"start_time": found["start"], "response_flags": found["flags"]}
    if istio := _ISTIO.match(found["rest"]):
        entry["response_code_details"] = istio["details"]
        entry["upstream_transport_failure_reason"] = istio["failure"]
    if after := _AFTER.search(found["rest"]):
        entry |= {
            "upstream_host": after["upstream"],
            "upstream_cluster": after["cluster"],
            "upstream_local_address": after["upstream_local"],
            "downstream_local_address": after["local"],
            "downstream_remote_address": after["remote"],
        }
    elif upstream := _UPSTREAM.search(found["rest"]):
        entry["upstream_host"] = upstream["upstream"]
    return access_log.of_entry(entry, line)


def read_nginx(lines: Iterable[Line]) -> Iterator[Failure]:
    for line in lines:
        found = _NGINX.match(line.text)
        upstream = _NGINX_UPSTREAM.search(line.text)
        if found and (_NGINX_TLS.search(found["text"]) or _hung_up(upstream, found["text"])):
            asks = upstream is not None or "upstream" in found["text"]
            yield Failure(
                found["text"],
                Implementation.NGINX,
                Side.CLIENT if asks else Side.SERVER,
                at=instant_in(found["when"]),
                peer=(upstream["address"] if upstream else "") if asks else found["client"] or "",
                place=line.place,
            )


def _hung_up(upstream: re.Match[str] | None, text: str) -> bool:
    """An upstream that was spoken to over TLS and ended the connection: what a refusal under TLS 1.3 looks like."""
    return upstream is not None and upstream["scheme"] in {"https", "grpcs"} and "Broken pipe" in text


def read_haproxy(lines: Iterable[Line]) -> Iterator[Failure]:
    for line in lines:
        if found := _HAPROXY.search(line.text):
            # A number at the end of the line must end as those within it do, with a space.
            yield Failure(
                found["text"] + " ",
                Implementation.HAPROXY,
                Side.SERVER,
                at=instant_in(found["when"]),
                peer=found["client"],
                place=line.place,
            )

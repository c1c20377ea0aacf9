"""Envoy's access logs as JSON: our own (`xds.access_log`) and Istio's, whose keys are Envoy's names for the fields.

Only failed connections and refusals by rule come out. A line that is no JSON object, or whose fields are of the wrong
kind, is passed over: it was not written by a proxy.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec

from trustplane.handshake.failure import NOBODY, Claims, Failure, Implementation, Side, Tls
from trustplane.handshake.readers.line import Line, instant_in

# What the other side of a proxy did: no connection, or an end before an answer.
BROKEN_OFF: Final = frozenset({"UF", "UC", "URX", "DPE", "NR"})
# What a listener says of a connection that no filter chain of it takes; our own log of those leaves it out.
NO_CHAIN: Final = "filter_chain_not_found"
UNMATCHED: Final = frozenset({NO_CHAIN, ""})
_TLS: Final = {"TLSv1.2": Tls.V1_2, "TLSv1.3": Tls.V1_3}
_ABSENT: Final = ("", "-")
# Our names for the fields, and Envoy's own, which Istio uses.
_NAMES: Final = {
    "start": ("start", "start_time"),
    "flags": ("flags", "response_flags"),
    "details": ("details", "response_code_details", "connection_termination_details"),
    "failure": ("tls_failure", "upstream_transport_failure_reason", "downstream_transport_failure_reason"),
    "upstream": ("upstream", "upstream_remote_address", "upstream_host"),
    "upstream_local": ("upstream_local", "upstream_local_address"),
    "peer": ("peer", "downstream_direct_remote_address", "downstream_remote_address"),
    "local": ("local", "downstream_local_address"),
}


class AccessLog:
    """One proxy's log. A connection that was never made has no identity of ours in its record, but the log has: it is
    one sidecar's, and its other lines say whose."""

    def __init__(self) -> None:
        self._ours = ""

    def take(self, line: Line) -> Failure | None:
        entry = _object(line.text)
        if entry.get("log") == "outbound":
            self._ours = _text(entry, "local_id") or self._ours
            entry = {**entry, "local_id": self._ours}
        return of_entry(entry, line)


def read(lines: Iterable[Line]) -> Iterator[Failure]:
    log = AccessLog()
    for line in lines:
        if line.text.startswith("{") and (failure := log.take(line)):
            yield failure


def of_entry(entry: Mapping[str, object], line: Line) -> Failure | None:
    written = {name: _first(entry, keys) for name, keys in _NAMES.items()}
    side = _side(entry, written)
    wanted = written["failure"] or _refused(written) or _broken_off(entry, written) or entry.get("log") == "handshake"
    return _record(entry, written, side, line) if side is not None and wanted else None


def _refused(written: Mapping[str, str]) -> bool:
    return written["details"].startswith("rbac_access_denied")


def _broken_off(entry: Mapping[str, object], written: Mapping[str, str]) -> bool:
    """By the flags alone, these are no failures between sidecars: what a proxy had with the program behind it, and a
    request that no route took."""
    flags = BROKEN_OFF & set(written["flags"].split(","))
    if entry.get("log") == "inbound" or _text(entry, "upstream_cluster").startswith("inbound|"):
        return False
    return bool(flags - {"NR"}) or (bool(flags) and written["details"] in UNMATCHED)


def worked(line: Line) -> Failure | None:
    """The record of a request that was made over mTLS and got an answer, in the form of those that were not: what
    failures are compared with. Only our own log says enough of it."""
    entry = _object(line.text) if line.text.startswith('{"') else {}
    if _text(entry, "log") not in {"inbound", "outbound"} or not _text(entry, "peer_id") or of_entry(entry, line):
        return None
    written = {name: _first(entry, keys) for name, keys in _NAMES.items()}
    side = _side(entry, written)
    return _record(entry, written, side, line) if side else None


def _record(entry: Mapping[str, object], written: Mapping[str, str], side: Side, line: Line) -> Failure:
    if side is Side.CLIENT:
        local, peer = written["upstream_local"], written["upstream"]
    else:
        local, peer = written["local"], written["peer"]
    return Failure(
        text=written["failure"],
        implementation=Implementation.ENVOY,
        side=side,
        tls=_TLS.get(_text(entry, "tls_version")),
        at=instant_in(written["start"]),
        flags=written["flags"],
        details=written["details"],
        local=local,
        peer=peer,
        theirs=_theirs(entry),
        ours=Claims(_text(entry, "local_id")) if _text(entry, "local_id") else NOBODY,
        place=line.place,
    )


def _side(entry: Mapping[str, object], written: Mapping[str, str]) -> Side | None:
    match entry.get("log"):
        case "outbound":
            return Side.CLIENT
        case "inbound" | "handshake":
            return Side.SERVER
        case None:
            if _text(entry, "downstream_transport_failure_reason") or _refused(written):
                return Side.SERVER
            if written["details"] == NO_CHAIN:
                return Side.SERVER
            return Side.CLIENT if written["flags"] or written["failure"] else None
        case _:
            return None


def _theirs(entry: Mapping[str, object]) -> Claims:
    return Claims(
        _text(entry, "peer_id"),
        _text(entry, "peer_serial"),
        _text(entry, "peer_issuer_serial"),
        instant_in(_text(entry, "peer_not_after")),
    )


def _object(text: str) -> Mapping[str, object]:
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _first(entry: Mapping[str, object], keys: tuple[str, ...]) -> str:
    return next((value for key in keys if (value := _text(entry, key))), "")


def _text(entry: Mapping[str, object], key: str) -> str:
    value = entry.get(key)
    return "" if not isinstance(value, str) or value in _ABSENT else value

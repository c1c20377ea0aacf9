"""One question over everything the console knows: services, nodes, certificates, runbooks, causes and signatures."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from trustplane.handshake.catalogue import CATALOGUE
from trustplane.handshake.causes import CAUSES
from trustplane.issuance.record import IssuedCertificate
from trustplane.knowledge.runbook import Runbook
from trustplane.knowledge.search import search as ranked
from trustplane.registry.model import DesiredState
from trustplane.registry.records import Agent

MAX_QUERY = 200
MOST_OF_A_KIND = 20
_SERIAL = re.compile(r"(0x)?[0-9a-fA-F]{1,40}")


@dataclass(frozen=True, slots=True)
class Hit:
    kind: str
    name: str
    about: str
    page: str


@dataclass(frozen=True, slots=True)
class Found:
    query: str
    hits: tuple[Hit, ...]


def serial_of(query: str) -> int | None:
    """The serial number this may be, as openssl prints it, with colons or without."""
    text = query.replace(":", "").strip()
    return int(text, 16) if _SERIAL.fullmatch(text) else None


def found(
    query: str,
    state: DesiredState | None,
    agents: Sequence[Agent],
    certificate: IssuedCertificate | None,
    runbooks: Sequence[Runbook],
) -> Found:
    words = query.lower().split()
    if not words:
        return Found(query, ())
    hits = (
        *([_certificate(certificate)] if certificate else []),
        *_services(words, state),
        *(
            Hit("node", one.node.name, one.address, "/nodes")
            for one in agents
            if _has(words, one.node.name, one.address)
        ),
        *(
            Hit("runbook", one.runbook.title, one.line, f"/runbooks/{one.runbook.slug}")
            for one in ranked(query, runbooks)
        ),
        *_causes(words),
    )
    kinds = dict.fromkeys(one.kind for one in hits)
    return Found(query, tuple(one for kind in kinds for one in _first(hits, kind)))


def _first(hits: Sequence[Hit], kind: str) -> list[Hit]:
    return [one for one in hits if one.kind == kind][:MOST_OF_A_KIND]


def _certificate(one: IssuedCertificate) -> Hit:
    serial = f"{one.serial:032x}"
    return Hit("certificate", serial, f"{one.spiffe_id} on {one.node}", f"/certificates/{serial}")


def _services(words: Sequence[str], state: DesiredState | None) -> list[Hit]:
    services = sorted(state.services.values(), key=lambda one: one.name) if state else []
    return [
        Hit("service", str(one.name), str(one.spiffe_id), f"/services/{one.name}")
        for one in services
        if _has(words, str(one.name), str(one.spiffe_id), *one.owners)
    ]


def _causes(words: Sequence[str]) -> list[Hit]:
    causes = [
        Hit("cause", one.id, one.meaning, f"/runbooks/{one.runbook}")
        for one in CAUSES.values()
        if _has(words, one.id, one.id.replace("-", " "), one.meaning)
    ]
    signatures = [
        Hit("signature", one.id, one.tells, f"/runbooks/{one.runbook}") for one in CATALOGUE if _has(words, one.id)
    ]
    return causes + signatures


def _has(words: Sequence[str], *texts: str) -> bool:
    return all(any(word in text.lower() for text in texts) for word in words)

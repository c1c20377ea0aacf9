"""One question over everything the console knows: services, nodes, certificates, and all that is known of trouble."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from trustplane.issuance.record import IssuedCertificate
from trustplane.knowledge.search import Hit as KnowledgeHit
from trustplane.knowledge.search import Index
from trustplane.registry.model import DesiredState
from trustplane.registry.records import Agent

MAX_QUERY = 200
MOST_OF_A_KIND = 20
MOST_KNOWLEDGE = 30  # of all kinds, the best first
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
    knowledge: Index,
) -> Found:
    words = query.lower().split()
    if not words:
        return Found(query, ())
    hits = (
        *([_certificate(certificate)] if certificate else []),
        *_services(words, state),
        *(
            Hit("node", one.node.name, one.address, f"/nodes?words={one.node.name}")
            for one in agents
            if _has(words, one.node.name, one.address)
        ),
    )
    kinds = dict.fromkeys(one.kind for one in hits)
    first = (one for kind in kinds for one in _first(hits, kind))
    return Found(query, (*first, *map(known, knowledge.search(query)[:MOST_KNOWLEDGE])))


def known(hit: KnowledgeHit) -> Hit:
    """What has no page of its own leads to its runbook."""
    entry = hit.entry
    if entry.kind == "postmortem":
        return Hit("postmortem", entry.title, hit.line, f"/postmortems/{entry.name}")
    name = entry.title if entry.kind == "runbook" else entry.name
    return Hit(entry.kind, name, hit.line, f"/runbooks/{entry.page}")


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


def _has(words: Sequence[str], *texts: str) -> bool:
    return all(any(word in text.lower() for text in texts) for word in words)

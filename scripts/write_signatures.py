"""Writes docs/causes.md and docs/signatures.md: what the catalogue of failed handshakes knows, from the catalogue."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from trustplane.handshake.catalogue import CATALOGUE
from trustplane.handshake.causes import CAUSES
from trustplane.handshake.failure import Implementation
from trustplane.handshake.signature import Signature

DOCS = Path(__file__).resolve().parent.parent / "docs"
CAUSES_HEAD = """\
# Causes of failed handshakes

<!-- Written by scripts/write_signatures.py; `make drift` fails when it is out of date. -->

A cause's id is stable: `trustplane diagnose --json`, runbooks and scripts key on it. What produces each is in
[signatures.md](signatures.md), how sure a diagnosis may be in
[0401](decisions/0401-sure-only-in-the-refusing-sides-words.md).

| id | meaning | what to do | runbook |
| --- | --- | --- | --- |
"""
SIGNATURES_HEAD = """\
# Signatures of failed handshakes

<!-- Written by scripts/write_signatures.py; `make drift` fails when it is out of date. -->

What proxies and programs write when a handshake fails, and what can have caused it, the likeliest first with its share
before anything else is known. Texts are compared in lower case, with `_` as a space; all parts joined by `...` must
occur. Who speaks decides how far it can be believed: the *verifier* that refused, in its own words; *unexplained*, the
verifier without a reason; an *alert* that many faults share; *silence*; or a side's *own* trouble. Numbers are stable;
87, 92 and 93 have no text: they are lines that are missing, and belong to alerts.
"""


def main() -> None:
    (DOCS / "causes.md").write_text(causes())
    (DOCS / "signatures.md").write_text(signatures())


def causes() -> str:
    rows = [
        f"| `{one.id}` | {one.meaning} | {one.fix} | [{one.runbook}](runbooks/{one.runbook}.md) |"
        for one in CAUSES.values()
    ]
    return CAUSES_HEAD + "\n".join(rows) + "\n"


def signatures() -> str:
    families: dict[Implementation, list[Signature]] = defaultdict(list)
    for one in CATALOGUE:
        families[one.implementation].append(one)
    sections = [_section(family, found) for family, found in families.items()]
    return SIGNATURES_HEAD + "".join(sections)


def _section(family: Implementation, found: list[Signature]) -> str:
    head = (
        "| | id | text | where | voice | causes | what tells them apart |\n| --- | --- | --- | --- | --- | --- | --- |"
    )
    return f"\n## {family.value}\n\n{head}\n" + "\n".join(map(_row, found)) + "\n"


def _row(one: Signature) -> str:
    match = one.match
    looks = [" ... ".join(match.words)] if match.words else []
    looks += [f"flags {match.flags}"] if match.flags else []
    looks += [f"details {match.details}"] if match.details else []
    text = "; ".join(looks).replace("|", "\\|")
    shares = ", ".join(f"{cause} {weight:.2g}" for cause, weight in one.causes)
    return f"| {one.number} | {one.id} | `{text}` | {_where(one)} | {one.voice.value} | {shares} | {one.tells} |"


def _where(one: Signature) -> str:
    match = one.match
    first, after = match.build
    parts = [
        match.side.value if match.side else "",
        f"TLS {match.tls.value}" if match.tls else "",
        f"from {'.'.join(map(str, first))}" if first else "",
        f"before {'.'.join(map(str, after))}" if after else "",
    ]
    return ", ".join(part for part in parts if part)


if __name__ == "__main__":
    main()

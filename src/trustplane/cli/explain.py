"""`trustplane explain`: which entry, selectors, profile, issuer and lifetime, and why, and who holds it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from trustplane.cli import admin
from trustplane.cli.output import fields, instant, say, say_json
from trustplane.cli.sockets import AsJson, ServerSocket
from trustplane.cli.svid_files import read_svid
from trustplane.spiffe.ids import SCHEME
from trustplane.wire.http_shapes import ExplanationShape, HoldingShape

EXAMPLES = """\b
Examples:
  trustplane explain spiffe://shop.example/ns/shop/sa/web
  trustplane explain 3fa2...                          a serial number, hexadecimal
  trustplane explain /run/payments/svid.pem           a certificate file
"""

Query = Annotated[str, typer.Argument(metavar="ID|SERIAL|FILE", help="What to explain.")]


def command(query: Query, server_socket: ServerSocket, *, as_json: AsJson = False) -> None:
    """Explain one identity or one certificate.

    Which service is entitled to it and by which selectors; profile, issuer and lifetime, and why; who holds it.
    """
    asked = query
    if not query.startswith(SCHEME) and Path(query).is_file():
        asked = f"{read_svid(Path(query)).serial:032x}"
    found = admin.server(server_socket).get("/v1/explain", ExplanationShape, query=asked)
    if as_json:
        say_json(found)
    else:
        say(_text(found))


def _text(found: ExplanationShape) -> str:
    certificate, issuer, lifetime = found.certificate, found.issuer, found.lifetime
    about = fields(
        [
            ("service", found.service or _nobody(found)),
            ("owners", ", ".join(found.owners)),
            ("selectors", ", ".join(found.selectors)),
            ("nodes", ", ".join(found.nodes) or ("any" if found.declared else "")),
            ("profile", f"{found.profile} ({found.key})" if found.profile else ""),
            ("called by", ", ".join(found.callers)),
            ("calls", ", ".join(found.calls)),
            ("data", ", ".join(found.data)),
            ("serial", certificate.serial if certificate else ""),
            ("valid", f"{instant(certificate.not_before)} to {instant(certificate.not_after)}" if certificate else ""),
            ("renews", instant(certificate.renew_at) if certificate else ""),
            ("issuer", f"{issuer.id[:12]} {issuer.kind}, {issuer.state}" if issuer else ""),
            ("lifetime", f"{lifetime.seconds:.0f} s: {lifetime.why}" if lifetime else ""),
            ("sidecar on", ", ".join(found.hosted_on)),
        ]
    )
    held = [f"  {line}" for line in _held(found.held_by)]
    held += [f"  and {found.held_by_left_off} things more"] if found.held_by_left_off else []
    why = [f"  {one}" for one in found.why]
    return "\n".join([found.spiffe_id, about, *(["held by", *held] if held else []), "why", *why])


def _nobody(found: ExplanationShape) -> str:
    if found.other_domain:
        return f"of another trust domain, {found.other_domain}"
    return "none: not in the applied trust repository"


def _held(holdings: Sequence[HoldingShape]) -> Iterator[str]:
    """One line for each participant, and one for each thing it does not hold."""
    for who in dict.fromkeys((one.participant, one.node) for one in holdings):
        its = [one for one in holdings if (one.participant, one.node) == who]
        missing = [one for one in its if one.state != "held"]
        yield f"{who[0]} on {who[1]}: {len(its) - len(missing)} of {len(its)} things as they should be"
        yield from (f"  {one.thing}: {one.state} {one.refusal}".rstrip() for one in missing)

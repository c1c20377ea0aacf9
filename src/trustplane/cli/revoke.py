"""`trustplane revoke`: take back a certificate, an identity or an issuing authority; see what is; lift an ID."""

from __future__ import annotations

import time
from enum import Enum
from typing import Annotated

import typer

from trustplane.cli import admin
from trustplane.cli.break_glass import BreakGlass
from trustplane.cli.output import fields, instant, say, say_json, table
from trustplane.cli.sockets import AsJson, ServerSocket
from trustplane.wire import http_revocation_shapes as orders
from trustplane.wire.http_shapes import RevocationShape, RevocationsShape

POLL_SECONDS = 0.5


class Why(Enum):
    """RFC 5280's reasons."""

    UNSPECIFIED = "unspecified"
    KEY_COMPROMISE = "key-compromise"
    AFFILIATION_CHANGED = "affiliation-changed"
    SUPERSEDED = "superseded"
    CESSATION_OF_OPERATION = "cessation-of-operation"
    PRIVILEGE_WITHDRAWN = "privilege-withdrawn"


Reason = Annotated[Why, typer.Option("--reason", help="Why; goes into the CRL.")]
Note = Annotated[str, typer.Option("--note", help="More about it, for people; kept in the audit log.")]
Serial = Annotated[str, typer.Argument(metavar="SERIAL", help="Serial number, hexadecimal.")]
Id = Annotated[str, typer.Argument(metavar="ID", help="SPIFFE ID.")]
Issuer = Annotated[str, typer.Argument(metavar="AUTHORITY", help="Issuing authority, its first 12 digits or more.")]
Compromised = Annotated[
    bool, typer.Option("--compromised", help="Its key is in wrong hands: cut it off at once, whatever that breaks.")
]

EXAMPLES = """\b
Examples:
  trustplane revoke svid 3fa2... --reason key-compromise
  trustplane revoke id spiffe://shop.example/ns/shop/sa/web --reason privilege-withdrawn --note INC-7
  trustplane revoke issuer 5c0ffee12345 --reason superseded
  trustplane revoke lift id spiffe://shop.example/ns/shop/sa/web
"""

group = typer.Typer(
    name="revoke",
    help="Take back a certificate, an identity or an issuing authority.",
    epilog=EXAMPLES,
    no_args_is_help=True,
)
lifted = typer.Typer(name="lift", help="Undo the revocation of an identity.", no_args_is_help=True)
group.add_typer(lifted)


@group.command()
def svid(
    serial: Serial, server_socket: ServerSocket, reason: Reason, *, note: Note = "", as_json: AsJson = False
) -> None:
    """Take back one certificate. Its workload gets a new one at once.

    New connections with it are refused, and so is the next request of every connection that is open.
    """
    body = orders.RevokeCertificateRequest(serial=serial, reason=reason.value, note=note)
    found = admin.server(server_socket).post("/v1/revocations/certificates", RevocationShape, body)
    _tell(found, "it is refused everywhere; its workload gets another one", as_json=as_json)


@group.command(name="id")
def identity(
    id: Id,  # noqa: A002 - its name on the command line
    server_socket: ServerSocket,
    reason: Reason,
    *,
    note: Note = "",
    break_glass: BreakGlass = "",
    as_json: AsJson = False,
) -> None:
    """Take back an identity: every certificate it has, and none is issued until it is lifted."""
    body = orders.RevokeIdRequest(spiffe_id=id, reason=reason.value, note=note)
    found = admin.server(server_socket).post("/v1/revocations/ids", RevocationShape, body, break_glass)
    had = (
        f"{found.certificates} certificates of it are refused"
        if found.certificates != 1
        else "its certificate is refused"
    )
    _tell(found, f"{had} everywhere; to let it have another: trustplane revoke lift id {id}", as_json=as_json)


@group.command()
def issuer(  # noqa: PLR0913 - one parameter per option
    authority: Issuer,
    server_socket: ServerSocket,
    reason: Reason,
    *,
    note: Note = "",
    compromised: Compromised = False,
    break_glass: BreakGlass = "",
    as_json: AsJson = False,
) -> None:
    """Replace an issuing authority, even the active one, and cut it off.

    Its successor signs at once and its leaves are renewed first; then nothing it signed is accepted. Interrupting
    this command does not interrupt that. With --compromised the cut comes first: services cannot reach each other
    until their new leaves are there.
    """
    server = admin.server(server_socket)
    body = orders.RevokeIssuerRequest(authority=authority, reason=reason.value, note=note, compromised=compromised)
    found = server.post("/v1/revocations/issuers", RevocationShape, body, break_glass)
    while found.cut_at is None:
        time.sleep(POLL_SECONDS)
        listed = server.get("/v1/revocations", RevocationsShape).revocations
        found = next((one for one in listed if (one.kind, one.subject) == (found.kind, found.subject)), found)
    _tell(found, "nothing it signed is accepted any more", as_json=as_json)


@lifted.command(name="id")
def lift(id: Id, server_socket: ServerSocket, *, as_json: AsJson = False) -> None:  # noqa: A002 - its name on the command line
    """Let a revoked identity have certificates again. Those it had stay revoked."""
    found = admin.server(server_socket).post(
        "/v1/revocations/ids/lift", RevocationsShape, orders.LiftRequest(spiffe_id=id)
    )
    if as_json:
        say_json(found)
    else:
        say(f"{id} may have certificates again; those it had stay revoked")


@group.command(name="list")
def list_(server_socket: ServerSocket, *, as_json: AsJson = False) -> None:
    """What is revoked and in force, and the CRLs that say so."""
    found = admin.server(server_socket).get("/v1/revocations", RevocationsShape)
    say_json(found) if as_json else say(_text(found))


def _text(found: RevocationsShape) -> str:
    if not found.revocations:
        return "nothing is revoked"
    rows = [(one.kind, one.subject, one.reason, instant(one.at), one.by, _until(one)) for one in found.revocations]
    crls = [
        (one.authority[:12], str(one.number), instant(one.refresh_at), instant(one.next_update)) for one in found.crls
    ]
    parts = [table(("KIND", "REVOKED", "REASON", "AT", "BY", "UNTIL"), rows)]
    if crls:
        parts.append(table(("CRL OF", "NUMBER", "SIGNED ANEW", "EXPIRES"), crls))
    return "\n\n".join(parts)


def _until(one: RevocationShape) -> str:
    match one.kind:
        case "certificate":
            return f"it expires, {instant(one.not_after)}" if one.not_after else ""
        case "id":
            return "lifted"
        case _:
            return "it expires" if one.cut_at else "being replaced"


def _tell(found: RevocationShape, outcome: str, *, as_json: bool) -> None:
    if as_json:
        say_json(found)
        return
    about = [
        ("reason", found.reason),
        ("note", found.note),
        ("by", found.by),
        ("at", instant(found.at)),
        ("of", (found.spiffe_id or "") if found.kind == "certificate" else ""),
        ("cut off", instant(found.cut_at) if found.cut_at else ""),
    ]
    say("\n".join([f"revoked {found.kind} {found.subject}", fields(about), outcome]))

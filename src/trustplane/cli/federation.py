"""`trustplane federation`: other trust domains, the bundles held of them, and who holds those."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from trustplane.cli import admin
from trustplane.cli.arguments import trust_domain
from trustplane.cli.output import Exit, fields, instant, relative, say, say_json, span, table, write_picture
from trustplane.cli.sockets import AsJson, ServerSocket
from trustplane.wire.http_federation_shapes import FederationShape, FederationStoryShape, HolderShape, PeerShape

MAX_HOLDERS = 20
HOLDS = "holds it"

EXAMPLES = """\b
Examples:
  trustplane federation status
  trustplane federation status --json | jq '.peers[] | {trust_domain, sequence, failure}'
  trustplane federation refresh partner.example
  trustplane federation story --svg story.svg
"""

Picture = Annotated[Path | None, typer.Option("--svg", help="Write the picture to this file.")]
Domain = Annotated[str, typer.Argument(metavar="TRUST_DOMAIN", help="The other trust domain.")]

group = typer.Typer(
    name="federation", help="Other trust domains, and who trusts them here.", epilog=EXAMPLES, no_args_is_help=True
)


@group.command()
def status(server_socket: ServerSocket, *, as_json: AsJson = False) -> None:
    """Show each trust domain: its bundle, when it is asked for, what failed, and who holds it.

    Ends with 1 when a bundle is missing or empty, or the last attempt at a newer one failed.
    """
    found = admin.server(server_socket).get("/v1/federation", FederationShape)
    _tell(found, as_json=as_json)
    if any(_needs_somebody(one) for one in found.peers):
        raise typer.Exit(Exit.FAILED)


@group.command()
def refresh(domain: Domain, server_socket: ServerSocket, *, as_json: AsJson = False) -> None:
    """Ask its endpoint now, for its bundle and for who there holds ours. Ends with 1 when no bundle was taken."""
    name = trust_domain(domain)
    found = admin.server(server_socket).post(f"/v1/federation/{name}/refresh", FederationShape)
    _tell(found, only=name.name, as_json=as_json)
    if any(one.failure for one in found.peers if one.trust_domain == name.name):
        raise typer.Exit(Exit.FAILED)


@group.command()
def forget(domain: Domain, server_socket: ServerSocket, *, as_json: AsJson = False) -> None:
    """Forget its bundle, its sequence and its roots, so that it may come back with others.

    While the relation is declared it begins anew at once, from the first bundle in the trust repository.
    """
    name = trust_domain(domain)
    found = admin.server(server_socket).post(f"/v1/federation/{name}/forget", FederationShape)
    _tell(found, only=name.name, as_json=as_json)


@group.command()
def story(server_socket: ServerSocket, *, svg: Picture = None, as_json: AsJson = False) -> None:
    """How the keys are changed with these partners: the exact sequence, as Markdown and as a picture.

    Told by the machine that would do it: whom it waits for, and by which rule each other trust domain is believed.
    """
    found = admin.server(server_socket).get("/v1/federation/story", FederationStoryShape)
    if svg is not None:
        write_picture(svg, found.svg)
    say_json(found) if as_json else say(found.markdown)


def _tell(found: FederationShape, *, only: str = "", as_json: bool) -> None:
    if as_json:
        say_json(found)
        return
    ahead = f"is used {span(timedelta(seconds=found.publish_before_use_seconds))} after it is published"
    own = fields(
        [
            ("own bundle", f"{found.digest[:12]}, sequence {found.sequence}, of {found.trust_domain}"),
            ("refresh hint", span(timedelta(seconds=found.refresh_hint_seconds))),
            ("a new key", ahead if any(one.ended_at is None for one in found.peers) else ""),
        ]
    )
    peers = [_peer(one, found) for one in found.peers if only in ("", one.trust_domain)]
    say("\n\n".join([own, *(peers or ["no other trust domain is declared"])]))


def _needs_somebody(peer: PeerShape) -> bool:
    return peer.ended_at is None and (peer.failure is not None or not (peer.x509_authorities or peer.jwt_authorities))


def _peer(peer: PeerShape, found: FederationShape) -> str:
    about = [
        (peer.trust_domain, _standing(peer)),
        ("  endpoint", f"{peer.endpoint} ({peer.profile})" if peer.endpoint else ""),
        ("  known as", peer.endpoint_id or ""),
        ("  accepts", ", ".join(peer.accepts)),
        ("  bundle", _bundle(peer)),
        ("  taken", f"{instant(peer.taken_at)} ({relative(peer.taken_at, found.now)})" if peer.taken_at else ""),
        ("  next", f"{instant(peer.next_at)} ({relative(peer.next_at, found.now)})" if peer.next_at else ""),
        ("  failing", f"since {instant(peer.failing_since)}" if peer.failing_since else ""),
        ("  held by", _counted(peer.holders)),
        ("  of ours", f"it {peer.shows}" if peer.shows else ""),
    ]
    shown = [fields(about)]
    if peer.failure:
        failure = peer.failure
        shown.append(f"  error[{failure.code}]: {failure.what}\n    why: {failure.why}\n    fix: {failure.fix}")
    if others := [one for one in peer.holders if one.state != HOLDS]:
        rows = [(one.node, one.participant, one.state) for one in others[:MAX_HOLDERS]]
        more = f"\nand {len(others) - MAX_HOLDERS} more" if len(others) > MAX_HOLDERS else ""
        shown.append(table(("NODE", "PARTICIPANT", "STATE"), rows) + more)
    return "\n".join(shown)


def _standing(peer: PeerShape) -> str:
    if peer.ended_at is not None:
        left = "nobody holds its bundle" if not peer.holders else "its bundle is being taken back"
        return f"ended {instant(peer.ended_at)}; {left}"
    if peer.digest is None:
        return "NO BUNDLE YET"
    if not (peer.x509_authorities or peer.jwt_authorities):
        return "REVOKED: it publishes no authority at all"
    return "NOT REFRESHED" if peer.failure else "federated"


def _bundle(peer: PeerShape) -> str:
    if peer.digest is None:
        return ""
    numbered = f"sequence {peer.sequence}" if peer.sequence is not None else "no sequence"
    return f"{peer.digest[:12]}, {numbered}, {peer.x509_authorities} X.509 and {peer.jwt_authorities} JWT authorities"


def _counted(holders: tuple[HolderShape, ...]) -> str:
    counts = Counter(one.state == HOLDS for one in holders)
    return f"{counts[True]} of {len(holders)} participants" if holders else "nobody"

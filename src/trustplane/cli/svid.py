"""`trustplane svid`: fetch an identity as a workload would, look into a certificate, verify it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from trustplane.cli.fetched import Fetched, write_files
from trustplane.cli.output import fields, instant, note, relative, say, say_json
from trustplane.cli.sockets import AsJson, WorkloadSocket
from trustplane.cli.svid_files import read_bundle, read_svid
from trustplane.spiffe.bundle import BundleSet
from trustplane.spiffe.verify import verify_x509
from trustplane.spiffe.x509_svid import X509Svid

group = typer.Typer(name="svid", help="Fetch, watch, show and verify SVIDs.", no_args_is_help=True)

FETCH_EXAMPLES = """\b
Examples:
  trustplane svid fetch                          what this process is entitled to
  trustplane svid fetch --write /run/payments    also as svid.pem, key.pem and bundle.pem, for any TLS library
"""
WATCH_EXAMPLES = """\b
Examples:
  trustplane svid watch
  trustplane svid watch --json | jq .svids[0].serial
"""
SHOW_EXAMPLES = """\b
Example:
  trustplane svid show /run/payments/svid.pem
"""
VERIFY_EXAMPLES = """\b
Examples:
  trustplane svid verify svid.pem --bundle bundle.json
  trustplane svid verify svid.pem --bundle roots.pem
"""

File = Annotated[Path, typer.Argument(metavar="FILE", help="A certificate chain, PEM or DER, leaf first.")]
BundleFile = Annotated[
    Path, typer.Option("--bundle", metavar="FILE", help="The trust domain's bundle document, or its roots in PEM.")
]
Write = Annotated[Path | None, typer.Option("--write", metavar="DIR", help="Also write PEM files here, key mode 0600.")]
Times = Annotated[int | None, typer.Option("--times", min=1, help="Stop after this many updates.")]


class SvidShape(msgspec.Struct, frozen=True, kw_only=True):
    spiffe_id: str
    serial: str
    not_before: datetime
    not_after: datetime
    expired: bool
    chain: int
    key: str
    hint: str = ""


class FetchedShape(msgspec.Struct, frozen=True, kw_only=True):
    svids: tuple[SvidShape, ...]
    trust_domains: tuple[str, ...]


@group.command(epilog=FETCH_EXAMPLES)
def fetch(socket: WorkloadSocket, write: Write = None, *, as_json: AsJson = False) -> None:
    """Fetch the X.509-SVIDs this process is entitled to, once.

    The agent attests this very process: what comes back depends on who runs it, from which file, in which unit.
    """
    fetched = asyncio.run(_first(socket))
    _show_fetched(fetched, as_json=as_json)
    if write:
        for path in write_files(fetched, write):
            note(f"wrote {path}")


@group.command(epilog=WATCH_EXAMPLES)
def watch(socket: WorkloadSocket, times: Times = None, *, as_json: AsJson = False) -> None:
    """Follow this process's X.509-SVIDs as they are renewed, until Ctrl-C."""
    asyncio.run(_follow(socket, times, as_json=as_json))


@group.command(epilog=SHOW_EXAMPLES)
def show(file: File, *, as_json: AsJson = False) -> None:
    """Show what a certificate file says, without judging whether it can be trusted."""
    shown = _shape(read_svid(file), "")
    if as_json:
        say_json(shown)
    else:
        say(_text(shown))


@group.command(epilog=VERIFY_EXAMPLES)
def verify(file: File, bundle: BundleFile, *, as_json: AsJson = False) -> None:
    """Verify a certificate file against a trust bundle, as a peer would now."""
    svid = read_svid(file)
    domain = svid.spiffe_id.trust_domain
    verified = verify_x509(svid, BundleSet({domain: read_bundle(bundle, domain)}), _now())
    if as_json:
        say_json({"verified": True, "spiffe_id": str(verified), "not_after": svid.not_after})
    else:
        say(f"verified: {verified}, until {instant(svid.not_after)}")


async def _first(socket: str) -> Fetched:
    async with contextlib.aclosing(_updates(socket)) as updates:
        return await anext(updates)


async def _follow(socket: str, times: int | None, *, as_json: bool) -> None:
    number = 0
    async with contextlib.aclosing(_updates(socket)) as updates:
        async for fetched in updates:
            _show_fetched(fetched, as_json=as_json)
            number += 1
            if number == times:
                return


def _updates(socket: str) -> AsyncGenerator[Fetched, None]:
    from trustplane.cli.workload import x509_svids  # noqa: PLC0415 - gRPC costs other commands a tenth of a second

    return x509_svids(socket)


def _show_fetched(fetched: Fetched, *, as_json: bool) -> None:
    shown = FetchedShape(
        svids=tuple(_shape(one.svid, one.hint) for one in fetched.identities),
        trust_domains=tuple(sorted(domain.name for domain in fetched.bundles)),
    )
    if as_json:
        say_json(shown)
    else:
        say("\n\n".join(_text(one) for one in shown.svids))


def _shape(svid: X509Svid, hint: str) -> SvidShape:
    return SvidShape(
        spiffe_id=str(svid.spiffe_id),
        serial=f"{svid.serial:032x}",
        not_before=svid.not_before,
        not_after=svid.not_after,
        expired=svid.not_after < _now(),
        chain=len(svid.chain),
        key=_key(svid),
        hint=hint,
    )


def _key(svid: X509Svid) -> str:
    match svid.leaf.public_key():
        case ec.EllipticCurvePublicKey() as key:
            return f"ECDSA {key.curve.name}"
        case rsa.RSAPublicKey() as key:
            return f"RSA {key.key_size}"
        case other:
            return type(other).__name__


def _text(svid: SvidShape) -> str:
    return fields(
        [
            ("SPIFFE ID", svid.spiffe_id),
            ("hint", svid.hint),
            ("serial", svid.serial),
            ("valid from", instant(svid.not_before)),
            ("valid to", f"{instant(svid.not_after)} ({relative(svid.not_after, _now())})"),
            ("key", svid.key),
            ("chain", f"{svid.chain} certificate{'s' if svid.chain > 1 else ''}"),
        ]
    )


def _now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - a person asks about now; nothing is decided by it

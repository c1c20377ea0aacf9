"""`trustplane probe`: make a handshake, and explain what the server presents and what it does with us."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from cryptography import x509

from trustplane.cli.arguments import as_input, host_port
from trustplane.cli.diagnosis_text import CauseShape, causes_of
from trustplane.cli.fetched import Fetched
from trustplane.cli.output import Exit, fields, instant, relative, say, say_json
from trustplane.cli.shown_state import BundleFile, Expected, read_certificates, read_roots
from trustplane.cli.sockets import AsJson, WorkloadSocket
from trustplane.fault import Refused
from trustplane.handshake.causes import CAUSES
from trustplane.handshake.diagnosis import Diagnosis, diagnose
from trustplane.handshake.failure import Failure, Implementation, Side, Tls
from trustplane.handshake.join import Pair
from trustplane.handshake.known import Known
from trustplane.handshake.presented import Explained, explained, wrong
from trustplane.handshake.state import State, uris
from trustplane.host.tls_probe import Handshake, PemFiles, shake_hands
from trustplane.spiffe.certificates import certificates_from_der, read_whole
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.x509_svid import KeyedSvid

EXAMPLES = """\b
Examples:
  trustplane probe 127.0.0.1:15443                          with this process's first identity
  trustplane probe pay.internal:8443 --as spiffe://shop.example/ns/shop/sa/web --expect spiffe://shop.example/ns/shop/sa/pay
  trustplane probe pay.internal:8443 --cert svid.pem --key key.pem --bundle roots.pem
  trustplane probe pay.internal:8443 --anonymous --bundle roots.pem
"""

Address = Annotated[str, typer.Argument(metavar="HOST:PORT", help="The server.")]
As = Annotated[str, typer.Option("--as", metavar="ID", help="The identity to present; of those this process may have.")]
CertFile = Annotated[Path | None, typer.Option("--cert", metavar="FILE", help="Present this chain instead, PEM.")]
KeyFile = Annotated[Path | None, typer.Option("--key", metavar="FILE", help="The key of --cert, PEM.")]
ServerName = Annotated[str, typer.Option("--server-name", metavar="NAME", help="The name to ask for (SNI).")]
Anonymous = Annotated[bool, typer.Option("--anonymous", help="Present nothing.")]


class ProbeShape(msgspec.Struct, frozen=True, kw_only=True):
    address: str
    tls: str
    cipher: str
    presented: str
    takes_us: bool
    we_take_it: bool | None
    error: str
    signature: str
    causes: tuple[CauseShape, ...]
    missing: tuple[str, ...]
    server_faults: tuple[tuple[str, str], ...]
    certificates: tuple[Explained, ...]
    runbook: str


def command(  # noqa: PLR0913, PLR0917 - one parameter per option
    address: Address,
    socket: WorkloadSocket,
    present_as: As = "",
    cert: CertFile = None,
    key: KeyFile = None,
    bundle: BundleFile = None,
    expect: Expected = "",
    server_name: ServerName = "",
    *,
    anonymous: Anonymous = False,
    as_json: AsJson = False,
) -> None:
    """Make a handshake and explain it, certificate by certificate.

    Ends with 1 when either side refuses the other. Nothing is sent after the handshake.
    """
    where = host_port(address)
    fetched = None if cert or anonymous else asyncio.run(_first(socket))
    identity, ours = _identity(fetched, present_as, cert, key)
    with as_input():
        done = shake_hands((where.host.strip("[]"), where.port), identity, server_name)
    now = datetime.now(UTC)  # noqa: TID251 - a person asks about now
    with as_input():
        if expect:
            SpiffeId.parse(expect)
        theirs = _theirs(done)
        roots = read_roots(bundle, theirs, expect) if bundle else _held(fetched, theirs)
    seen = State(now, theirs, roots, None, expect, Side.SERVER)
    diagnosis = _refused(done, State(now, ours, None, None, "", Side.CLIENT)) if done.error else None
    shape = _shape(str(where), done, seen, diagnosis, _called(ours, anonymous=anonymous))
    if as_json:
        say_json(shape)
    else:
        say(_text(shape, now))
    if not shape.takes_us or shape.we_take_it is False:
        raise typer.Exit(Exit.FAILED)


async def _first(socket: str) -> Fetched:
    from trustplane.cli.workload import x509_svids  # noqa: PLC0415 - gRPC costs other commands a tenth of a second

    async with contextlib.aclosing(x509_svids(socket)) as updates:
        return await anext(updates)


def _identity(
    fetched: Fetched | None, wanted: str, cert: Path | None, key: Path | None
) -> tuple[KeyedSvid | PemFiles | None, tuple[x509.Certificate, ...]]:
    if cert is not None:
        with as_input():
            return PemFiles(cert, key or cert), read_certificates(cert)
    if fetched is None:
        return None, ()
    for one in fetched.identities:
        if not wanted or str(one.svid.spiffe_id) == wanted:
            return one.keyed, one.svid.chain
    has = ", ".join(str(one.svid.spiffe_id) for one in fetched.identities)
    raise Refused(
        code="not-this-process",
        what=f"this process may not present {wanted}",
        why=f"the agent gives it {has}",
        fix="run this as the user of that service, or give its files with --cert and --key",
    )


def _theirs(done: Handshake) -> tuple[x509.Certificate, ...]:
    if not done.chain:
        return ()
    found = certificates_from_der(done.chain)
    for certificate in found:
        read_whole(certificate)
    return found


def _held(fetched: Fetched | None, theirs: tuple[x509.Certificate, ...]) -> tuple[x509.Certificate, ...] | None:
    """The bundle of the domain that the server claims; none for a domain that this process trusts nothing of."""
    if fetched is None:
        return None
    names = uris(theirs[0]) if theirs else ()
    for domain, bundle in fetched.bundles.items():
        if any(name.startswith(f"{domain.id}/") for name in names):
            return bundle.x509_authorities
    return ()


def _refused(done: Handshake, ours: State) -> Diagnosis:
    tls = next((one for one in Tls if done.tls == f"TLSv{one.value}"), None)
    failure = Failure(done.error, Implementation.PYTHON, Side.CLIENT, tls=tls, at=ours.at)
    return diagnose(Pair(failure, None), Known(ours if ours.chain else None))


def _shape(address: str, done: Handshake, seen: State, diagnosis: Diagnosis | None, presented: str) -> ProbeShape:
    faults = tuple((one.cause, one.says) for one in wrong(seen)) if seen.chain else ()
    judged = bool(seen.chain) and seen.roots is not None
    return ProbeShape(
        address=address,
        tls=done.tls,
        cipher=done.cipher,
        presented=presented,
        takes_us=not done.error,
        we_take_it=not faults if judged or faults else None,
        error=done.error,
        signature=diagnosis.signature if diagnosis else "",
        causes=causes_of(diagnosis) if diagnosis else (),
        missing=diagnosis.missing if diagnosis else (),
        server_faults=faults,
        certificates=explained(seen),
        runbook=diagnosis.runbook if diagnosis else CAUSES[faults[0][0]].runbook if faults else "",
    )


def _called(ours: tuple[x509.Certificate, ...], *, anonymous: bool) -> str:
    if anonymous or not ours:
        return "nothing"
    return ", ".join(uris(ours[0])) or ours[0].subject.rfc4514_string()


def _text(shape: ProbeShape, now: datetime) -> str:
    verdicts = {True: "yes", False: "no", None: "not judged: no bundle to judge it by (--bundle)"}
    if not shape.certificates:
        verdicts[None] = "it presented nothing"
    head = fields(
        [
            ("server", shape.address),
            ("spoken", " ".join(one for one in (shape.tls, shape.cipher) if one) or "nothing"),
            ("presented", shape.presented),
            ("handshake", shape.error or "done, and the server kept the connection"),
            ("we take it", verdicts[shape.we_take_it]),
        ]
    )
    lines = [head]
    for number, one in enumerate(shape.certificates, 1):
        lines.append(f"\ncertificate {number}, {one.role}")
        lines.append(_certificate(one, now))
    lines += [
        f"\nwrong with the server: {cause}: {says}\n  fix: {CAUSES[cause].fix}" for cause, says in shape.server_faults
    ]
    if shape.causes:
        lines.append("\nwhy it failed")
        lines += [f"  {one.id} ({one.confidence:.2f}): {CAUSES[one.id].meaning}" for one in shape.causes]
        lines += [f"    {evidence}" for evidence in shape.causes[0].evidence[1:]]
        lines += [f"  would tell: {one}" for one in shape.missing]
        lines.append(f"  fix: {shape.causes[0].fix}: {shape.causes[0].command}")
    if shape.runbook:
        lines.append(f"runbook: trustplane runbook show {shape.runbook}")
    return "\n".join(lines)


def _certificate(one: Explained, now: datetime) -> str:
    times = f"{instant(one.not_before)} to {instant(one.not_after)}"
    return fields(
        [
            ("  names", ", ".join(one.names) or one.subject or "nobody"),
            ("  serial", one.serial),
            ("  valid", f"{times}: {one.validity}, {relative(one.not_after, now)}"),
            ("  key", one.key_id),
            ("  signed by", one.signed_by + (f" (it names key {one.issuer_key_id})" if one.issuer_key_id else "")),
        ]
    )

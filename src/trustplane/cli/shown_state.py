"""What the operator shows of the sides' state: a chain, a bundle, revocation lists, the name expected."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from cryptography import x509

from trustplane.cli.arguments import as_input
from trustplane.cli.output import WrongInput
from trustplane.cli.svid_files import read_bounded
from trustplane.fault import Refused
from trustplane.handshake.state import State, uris
from trustplane.spiffe import bundle_document
from trustplane.spiffe.certificates import (
    certificates_from_concatenated_der,
    certificates_from_pem,
    read_whole,
)
from trustplane.spiffe.ids import SpiffeId

ChainFile = Annotated[
    Path | None, typer.Option("--chain", metavar="FILE", help="The certificates that were refused, PEM, leaf first.")
]
BundleFile = Annotated[
    Path | None, typer.Option("--bundle", metavar="FILE", help="What the refusing side trusts: roots, or a document.")
]
CrlFiles = Annotated[
    list[Path], typer.Option("--crl", metavar="FILE", help="A revocation list the refusing side holds. Repeatable.")
]
Expected = Annotated[str, typer.Option("--expect", metavar="ID", help="The SPIFFE ID the refusing side expects.")]

_PEM = b"-----BEGIN"


def shown_state(
    chain: Path | None, bundle: Path | None, crls: Sequence[Path], expected: str, at: datetime
) -> State | None:
    """Nothing where nothing is shown. `at` is when it is judged, for failures that have no time of their own."""
    if not (chain or bundle or crls or expected):
        return None
    with as_input():
        if expected:
            SpiffeId.parse(expected)
        presented = read_certificates(chain) if chain else ()
        return State(
            at=at,
            chain=presented,
            roots=read_roots(bundle, presented, expected) if bundle else None,
            crls=tuple(read_crl(one) for one in crls) if crls else None,
            expected=expected,
        )


def read_certificates(path: Path) -> tuple[x509.Certificate, ...]:
    """Any certificates, also those that no SVID may be."""
    content = read_bounded(path)
    found = certificates_from_pem(content) if _PEM in content else certificates_from_concatenated_der(content)
    for certificate in found:
        read_whole(certificate)
    return found


def read_roots(path: Path, chain: Sequence[x509.Certificate], expected: str) -> tuple[x509.Certificate, ...]:
    content = read_bounded(path)
    if _PEM in content:
        return read_certificates(path)
    name = expected or next(iter(uris(chain[0]) if chain else ()), "")
    if not name:
        raise WrongInput(
            code="whose-bundle",
            what=f"{path} does not say of which trust domain it is",
            why="a bundle document is published under its trust domain's name, not in the file",
            fix="give the chain with --chain, or the name with --expect",
        )
    return bundle_document.decode(content, SpiffeId.parse(name).trust_domain).x509_authorities


def read_crl(path: Path) -> x509.CertificateRevocationList:
    content = read_bounded(path)
    load = x509.load_pem_x509_crl if _PEM in content else x509.load_der_x509_crl
    try:
        return load(content)
    except ValueError as error:
        raise Refused(
            code="not-a-crl",
            what=f"{path} is not a revocation list",
            why=str(error)[:200],
            fix="look at it with `openssl crl -text`",
        ) from error

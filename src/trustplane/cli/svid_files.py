"""Certificates and bundles in files, as `svid` and `explain` read them."""

from __future__ import annotations

from pathlib import Path

from trustplane.cli.output import WrongInput
from trustplane.fault import Refused
from trustplane.spiffe import bundle_document
from trustplane.spiffe.bundle import Bundle
from trustplane.spiffe.certificates import certificates_from_pem
from trustplane.spiffe.ids import TrustDomain
from trustplane.spiffe.x509_svid import X509Svid

MAX_FILE_BYTES = 1024 * 1024
_PEM = b"-----BEGIN"


def read_svid(path: Path) -> X509Svid:
    """A chain in PEM or DER, leaf first."""
    content = read_bounded(path)
    try:
        return X509Svid.from_pem(content) if _PEM in content else X509Svid.from_concatenated_der(content)
    except Refused as refusal:
        raise _in_file(path, refusal) from refusal


def read_bundle(path: Path, trust_domain: TrustDomain) -> Bundle:
    """A SPIFFE bundle document, or the PEM certificates of the domain's roots."""
    content = read_bounded(path)
    try:
        if _PEM not in content:
            return bundle_document.decode(content, trust_domain)
        return Bundle(trust_domain, certificates_from_pem(content))
    except Refused as refusal:
        raise _in_file(path, refusal) from refusal


def read_bounded(path: Path, most: int = MAX_FILE_BYTES) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(most + 1)
    except OSError as error:
        raise WrongInput(
            code="file-unreadable",
            what=f"{path} cannot be read",
            why=(error.strerror or str(error)).lower(),
            fix="check the path and its permissions",
        ) from error
    if len(content) > most:
        raise WrongInput(
            code="file-too-large",
            what=f"{path} is larger than {most} bytes",
            why="nothing that is read here is that large",
            fix="check that it is the right file",
        )
    return content


def _in_file(path: Path, refusal: Refused) -> WrongInput:
    one = refusal.finding
    return WrongInput(code="not-usable", what=f"{path}: {one.what}", why=one.why, fix=one.fix)

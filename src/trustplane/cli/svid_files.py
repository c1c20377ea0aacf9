"""Certificates and bundles in files, as `svid` and `explain` read them."""

from __future__ import annotations

from pathlib import Path

from trustplane.cli.output import WrongInput
from trustplane.fault import Refused
from trustplane.host.small_file import read_small
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
        return read_small(path, most)
    except Refused as refusal:
        one = refusal.finding
        raise WrongInput(code=one.code, what=one.what, why=one.why, fix=one.fix) from refusal


def _in_file(path: Path, refusal: Refused) -> WrongInput:
    one = refusal.finding
    return WrongInput(code="not-usable", what=f"{path}: {one.what}", why=one.why, fix=one.fix)

"""What the Workload API gave a process, and its PEM files for libraries that read nothing else."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from trustplane.cli.output import WrongInput
from trustplane.spiffe.bundle import BundleSet
from trustplane.spiffe.x509_svid import KeyedSvid, X509Svid

KEY_MODE, PUBLIC_MODE = 0o600, 0o644


@dataclass(frozen=True, slots=True)
class Identity:
    keyed: KeyedSvid
    hint: str

    @property
    def svid(self) -> X509Svid:
        return self.keyed.svid


@dataclass(frozen=True, slots=True)
class Fetched:
    """The first identity is the one to use when an application knows only one (Workload API §5.2.1)."""

    identities: tuple[Identity, ...]
    bundles: BundleSet


def write_files(fetched: Fetched, directory: Path) -> Iterator[Path]:
    """svid.pem, key.pem and bundle.pem of the first identity; each replaced whole, never half written."""
    first = fetched.identities[0].keyed
    bundle = fetched.bundles[first.svid.spiffe_id.trust_domain]
    yield _replace(directory / "key.pem", first.key_pem(), KEY_MODE)
    yield _replace(directory / "svid.pem", first.svid.pem(), PUBLIC_MODE)
    yield _replace(directory / "bundle.pem", bundle.x509_pem(), PUBLIC_MODE)


def _replace(path: Path, content: bytes, mode: int) -> Path:
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)
            file.write(content)
        Path(name).replace(path)
    except OSError as error:
        raise WrongInput(
            code="cannot-write",
            what=f"{path} cannot be written",
            why=(error.strerror or str(error)).lower(),
            fix="name an existing directory this user may write to",
        ) from error
    return path

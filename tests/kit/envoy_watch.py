"""Reading, twice a second, what the Envoys of two domains hold and log, what servers show and agents say they hold."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import re
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Self

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.kit.listings import every_holding
from tests.kit.mesh import Mesh, Part, Server
from tests.kit.root_witness import Leaf, Spell, Witness
from trustplane.cli import admin
from trustplane.fault import Fault
from trustplane.host.network_namespaces import Host
from trustplane.spiffe import bundle_document
from trustplane.spiffe.ids import TrustDomain

EVERY_SECONDS = 0.5
EVERY_KNOCK_SECONDS = 2.0
_ANSWER_SECONDS = 10.0
_MOST_UNWELL = 40
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


class EnvoyWatch:
    """A thread of its own, until the end of the `with`. `lock` is held while it writes down what it saw."""

    def __init__(
        self, envoys: Mapping[str, tuple[Path, Part]], meshes: tuple[Mesh, ...], host_of: Callable[[Server], Host]
    ) -> None:
        self.witness = Witness()
        self.lock = threading.Lock()
        self.unwell: list[str] = []  # lines of requests that were not answered well, and of failed handshakes
        self._envoys = envoys
        self._meshes = meshes
        self._host_of = host_of
        self._asked: dict[str, datetime] = {}  # when a domain's servers last told who holds what
        self._read: dict[str, int] = {}
        self._digests: dict[str, frozenset[str]] = {}
        self._stop = threading.Event()
        self._threads = (
            threading.Thread(target=self._looking, name="envoy-watch"),
            threading.Thread(target=self._knocking, name="door-watch"),
        )

    def __enter__(self) -> Self:
        self.look()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def forget(self) -> None:
        """A new witness, for the next change. Logs that were read begin anew: they grow by megabytes a minute."""
        self.look()
        with self.lock:
            self.witness = Witness()
            for name, (_, part) in self._envoys.items():
                os.truncate(part.output, 0)
                self._read[name] = 0
        self.look()

    def _looking(self) -> None:
        while not self._stop.wait(EVERY_SECONDS):
            self.look()

    def _knocking(self) -> None:
        while not self._stop.wait(EVERY_KNOCK_SECONDS):
            for mesh in self._meshes:
                for server in list(mesh.servers.values()):
                    self._knock(mesh, server)

    def look(self) -> None:
        with self.lock:
            for name, (path, part) in self._envoys.items():
                with contextlib.suppress(OSError, http.client.HTTPException):
                    self._secrets(name, path)
                self._requests(name, part)
            for mesh in self._meshes:
                self._holdings(mesh)

    def _secrets(self, name: str, path: Path) -> None:
        for secret in json.loads(asked(path, "/config_dump?resource=dynamic_active_secrets")).get("configs", ()):
            begun, seen = _instant(secret["last_updated"]), _now()
            content = secret["secret"]
            if "tls_certificate" in content:
                chain = content["tls_certificate"]["certificate_chain"]["inline_string"]
                leaf, root = leaf_of(chain)
                self.witness.shows(Spell(name, secret["name"], frozenset({root}), begun, seen, leaf))
            for domain, pem in _trusted(secret["name"], content.get("validation_context", {})):
                self.witness.trusts(Spell(f"{name} ({secret['name']})", domain, roots_of(pem), begun, seen))

    def _knock(self, mesh: Mesh, server: Server) -> None:
        """The identity a server shows to agents, as openssl is shown it; one that is dead or starts shows none."""
        knock = ["openssl", "s_client", "-connect", server.node_door, "-showcerts", "-tls1_3"]
        words = self._host_of(server).command(knock)
        with contextlib.suppress(subprocess.TimeoutExpired):
            said = subprocess.run(words, input="", capture_output=True, text=True, timeout=5, check=False).stdout
            if len(shown := _PEM.findall(said)) > 1:
                leaf, root = leaf_of("\n".join(shown) + "\n")
                at = _now()
                with self.lock:
                    self.witness.shows(Spell(f"server {server.name}", mesh.domain, frozenset({root}), at, at, leaf))

    def _requests(self, name: str, part: Part) -> None:
        """What was added to its log since the last look, without the line that is half written."""
        with part.output.open("rb") as log:
            log.seek(self._read.get(name, 0))
            whole, newline, _ = log.read().rpartition(b"\n")
        self._read[name] = self._read.get(name, 0) + len(whole) + len(newline)
        for line in whole.splitlines():
            with contextlib.suppress(json.JSONDecodeError):
                said = json.loads(line)
                if said.get("status") != 200 and len(self.unwell) < _MOST_UNWELL:
                    self.unwell.append(f"{name}: {line.decode(errors='replace')}")
                if said.get("peer_not_after") and said.get("log") in {"inbound", "outbound"}:
                    self.witness.uses((said["peer_id"], _instant(said["peer_not_after"])), _instant(said["start"]))

    def _holdings(self, mesh: Mesh) -> None:
        """Whichever server answers; none may."""
        for server in list(mesh.servers.values()):
            if server.part.alive():
                with contextlib.suppress(Fault, msgspec.ValidationError, OSError):
                    self._table(mesh, admin.server(server.admin))
                    return

    def _table(self, mesh: Mesh, asks: admin.Admin) -> None:
        """Who says it again says it anew, so what it held it may have held since it was asked before."""
        now = _now()
        bundle = bundle_document.decode(asks.raw("/bundle"), TrustDomain(mesh.domain))
        known = frozenset(key_of(one) for one in bundle.x509_authorities)
        self._digests[bundle.x509_digest] = self._digests[bundle.digest] = known
        for one in every_holding(asks):
            if one.thing == "bundle" and one.held in self._digests:
                begun = min(one.since, self._asked.get(mesh.domain, one.since))
                self.witness.trusts(Spell(one.participant, mesh.domain, self._digests[one.held], begun, now))
        self._asked[mesh.domain] = now


def asked(path: Path, question: str) -> bytes:
    """Envoy's administration, over its socket."""
    connection = http.client.HTTPConnection("envoy", timeout=_ANSWER_SECONDS)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(_ANSWER_SECONDS)
    try:
        connection.sock.connect(str(path))
        connection.request("GET", question)
        return connection.getresponse().read()
    finally:
        connection.close()


def _trusted(name: str, context: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Whose roots, and which."""
    match context:
        case {"trusted_ca": {"inline_string": str(pem)}}:
            yield name.removeprefix("spiffe://"), pem
        case {"custom_validator_config": {"typed_config": {"trust_domains": list(domains)}}}:
            for one in domains:
                yield one["name"], one["trust_bundle"]["inline_string"]
        case _:
            return


@lru_cache(maxsize=1024)
def roots_of(pem: str) -> frozenset[str]:
    return frozenset(key_of(one) for one in x509.load_pem_x509_certificates(pem.encode()))


@lru_cache(maxsize=1024)
def leaf_of(chain: str) -> tuple[Leaf, str]:
    """The leaf, and the key of the root that the last certificate of its chain says it was signed by."""
    leaf, *above = x509.load_pem_x509_certificates(chain.encode())
    leaf.verify_directly_issued_by(above[0])
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    (name,) = names.get_values_for_type(x509.UniformResourceIdentifier)
    signer = above[-1].extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    assert signer is not None
    return (name, leaf.not_valid_after_utc), signer.hex()


def key_of(root: x509.Certificate) -> str:
    """As `AuthorityId` begins: 40 hex digits of the key's digest."""
    key = root.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    found = hashlib.sha256(key).hexdigest()[:40]
    assert root.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest.hex() == found
    return found


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - the processes under test have the machine's clock

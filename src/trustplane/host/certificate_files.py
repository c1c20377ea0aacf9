"""A certificate that somebody else renews in files, as an ACME client does, shown by a server that goes on serving."""

from __future__ import annotations

import ssl
from datetime import timedelta
from pathlib import Path

import structlog

from trustplane.clock import Clock
from trustplane.fault import Refused
from trustplane.host.tls_context import federation_context

LOOK_EVERY = timedelta(seconds=30)

Stamp = tuple[int, int, int, int]


class CertificateFiles:
    """`context` shows what the files held when last they could be read as a pair."""

    def __init__(self, certificate: Path, key: Path, clock: Clock) -> None:
        self._certificate = certificate
        self._key = key
        self._clock = clock
        self._log = structlog.get_logger("web-certificate")
        self.context: ssl.SSLContext = federation_context()
        self._load(self.context)
        self._seen = self._stamp()

    async def run(self) -> None:
        """Take up new files; those that are no pair are left for the next look."""
        while True:
            await self._clock.sleep(LOOK_EVERY)
            self.look()

    def look(self) -> None:
        stamp = self._stamp()
        if stamp == self._seen:
            return
        try:
            self._load(federation_context())  # a context that failed half-way would show half of each
            self._load(self.context)
        except Refused as refused:
            self._log.warning("new web certificate not taken", code=refused.code, why=refused.finding.why)
        else:
            self._seen = stamp
            self._log.info("new web certificate taken", certificate=str(self._certificate))

    def _stamp(self) -> Stamp | None:
        try:
            certificate, key = self._certificate.stat(), self._key.stat()
        except OSError:
            return None  # between the removal of the old and the coming of the new
        return certificate.st_mtime_ns, certificate.st_ino, key.st_mtime_ns, key.st_ino

    def _load(self, context: ssl.SSLContext) -> None:
        try:
            context.load_cert_chain(self._certificate, self._key)
        except OSError as error:  # ssl.SSLError is one
            raise Refused(
                code="web-certificate-unusable",
                what=f"{self._certificate} and {self._key} are no certificate with its key",
                why=error.strerror or str(error),
                fix="give the chain in PEM, the leaf first, and its unencrypted key, both readable for the server",
            ) from error

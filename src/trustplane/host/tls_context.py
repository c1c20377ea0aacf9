"""Server contexts for Python's ssl that take new identities while they serve.

Python loads keys from files only. The file here is anonymous memory that is gone when it is closed, so a key is never
on disk.
"""

from __future__ import annotations

import os
import ssl

from trustplane.spiffe.x509_svid import KeyedSvid

# Of TLS 1.2, ssl-config.mozilla.org; those of TLS 1.3 are always on. DHE is left out: it needs parameters of its own.
INTERMEDIATE = ":".join(
    f"ECDHE-{signature}-{cipher}"
    for cipher in ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305")
    for signature in ("ECDSA", "RSA")
)


def server_context(identity: KeyedSvid) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.num_tickets = 0
    present(context, identity)
    return context


def federation_context() -> ssl.SSLContext:
    """For peers of any make: Mozilla's *intermediate* settings, as SPIFFE Federation §5 asks; no client certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(INTERMEDIATE)
    context.num_tickets = 0
    return context


def present(context: ssl.SSLContext, identity: KeyedSvid) -> None:
    """Show `identity` in every handshake from now on."""
    descriptor = os.memfd_create("trustplane-identity", os.MFD_CLOEXEC)
    try:
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(identity.svid.pem() + identity.key_pem())
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)

"""A TLS 1.3 server context for Python's ssl that takes new identities while it serves.

Python loads keys from files only. The file here is anonymous memory that is gone when it is closed, so a key is never
on disk.
"""

from __future__ import annotations

import os
import ssl

from trustplane.spiffe.x509_svid import KeyedSvid


def server_context(identity: KeyedSvid) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.num_tickets = 0
    present(context, identity)
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

"""gRPC and HTTP, in and out.

gRPC offers no setting for the lowest TLS version. Its cipher list governs TLS 1.2 only, so a list of RSA suites beside
an ECDSA certificate leaves TLS 1.2 nothing to agree on, and TLS 1.3 as it is (decisions/0081). gRPC reads that list
once, as early as when it is imported, so it is set here, before any module of this package imports gRPC.
"""

from __future__ import annotations

import os

os.environ["GRPC_SSL_CIPHER_SUITES"] = "ECDHE-RSA-AES128-GCM-SHA256"

"""Bodies of orders to revoke, and to lift a revocation."""

from __future__ import annotations

from trustplane.wire.http_shapes import Request


class RevokeRequest(Request, frozen=True, kw_only=True):
    """`reason` is one of RFC 5280's; `note` is for people."""

    reason: str
    note: str = ""


class RevokeCertificateRequest(RevokeRequest, frozen=True, kw_only=True):
    serial: str


class RevokeIdRequest(RevokeRequest, frozen=True, kw_only=True):
    spiffe_id: str


class RevokeIssuerRequest(RevokeRequest, frozen=True, kw_only=True):
    """`compromised` cuts it off at once, before its leaves are replaced."""

    authority: str
    compromised: bool = False


class LiftRequest(Request, frozen=True, kw_only=True):
    spiffe_id: str

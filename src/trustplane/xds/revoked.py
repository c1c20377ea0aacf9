"""What is revoked, refused on open connections too: a second RBAC filter, which denies.

A handshake is verified once and CRLs are read then only, so a revoked certificate would be served for as long as its
connections last. These rules come with the route, so they decide about the next request of every open connection. The
filter before them writes down whose certificate the connection has and who signed it, by SHA-256.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from trustplane.registry.view import Callee, Caller, ForeignGrant, Sidecar, Withdrawn
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.revoked import digest_of
from trustplane.spiffe.x509_svid import X509Svid
from trustplane.xds.resources import Json, typed

REVOKED = "revoked"  # the deny filter's name, by which a route gives it its rules
NAMES = frozenset({"revoked-ids", "revoked-certificates", "revoked-issuers", "several-identities"})  # of its policies
_PEER = "peer"
_LEAF, _ISSUER, PEER_IDS = "trustplane.peer", "trustplane.peer_issuer", "trustplane.peer_ids"
_RBAC = "envoy.extensions.filters.http.rbac.v3."
_STATE = "envoy.extensions.filters.http.set_filter_state.v3.Config"


def filters(foreign: Sequence[ForeignGrant] = ()) -> list[dict[str, object]]:
    """Denies nobody by itself: the rules are the route's."""
    known = [_written(_LEAF, "%DOWNSTREAM_PEER_FINGERPRINT_256%"), _written(_ISSUER, _SIGNED_BY)]
    if foreign:
        known.append(_written(PEER_IDS, "%DOWNSTREAM_PEER_URI_SAN%"))
    return [
        {"name": _PEER, "typed_config": typed(_STATE, on_request_headers=known)},
        {"name": REVOKED, "typed_config": typed(_RBAC + "RBAC", rules={"action": "DENY", "policies": {}})},
    ]


_SIGNED_BY = "%DOWNSTREAM_PEER_ISSUER_FINGERPRINT_256%"


def per_route(
    withdrawn: Withdrawn, callers: Sequence[Caller] | None, foreign: Sequence[ForeignGrant] = ()
) -> dict[str, object]:
    return {REVOKED: typed(_RBAC + "RBACPerRoute", rbac={"rules": rules(withdrawn, callers, foreign)})}


def rules(
    withdrawn: Withdrawn, callers: Sequence[Caller] | None, foreign: Sequence[ForeignGrant] = ()
) -> dict[str, object]:
    """Of whoever else is let in; `callers` is none where others may be. Whose ID may not call is refused already.

    The SPIFFE verifier takes a certificate's trust domain from one of its IDs, and RBAC matches any of them. An
    authority of another domain could therefore add one of our IDs to its own; SVIDs have one (X509-SVID §2).
    """
    let_in = {caller.spiffe_id for caller in callers or ()}
    also = [grant.pattern for grant in foreign]
    ids = [one for one in withdrawn.ids if callers is None or one in let_in or any(each.matches(one) for each in also)]
    certificates = [one.sha256 for one in withdrawn.certificates if callers is None or one.spiffe_id in let_in]
    found = {
        "revoked-ids": [{"authenticated": {"principal_name": {"exact": str(one)}}} for one in ids],
        "revoked-certificates": [_is(_LEAF, one) for one in certificates],
        "revoked-issuers": [_is(_ISSUER, one) for one in withdrawn.issuers],
        "several-identities": [_contains(PEER_IDS, ",")] if foreign else [],
    }
    policies = {
        name: {"permissions": [{"any": True}], "principals": principals}
        for name, principals in found.items()
        if principals
    }
    return {"action": "DENY", "policies": policies}


def connections(sidecar: Sidecar, svid: X509Svid, callee: Callee, withdrawn: Withdrawn) -> Json:
    """Names the connections a caller may have to a callee.

    It stands in the cluster, which Envoy replaces when it changes: requests then go over new connections, made with
    the certificates of now, and those under way end on the old ones. So a callee that is revoked is met by a
    handshake, and a caller that was given a new certificate stops showing the old one.
    """
    own, theirs = _denied(sidecar.spiffe_id, withdrawn), _denied(callee.spiffe_id, withdrawn)
    signed_by = digest_of(svid.chain[1]) if len(svid.chain) > 1 else ""
    parts = [signed_by, *withdrawn.issuers, *own, *theirs, *([f"{svid.serial:x}"] if own else [])]
    return {"filter_metadata": {"trustplane": {"connections": hashlib.sha256(" ".join(parts).encode()).hexdigest()}}}


def _denied(spiffe_id: SpiffeId, withdrawn: Withdrawn) -> list[str]:
    ids: Iterable[str] = (str(one) for one in withdrawn.ids if one == spiffe_id)
    return [*ids, *(one.sha256 for one in withdrawn.certificates if one.spiffe_id == spiffe_id)]


def _written(key: str, text: str) -> dict[str, object]:
    return {
        "object_key": key,
        "factory_key": "envoy.string",
        "format_string": {"text_format_source": {"inline_string": text}},
        "read_only": True,
    }


def _is(key: str, value: str) -> dict[str, object]:
    return {"filter_state": {"key": key, "string_match": {"exact": value}}}


def _contains(key: str, part: str) -> dict[str, object]:
    return {"filter_state": {"key": key, "string_match": {"contains": part}}}

"""Generations of connections: those made under the same trust, counted by Envoy under a name of their own.

A connection is verified once, at its handshake. So a sidecar that drains gives every connection made after a change of
trust another generation: callers take new connections at once, and what was made before is counted apart until the
last of it has ended. A generation that has none left is proven by Envoy's own figures, not by time.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence

from cryptography.hazmat.primitives.serialization import Encoding

from trustplane.registry.view import Callee, Sidecar, Withdrawn
from trustplane.spiffe.bundle import Bundle
from trustplane.spiffe.verify import BundleSet
from trustplane.spiffe.x509_svid import X509Svid

MAX_FORMER = 8  # of one listener; the oldest beyond that is drained as any chain that leaves
_CHARACTERS = 16
_COUNTED_AS = re.compile(r"[^@]+@([0-9a-f]{16})\..*")


def counted_as(name: str, generation: str) -> str:
    """The name under which Envoy counts connections; without generation, its own."""
    return f"{name}@{generation}" if generation else name


def generation_of(statistic: str) -> str:
    """Of the connections that this statistic counts; empty for those without one."""
    found = _COUNTED_AS.fullmatch(statistic)
    return found[1] if found else ""


def of_inbound(sidecar: Sidecar, svid: X509Svid, bundles: BundleSet, withdrawn: Withdrawn) -> str:
    """Empty if its connections end by age alone.

    Other domains' bundles have no part in it: one that changed its own all the time would take ours along.
    """
    if not sidecar.connections.drains:
        return ""
    return _digest(_trust(svid, (bundles[sidecar.spiffe_id.trust_domain],), withdrawn.order))


def of_outbound(sidecar: Sidecar, svid: X509Svid, callee: Callee, bundles: BundleSet, withdrawn: Withdrawn) -> str:
    """A connection is made anew if either of its ends wants that, and once more when the order is given again."""
    if not (sidecar.connections.drains or callee.connections.drains):
        return ""
    domains = sorted({sidecar.spiffe_id.trust_domain, callee.spiffe_id.trust_domain})
    return _digest(_trust(svid, [bundles[one] for one in domains], withdrawn.remake))


def former(newest: str, before: Sequence[str], gone: Iterable[str] = ()) -> tuple[str, ...]:
    """Which generations still have a filter chain beside the newest, after `before` had one. `gone`: those without
    connections."""
    left = set(gone)
    return tuple(one for one in before if one and one != newest and one not in left)[:MAX_FORMER] if newest else ()


def _trust(svid: X509Svid, bundles: Iterable[Bundle], order: str) -> list[bytes]:
    """What verifies and what is shown: the roots of each domain, who signed the leaf, and the newest order."""
    roots = [sorted(each.public_bytes(Encoding.DER) for each in one.x509_authorities) for one in bundles]
    issuers = [one.public_bytes(Encoding.DER) for one in svid.chain[1:]]
    parts = [*(der for one in roots for der in one), b"", *issuers, b"", order.encode()]
    return [hashlib.sha256(part).digest() for part in parts]


def _digest(parts: Iterable[bytes]) -> str:
    return hashlib.sha256(b"".join(parts)).hexdigest()[:_CHARACTERS]

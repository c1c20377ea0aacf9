"""The catalogue: every known signature, one table per family, in the order in which they are tried."""

from __future__ import annotations

from typing import Final

from trustplane.handshake.catalogue import envoy, go, java, meshes, openssl, proxies, rustls
from trustplane.handshake.failure import Implementation
from trustplane.handshake.signature import Signature

CATALOGUE: Final[tuple[Signature, ...]] = (
    *envoy.RULES,
    *openssl.RULES,
    *go.RULES,
    *java.RULES,
    *proxies.RULES,
    *rustls.RULES,
    *meshes.RULES,
)
BY_IMPLEMENTATION: Final[dict[Implementation, tuple[Signature, ...]]] = {
    one: tuple(rule for rule in CATALOGUE if rule.implementation is one) for one in Implementation
}
# For records that do not say whose they are: what holds for either side goes before what was written for one.
EITHER_SIDE_FIRST: Final[dict[Implementation, tuple[Signature, ...]]] = {
    one: tuple(sorted(rules, key=lambda rule: rule.match.side is not None)) for one, rules in BY_IMPLEMENTATION.items()
}

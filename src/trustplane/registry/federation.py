"""What the operator decided about other trust domains: with whom there is a relation, and who of them may do what."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import ip_address

from trustplane.fault import Refused
from trustplane.registry.endpoint import Endpoint, check_port
from trustplane.spiffe.bundle import Bundle
from trustplane.spiffe.federation_endpoint import EndpointProfile, EndpointUrl
from trustplane.spiffe.ids import SpiffeId, TrustDomain
from trustplane.spiffe.patterns import IdPattern

MAX_RELATIONS = 100
MAX_PATTERNS = 100
MAX_ENDPOINTS = 100

_FINGERPRINT = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Relation:
    """A trust domain whose bundle is fetched, and which of its names are accepted here at all.

    `roots` are hex SHA-256 of root certificates; the first bundle must hold one of them. `first_bundle` is the one in
    the trust repository.
    """

    trust_domain: TrustDomain
    endpoint: EndpointUrl
    profile: EndpointProfile
    accepts: tuple[IdPattern, ...]
    endpoint_id: SpiffeId | None = None  # of https_spiffe, and of nothing else
    roots: frozenset[str] = frozenset()
    first_bundle: Bundle | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self._check_endpoint()
        self._check_accepts()
        for one in self.roots:
            if not _FINGERPRINT.fullmatch(one):
                raise Refused(
                    code="bad-fingerprint",
                    what=f"{one!r:.100} is not the fingerprint of a certificate",
                    why="a root is pinned by the SHA-256 of its DER, 64 lower-case hexadecimal digits",
                    fix="openssl x509 -in root.pem -outform DER | sha256sum",
                )

    def _check_endpoint(self) -> None:
        if self.profile is EndpointProfile.HTTPS_SPIFFE and (self.endpoint_id is None or not self.endpoint_id.path):
            raise Refused(
                code="endpoint-id-missing",
                what=f"the endpoint of {self.trust_domain} is https_spiffe and has no endpoint_id with a path",
                why="such an endpoint is known by exactly one SPIFFE ID (SPIFFE Federation §5.2.2.2)",
                fix=f"write for example endpoint_id: {self.trust_domain.id}/trustplane/server/server-1",
            )
        if self.profile is EndpointProfile.HTTPS_WEB and self.endpoint_id is not None:
            raise Refused(
                code="endpoint-id-unused",
                what=f"the endpoint of {self.trust_domain} is https_web and has an endpoint_id",
                why="an https_web endpoint is known by its host name; nothing would look at the ID",
                fix="remove endpoint_id, or write profile: https_spiffe",
            )

    def _check_accepts(self) -> None:
        if not 1 <= len(self.accepts) <= MAX_PATTERNS:
            raise Refused(
                code="nothing-accepted",
                what=f"{len(self.accepts)} paths of {self.trust_domain} are accepted",
                why=f"what another organisation may be called here is listed, in 1 to {MAX_PATTERNS} paths",
                fix="write for example accepts: [/ns/billing/]",
            )
        for one in self.accepts:
            if one.trust_domain != self.trust_domain:
                raise Refused(
                    code="accepts-other-domain",
                    what=f"{one} is not in {self.trust_domain}",
                    why="a relation is about one trust domain",
                    fix="write paths such as /ns/billing/",
                )

    @property
    def begins_with_a_pin(self) -> bool:
        """The endpoint proves itself by the very roots that are pinned, so no bundle need be handed over first."""
        own = self.endpoint_id is not None and self.endpoint_id.trust_domain == self.trust_domain
        return own and bool(self.roots)

    def allows(self, pattern: IdPattern) -> bool:
        return any(one.covers(pattern) for one in self.accepts)


@dataclass(frozen=True, slots=True, order=True)
class ForeignCaller:
    """Who of another trust domain may use these operations (empty: all) of a service."""

    pattern: IdPattern
    operations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, order=True)
class ForeignCall:
    """A service of another trust domain that is called, where it is, and the port of the own sidecar for it."""

    spiffe_id: SpiffeId
    listen: int
    endpoints: tuple[Endpoint, ...]

    def __post_init__(self) -> None:
        IdPattern(self.spiffe_id.trust_domain, self.spiffe_id.path, below=False)  # refuses an ID without a path
        check_port("listen", self.listen)
        if not 1 <= len(self.endpoints) <= MAX_ENDPOINTS:
            raise Refused(
                code="no-endpoints",
                what=f"{self.spiffe_id} has {len(self.endpoints)} endpoints",
                why=f"where services of other trust domains are is not known here: 1 to {MAX_ENDPOINTS} are listed",
                fix="write for example endpoints: [192.0.2.7:20201]",
            )
        for one in self.endpoints:
            _check_endpoint(one)


def _check_endpoint(endpoint: Endpoint) -> None:
    check_port("the endpoint's port", endpoint.port)
    try:
        ip_address(endpoint.address)
    except ValueError as error:
        raise Refused(
            code="bad-address",
            what=f"{endpoint.address!r:.100} is not an IP address",
            why="proxies are given addresses, not names",
            fix="write for example endpoints: [192.0.2.7:20201]",
        ) from error

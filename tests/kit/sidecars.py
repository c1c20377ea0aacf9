"""Two sidecars as values, web calling pay, with an authority, identities and bundles for them."""

from __future__ import annotations

from datetime import timedelta
from typing import Unpack

from tests.kit.ca import Overrides, TestCa, pkcs8
from trustplane.registry.model import Operation, Ports
from trustplane.registry.view import Callee, Caller, Endpoint, Sidecar
from trustplane.spiffe.bundle import Bundle, BundleSet
from trustplane.spiffe.ids import SpiffeId, TrustDomain
from trustplane.spiffe.names import ServiceName, default_id
from trustplane.spiffe.x509_svid import KeyedSvid, X509Svid
from trustplane.xds.surroundings import Surroundings

ACME = TrustDomain("acme.example")
HERE = Surroundings("127.0.0.1", "10.0.0.7", "/run/web/access.log")
_WEB, _PAY = ServiceName("shop", "web"), ServiceName("shop", "pay")
LONGEST = timedelta(seconds=5)
LIFETIME = timedelta(hours=1)
CHARGE = Operation("charge", "POST", "/charge")

PAY = Sidecar(
    service=_PAY,
    spiffe_id=default_id(ACME, _PAY),
    ports=Ports(8081, 9081),
    callers=(Caller(default_id(ACME, _WEB), (CHARGE,)),),
    callees=(),
    probes=(),
    longest_request=LONGEST,
    leaf_lifetime=LIFETIME,
)
WEB = Sidecar(
    service=_WEB,
    spiffe_id=default_id(ACME, _WEB),
    ports=Ports(8080, 9080),
    callers=(),
    callees=(Callee(_PAY, PAY.spiffe_id, 7001, (Endpoint("10.0.0.8", 9081),), LONGEST),),
    probes=(),
    longest_request=LONGEST,
    leaf_lifetime=LIFETIME,
)


def authority(trust_domain: str = ACME.name) -> TestCa:
    """An issuing authority under a root of its own."""
    return TestCa.root(trust_domain).intermediate()


def keyed(ca: TestCa, spiffe_id: SpiffeId | str, **overrides: Unpack[Overrides]) -> KeyedSvid:
    chain, key = ca.leaf_chain(spiffe_id, **overrides)
    return KeyedSvid(X509Svid(chain), pkcs8(key))


def bundles_of(*authorities: TestCa) -> BundleSet:
    """Trust in those very authorities, by their domains."""
    domains: dict[TrustDomain, list[TestCa]] = {}
    for one in authorities:
        domains.setdefault(one.trust_domain, []).append(one)
    return BundleSet.of(*(Bundle(domain, tuple(each.chain[-1] for each in those)) for domain, those in domains.items()))

"""The two roots of a simulated change: real certificates, because the survey and bundles take no others."""

from __future__ import annotations

from trustplane.flows.simulation.root_scenario import TwoRoots
from trustplane.flows.simulation.simulate import START
from trustplane.main.rehearsals.chains import Root
from trustplane.spiffe.ids import TrustDomain

DOMAIN = TrustDomain("fleet.example")


def two_roots() -> TwoRoots:
    """Their keys are gone when this returns."""
    leaving, coming = Root(DOMAIN, START), Root(DOMAIN, START)
    return TwoRoots(
        leaving.signer.authority,
        leaving.issuer(START).authority,
        coming.signer.authority,
        coming.issuer(START).authority,
    )

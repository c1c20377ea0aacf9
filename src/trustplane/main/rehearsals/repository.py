"""The trust repository of a throw-away mesh: the candidate's profile with a short life, and a caller and a callee.

Two more identities, without sidecars, are there because renewals are spread: of four leaves some are renewed before
others, on every node.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from trustplane.main.rehearsals.pair import CALLEE, CALLER, Candidate
from trustplane.main.rehearsals.places import CALLEE_APP, CALLEE_MESH, CALLER_APP, CALLER_LISTEN, CALLER_MESH

NAMESPACE = "rehearsal"
IDLE = ("ledger", "reports")


def files(
    candidate: Candidate, lifetime: timedelta, executables: Mapping[str, Path], nodes: Mapping[str, str]
) -> dict[str, str]:
    """`nodes` says on which node each service is."""
    profile = candidate.profile
    window = f"{profile.renew.opens:.0%}-{profile.renew.closes:.0%}"
    lives = f"{lifetime.total_seconds():.0f}s"
    backdate = f"{profile.backdate.total_seconds():.0f}s"
    services = {
        CALLEE: f"ports: {{app: {CALLEE_APP}, mesh: {CALLEE_MESH}}}\noperations: {{ask: GET /ask}}\n",
        CALLER: f"ports: {{app: {CALLER_APP}, mesh: {CALLER_MESH}}}\n"
        f"calls:\n  {NAMESPACE}/{CALLEE}: {{operations: [ask], listen: {CALLER_LISTEN}}}\n",
        **dict.fromkeys(IDLE, ""),
    }
    return {
        "trustdomain.yaml": f"trust_domain: {candidate.trust_domain}\n",
        "namespaces.yaml": f"{NAMESPACE}: {{owners: [rehearsal]}}\n",
        "profiles/standard.yaml": f"version: 1\nkey: {profile.key.value}\nlifetime: {lives}\nbackdate: {backdate}\n"
        f"renew: {window}\n",
        **{
            f"services/{NAMESPACE}/{name}/service.yaml": f'selectors: ["unix:path:{executables[name]}"]\n'
            f"nodes: [{nodes[name]}]\n{text}"
            for name, text in services.items()
        },
    }

"""Admission: what must hold between the values of a trust repository before any of it takes effect.

One ID is one service, under a prefix its namespace holds; no process can be two services; no two names look alike;
every reference ends somewhere; no two services want one port of one node; profiles stay within the budgets; no
connection outlives its certificate; no name of another trust domain is taken for one of ours; no node is in two
clusters. Every violation is found in one run.
"""

from __future__ import annotations

from trustplane.registry.admission.budgets import check_budgets
from trustplane.registry.admission.clusters import check_clusters
from trustplane.registry.admission.connections import check_connections
from trustplane.registry.admission.federation import check_federation
from trustplane.registry.admission.identities import check_identities
from trustplane.registry.admission.look_alikes import check_look_alikes
from trustplane.registry.admission.namespaces import check_namespaces
from trustplane.registry.admission.ports import check_ports
from trustplane.registry.admission.references import check_references
from trustplane.registry.admission.selectors import check_selectors
from trustplane.registry.draft import Draft
from trustplane.registry.findings import Findings


def admit(draft: Draft, findings: Findings) -> None:
    """Tell `findings` everything that speaks against `draft`."""
    for check in (
        check_namespaces,
        check_identities,
        check_selectors,
        check_look_alikes,
        check_references,
        check_ports,
        check_budgets,
        check_connections,
        check_federation,
        check_clusters,
    ):
        check(draft, findings)

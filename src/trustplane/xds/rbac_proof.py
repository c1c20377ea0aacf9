"""That a proxy will decide as the policy was written: what would be sent is read back and compared, exactly."""

from __future__ import annotations

from dataclasses import replace

from trustplane.fault import Broken
from trustplane.policy.access import Access
from trustplane.policy.compile import as_written, compiled
from trustplane.policy.difference import difference
from trustplane.policy.rules import Rule, RuleSet
from trustplane.registry.candidate import NO_CANDIDATE, Tried
from trustplane.spiffe.ids import TrustDomain
from trustplane.xds import rbac, rbac_reading, shadow


def proved(rules: RuleSet, probes: Rule | None = None) -> Access:
    """The compiled tree, once what is written from it was found to allow the same as the rules."""
    access = compiled(rules, probes)
    sent = rbac_reading.access(rbac.allowing(access), rbac.denying(access))
    _check_same(as_written(rules, probes), sent)
    return access


def proved_trial(tried: Tried, own: TrustDomain) -> Tried:
    """The same, once its filters were found to judge as they would be enforced, and to hold nothing that enforces.

    Callers of other domains are left aside: they are written as they are declared, and no policy speaks of them.
    """
    ours = replace(tried, foreign_callers=())
    meant, _ = shadow.access_to(ours, own)
    sent = shadow.judging(shadow.resources(NO_CANDIDATE, ours, own))
    if sent != meant:
        _check_same(meant, sent)
    return tried


def _check_same(meant: Access, sent: Access) -> None:
    for region in difference(meant, sent):
        raise Broken(
            code="policy-not-equivalent",
            what=f"policy and proxy disagree about {region.request}: the proxy would "
            f"{'allow' if region.newly_allowed else 'deny'} it",
            why="what is enforced must be what was reviewed, so nothing of it is published",
            fix="report this with the policy",
        )

"""That a proxy will decide as the policy was written: what would be sent is read back and compared, exactly."""

from __future__ import annotations

from trustplane.fault import Broken
from trustplane.policy.access import Access
from trustplane.policy.compile import as_written, compiled
from trustplane.policy.difference import difference
from trustplane.policy.rules import Rule, RuleSet
from trustplane.xds import rbac, rbac_reading


def proved(rules: RuleSet, probes: Rule | None = None) -> Access:
    """The compiled tree, once what is written from it was found to allow the same as the rules."""
    access = compiled(rules, probes)
    sent = rbac_reading.access(rbac.allowing(access), rbac.denying(access))
    for region in difference(as_written(rules, probes), sent):
        raise Broken(
            code="policy-not-equivalent",
            what=f"policy and proxy disagree about {region.request}: the proxy would "
            f"{'allow' if region.newly_allowed else 'deny'} it",
            why="what is enforced must be what was reviewed, so nothing of it is published",
            fix="report this with the policy",
        )
    return access

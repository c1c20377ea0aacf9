"""What RBAC filters wrote into a request's metadata, as a proxy's log gives it: JSON of the namespace below.

The enforcing filters write result and rule in their order, so the last to speak is the one that decided: a filter that
forbids writes no rule of what it lets pass. A candidate's two halves write under its ID (`xds.shadow`); a verdict is
whole and of one candidate, or there is none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from trustplane.fault import Refused
from trustplane.policy.access import Verdict
from trustplane.verdict.decision import Trial

NAMESPACE = "envoy.filters.http.rbac"
MOST_BYTES = 8192
_RESULT, _RULE = "enforced_engine_result", "enforced_effective_policy_id"
_ALLOWED = "allowed"
_HALF = re.compile(
    r"candidate\.([0-9a-z-]{1,40})\.(forbids|permits)\.(shadow_engine_result|shadow_effective_policy_id)"
)


@dataclass(frozen=True, slots=True)
class Judged:
    enforced: Verdict
    trial: Trial | None


def judged(text: str) -> Judged | None:
    """None: no enforcing filter came to decide, as when a request was refused before them."""
    found = _fields(text)
    if _RESULT not in found:
        return None
    try:
        return Judged(_verdict(found[_RESULT] == _ALLOWED, found.get(_RULE)), _trial(found))
    except Refused:
        return None


def _fields(text: str) -> Mapping[str, str]:
    try:
        found = msgspec.json.decode(text, type=dict[str, str]) if len(text) <= MOST_BYTES else {}
    except msgspec.MsgspecError:
        return {}
    return found


def _trial(found: Mapping[str, str]) -> Trial | None:
    halves: dict[tuple[str, str], dict[str, str]] = {}
    for key, value in found.items():
        if named := _HALF.fullmatch(key):
            halves.setdefault((named[1], named[2]), {})[named[3]] = value
    candidates = {candidate for candidate, _ in halves}
    if len(candidates) != 1 or len(halves) != 2:
        return None
    candidate = next(iter(candidates))
    forbids, permits = halves[candidate, "forbids"], halves[candidate, "permits"]
    deciding = permits if forbids.get("shadow_engine_result") == _ALLOWED else forbids
    allowed = deciding.get("shadow_engine_result") == _ALLOWED
    return Trial(candidate, _verdict(allowed, deciding.get("shadow_effective_policy_id")))


def _verdict(allowed: bool, grant: str | None) -> Verdict:  # noqa: FBT001 - it is the verdict
    """A rule may have become several grants, which are numbered after `~`."""
    return Verdict(allowed=allowed, rule=grant.partition("~")[0] if grant else None)

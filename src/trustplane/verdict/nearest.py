"""The permit that comes nearest to a request that was denied, by the rules of now."""

from __future__ import annotations

from trustplane.policy.comparison import access_to
from trustplane.policy.explanation import Nearest, nearest
from trustplane.policy.rules import Effect, Rule, RuleSet
from trustplane.policy.tree import Request
from trustplane.registry.model import DesiredState
from trustplane.verdict.decision import DecisionKind


def nearest_permit(state: DesiredState, kind: DecisionKind) -> Nearest | None:
    """None where a rule forbade it, and where nothing is known to come near."""
    service = state.services.get(kind.callee)
    if service is None or kind.caller is None or kind.allowed or kind.enforced.rule or kind.path.folded:
        return None
    allow = access_to(state, kind.callee).allow
    rules = tuple(Rule(one.rule, Effect.PERMIT, one.who, (), one.request) for one in allow)
    request = Request(kind.caller, kind.method, kind.path.text, (), kind.port)
    return nearest(state, RuleSet(service, rules), request)


def in_words(found: Nearest) -> str:
    return (
        f"{found.rule.id}, if {' and '.join(found.lacks)}" if found.lacks else f"{found.rule.id} (it allows this now)"
    )

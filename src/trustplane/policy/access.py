"""Who is let in to what at one destination: the tree that a proxy's RBAC filters are written from, and its meaning.

`decide` does what the proxy does: whatever a denying grant holds for is denied, and of the rest only that is allowed
which an allowing grant holds for. So an empty tree lets nobody in.
"""

from __future__ import annotations

from dataclasses import dataclass

from trustplane.policy.tree import Expression, Request, Who, holds


@dataclass(frozen=True, slots=True)
class Grant:
    """`name` is what the proxy's log calls it: the rule's id, and a number where a rule became several."""

    name: str
    who: Who
    request: Expression  # without `CallerIn`

    def applies(self, request: Request) -> bool:
        return self.who.holds(request.caller) and holds(self.request, request)

    @property
    def rule(self) -> str:
        return self.name.partition("~")[0]


@dataclass(frozen=True, slots=True)
class Access:
    """Sorted by name, as a proxy tries them."""

    deny: tuple[Grant, ...]
    allow: tuple[Grant, ...]

    def decide(self, request: Request) -> Verdict:
        for grant in self.deny:
            if grant.applies(request):
                return Verdict(allowed=False, rule=grant.rule)
        for grant in self.allow:
            if grant.applies(request):
                return Verdict(allowed=True, rule=grant.rule)
        return Verdict(allowed=False, rule=None)


@dataclass(frozen=True, slots=True)
class Verdict:
    allowed: bool
    rule: str | None  # none: nothing was said

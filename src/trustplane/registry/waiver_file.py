"""waivers/<name>.yaml: its keys and reader."""

from __future__ import annotations

import re
from datetime import date

from trustplane.fault import Refused
from trustplane.registry.budgets import BudgetRule, ProfileName, Target, Waiver
from trustplane.registry.fields import Fields, one_of, text, wrong_type
from trustplane.registry.files import owner
from trustplane.registry.findings import Findings, shown
from trustplane.registry.service_file import service_name
from trustplane.registry.yaml_tree import Node

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_RULES = {rule.value: rule for rule in BudgetRule}


def waiver_file(name: str, tree: Node, findings: Findings) -> Waiver | None:
    """The waiver, or none after telling `findings` what is wrong with its file."""
    before = len(findings)
    fields = Fields(tree, {"waives", "profile", "service", "reason", "owner", "until"}, findings)
    rule = fields.required("waives", lambda node: _RULES[one_of(_RULES)(node)], BudgetRule.OUTLIVES_DETECTION.value)
    profile = fields.optional("profile", lambda node: ProfileName(text(node)), None)
    service = fields.optional("service", lambda node: service_name(text(node)), None)
    reason = fields.required("reason", text, "the partner's terminals renew once a day; replaced in March")
    owned_by = fields.required("owner", owner, "payments-team")
    until = fields.required("until", _day, "2027-03-31")
    if len(findings) > before or rule is None or reason is None or owned_by is None or until is None:
        return None
    return Waiver(name, rule, _target(profile, service), reason, owned_by, until)


def _target(profile: ProfileName | None, service: Target | None) -> Target:
    match profile, service:
        case (None, target) | (target, None) if target is not None:
            return target
        case _:
            raise Refused(
                code="waiver-target",
                what="this names both a profile and a service" if profile else "this names no profile and no service",
                why="a waiver sets a rule aside for one thing, so that its end is one decision",
                fix="keep one of profile: <name> and service: <namespace>/<service>; the other needs its own waiver",
            )


def _day(node: Node) -> date:
    written = text(node)
    if not _DAY.fullmatch(written):
        raise wrong_type("a day such as 2027-03-31", node)
    try:
        return date.fromisoformat(written)
    except ValueError:
        raise Refused(
            code="bad-day",
            what=f"{shown(written)} is not in the calendar",
            why="a waiver ends with a day everyone can find",
            fix="write for example until: 2027-03-31",
            place=node.place,
        ) from None

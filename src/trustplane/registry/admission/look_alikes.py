"""No two names that a tired reader takes for one.

Names look alike when their skeletons are equal. A skeleton is the name in lower case; `vv` as `w` and `rn` as `m`; runs
of one letter as one; `0` as `o`, `1` and `i` as `l` (runs of these three stay: 11 is not 1); without `-`, `_` and `.`
(kept between digits: 1-1 is not 11); and without an `s` at the end of a name of four characters or more. So payments,
payment, payment-s and paymentss look alike, and pay-ment and pay_ment, and mail and ma1l; worker-1 and worker-11 do
not.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable
from itertools import chain
from typing import TypeVar

from trustplane.fault import Place
from trustplane.registry.draft import Draft, Drafted
from trustplane.registry.findings import Findings
from trustplane.registry.model import Service
from trustplane.spiffe.names import default_id

_REPEATED = re.compile(r"([a-hjkmnp-z])\1+")
_BETWEEN_DIGITS = re.compile(r"(?<=[0-9])[-_.]+(?=[0-9])")
_DIGITS = str.maketrans("01i", "oll")
_PLURAL = 4  # from this length on, a final s counts as a suffix

Scope = TypeVar("Scope", bound=Hashable)


def skeleton(name: str) -> str:
    """What is left of a name when everything easily overlooked is taken away."""
    letters = _REPEATED.sub(r"\1", name.lower().replace("vv", "w").replace("rn", "m"))
    kept = _BETWEEN_DIGITS.sub("+", letters)
    bare = re.sub(r"[-_.]", "", kept).translate(_DIGITS)
    return bare.removesuffix("s") if len(bare) >= _PLURAL else bare


def check_look_alikes(draft: Draft, findings: Findings) -> None:
    _check("namespace", (("", name, one.place()) for name, one in sorted(draft.namespaces.items())), findings)
    built_in = (("", name, draft.domain.place("default_profile")) for name in sorted(draft.built_in))
    profiles = (("", name, one.place()) for name, one in sorted(draft.profiles.items()))
    _check("profile", chain(built_in, profiles), findings)
    services = sorted(draft.services.items())
    _check("service", ((name.namespace, name.name, one.place()) for name, one in services), findings)
    _check_ids(draft, findings)
    _check_domains(draft, findings)


def _check(kind: str, names: Iterable[tuple[Scope, str, Place]], findings: Findings) -> None:
    seen: dict[tuple[Scope, str], str] = {}
    for scope, name, place in names:
        first = seen.setdefault((scope, skeleton(name)), name)
        if first != name:
            _alike(kind, name, first, place, findings)


def _check_ids(draft: Draft, findings: Findings) -> None:
    """Across namespaces, segment by segment. Equal IDs, and names compared already, are other findings."""
    seen: dict[tuple[str, ...], Drafted[Service]] = {}
    for _, drafted in sorted(draft.services.items()):
        spiffe_id = drafted.value.spiffe_id
        first = seen.setdefault(tuple(map(skeleton, spiffe_id.path)), drafted)
        if first.value.spiffe_id != spiffe_id and not (_has_default_id(first.value) and _has_default_id(drafted.value)):
            _alike("ID", str(spiffe_id), str(first.value.spiffe_id), drafted.place("id"), findings)


def _check_domains(draft: Draft, findings: Findings) -> None:
    """Label by label, so that a plural inside counts too; and joined, so that a dash looks like a dot."""
    own = draft.domain.value.trust_domain.name
    seen = {_joined(own): own}
    for name in sorted(one.name for one in draft.relations() if one.name != own):
        first = seen.setdefault(_joined(name), name)
        if first != name:
            _alike("trust domain", name, first, draft.domain.place("federation", name), findings)


def _joined(domain: str) -> str:
    return "".join(map(skeleton, domain.split(".")))


def _has_default_id(service: Service) -> bool:
    return service.spiffe_id == default_id(service.spiffe_id.trust_domain, service.name)


def _alike(kind: str, name: str, first: str, place: Place, findings: Findings) -> None:
    findings.add(
        code="look-alike",
        what=f"the {kind} {name} looks like {first}",
        why="they differ in case, separators, repeated letters, digits read as letters, or a final s: "
        "easily mistaken in a review, a rule or a log",
        fix="choose a name that differs in a whole word",
        place=place,
    )

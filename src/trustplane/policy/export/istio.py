"""A service's rules as Istio's AuthorizationPolicy: what is forbidden, what is allowed, and nothing beside that.

Exact or refused. Identities are whole principals, never service accounts or namespaces, which Istio turns into patterns
that mean more. A denial names its port, since without one it would also cut off plain TCP. No value may hold what
Istio reads as a wildcard or a template.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from trustplane.policy.access import Grant
from trustplane.policy.export.conjunctions import Conjunction, conjunctions
from trustplane.policy.export.workload import API, Manifest, Workload, not_expressible
from trustplane.policy.tree import HeaderIs, HeaderPresent, Leaf, Method, Path, Unambiguous, Who
from trustplane.registry.findings import Findings, shown

_ONE_READING = (
    "list the paths as operations of their own; or, if something in front of the proxies refuses paths with ; \\ and "
    "encoded dots, slashes or percent signs, say so with --plain-paths"
)


def manifests(workload: Workload, findings: Findings) -> list[Manifest]:
    """The first lets nobody in, so that there is never a moment in which no policy selects the workload."""
    name = workload.service.name.name
    found = [_policy(workload, f"{name}-allow-nothing", "ALLOW", [])]
    for suffix, action, grants in (
        ("forbidden", "DENY", workload.access.deny),
        ("allowed", "ALLOW", workload.access.allow),
    ):
        rules = [(grant.rule, rule) for grant in grants for rule in _collected(workload, grant, action, findings)]
        if rules:
            found.append(_policy(workload, f"{name}-{suffix}", action, rules))
    return found


def _policy(workload: Workload, name: str, action: str, rules: Sequence[tuple[str, dict[str, object]]]) -> Manifest:
    metadata = workload.metadata(name)
    if rules:
        metadata["annotations"] = {f"{API}/rules": ", ".join(f"{at}={rule}" for at, (rule, _) in enumerate(rules))}
    spec: dict[str, object] = {"selector": {"matchLabels": workload.labels}, "action": action}
    if rules:
        spec["rules"] = [rule for _, rule in rules]
    return {"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy", "metadata": metadata, "spec": spec}


def _collected(workload: Workload, grant: Grant, action: str, findings: Findings) -> list[dict[str, object]]:
    with findings.at(workload.places.get(grant.rule)):
        return list(_rules(workload, grant, action))
    return []


def _rules(workload: Workload, grant: Grant, action: str) -> Iterator[dict[str, object]]:
    """One for each list of header conditions, which hold for a whole rule."""
    sources = list(_sources(grant.who, workload))
    if action == "ALLOW" and (grant.who.everyone or not sources):
        raise not_expressible("Istio", "that anyone is let in", "rules there are for identities", "name the callers")
    by_headers: dict[tuple[HeaderIs, ...], list[dict[str, object]]] = {}
    for one in conjunctions(grant.request):
        operation = _operation(one)
        if action == "DENY":
            operation["ports"] = [str(workload.ports.app)]
        by_headers.setdefault(one.headers(), []).append(operation)
    for headers, operations in by_headers.items():
        rule: dict[str, object] = {}
        if sources:
            rule["from"] = [{"source": one} for one in sources]
        if all(operations):
            rule["to"] = [{"operation": one} for one in operations]
        if headers:
            rule["when"] = [_when(one) for one in headers]
        yield rule


def _sources(who: Who, workload: Workload) -> Iterator[dict[str, object]]:
    """None at all for everyone, which only a denial has."""
    without = [_literal(_principal(str(one))) for one in sorted(who.without)]
    others = [*without, *(f"{_literal(one.name)}/*" for one in sorted(who.without_domains))]
    if who.everyone and not others:
        return
    for one in (*who.domains, *who.without_domains):
        _check_domain(one.name, workload)
    if who.ids:
        yield {"principals": [_literal(_principal(str(one))) for one in sorted(who.ids)]}
    if who.domains:
        of_domains: dict[str, object] = {"principals": [f"{_literal(one.name)}/*" for one in sorted(who.domains)]}
        yield {**of_domains, "notPrincipals": without} if without else of_domains
    if who.everyone:
        yield {"notPrincipals": others}


def _check_domain(name: str, workload: Workload) -> None:
    if name == "cluster.local" and workload.trust_domain.name != name:
        raise not_expressible(
            "Istio",
            "which trust domain cluster.local is",
            "it reads that name as the mesh's own trust domain, whatever its name",
            "name the callers of that domain one by one, or leave the rule out of this mesh",
        )


def _principal(spiffe_id: str) -> str:
    return spiffe_id.removeprefix("spiffe://")


def _operation(one: Conjunction) -> dict[str, object]:
    found: dict[str, list[str]] = {}
    for leaf, negative in (*((each, False) for each in one.holds), *((each, True) for each in one.fails)):
        key, value = _field(leaf, negative=negative)
        if key:
            found.setdefault(key, []).append(value)
    if len(found.get("paths", ())) > 1:
        raise not_expressible(
            "Istio",
            f"two things about one path: {' and '.join(found['paths'])}",
            "a list of paths there means any of them",
            "ask for one prefix, one suffix or exact paths",
        )
    return {key: found[key] for key in ("methods", "notMethods", "paths", "notPaths") if key in found}


def _field(leaf: Leaf, *, negative: bool) -> tuple[str, str]:
    match leaf:
        case Method(name):
            return ("notMethods" if negative else "methods"), _literal(name)
        case Path(parts):
            return ("notPaths" if negative else "paths"), _path(parts)
        case HeaderIs() if not negative:
            return "", ""  # a condition of the whole rule
        case Unambiguous():
            raise not_expressible(
                "Istio", "that a path has one reading only", "it has no match for a part of a path", _ONE_READING
            )
        case HeaderPresent(name):
            raise not_expressible(
                "Istio",
                f"that there is a header {shown(name)}",
                "its * also asks for a value that is not empty",
                "ask for a value of the header: .contains(...)",
            )
        case _:
            raise not_expressible(
                "Istio", "this condition", "it has no counterpart there", "ask for a method, a path or a header's value"
            )


def _path(parts: tuple[str, ...]) -> str:
    match parts:
        case (exact,):
            return _literal(exact)
        case (prefix, "") if prefix:
            return _literal(prefix) + "*"
        case ("", suffix) if suffix:
            return "*" + _literal(suffix)
        case _:
            raise not_expressible(
                "Istio",
                f"the path {shown('*'.join(parts))}",
                "a wildcard there stands at the start or at the end, and only one",
                "ask for a prefix, a suffix or exact paths",
            )


def _when(header: HeaderIs) -> dict[str, object]:
    return {"key": f"request.headers[{_literal(header.name)}]", "values": [_literal(header.value)]}


def _literal(text: str) -> str:
    if not text or text.startswith("*") or text.endswith("*") or "{" in text or "}" in text:
        raise not_expressible(
            "Istio",
            f"the text {shown(text)!r} as it stands",
            "it reads * as a wildcard and braces as a template, so the rule would let more in",
            "choose a value without * at its ends and without braces",
        )
    return text

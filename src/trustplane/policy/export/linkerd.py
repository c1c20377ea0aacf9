"""A service's rules as Linkerd's resources: a Server that denies, a route for each request, and who may use each route.

Exact or refused. Linkerd only allows, and only by the most specific route that a request matches: so each route lists
everybody who may use any route that covers it, and a rule that forbids is left out only if nothing changes by that.
It takes paths as they are sent, so what lies below a prefix is exported only where something else refuses other
spellings. Identities are service accounts; `*` is every identity of the mesh's own trust domain.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from trustplane.policy.access import Access, Grant
from trustplane.policy.difference import difference
from trustplane.policy.export.conjunctions import Conjunction, conjunctions
from trustplane.policy.export.workload import Manifest, Workload, not_expressible
from trustplane.policy.tree import HeaderIs, HeaderPresent, Method, Not, Path, Unambiguous, Who
from trustplane.registry.findings import Findings, shown
from trustplane.spiffe.ids import SpiffeId

GROUP = "policy.linkerd.io"
_SPECIAL = frozenset("\\.+*?()|[]{}^$#&-~")


@dataclass(frozen=True, slots=True, order=True)
class Route:
    """A path is exact, or with an empty second part all that begins with the first; none is any request."""

    path: tuple[str, ...]
    method: str = ""
    headers: tuple[tuple[str, str], ...] = ()

    def covers(self, other: Route) -> bool:
        return (
            self._covers_path(other.path)
            and self.method in ("", other.method)
            and set(self.headers) <= set(other.headers)
        )

    def _covers_path(self, path: tuple[str, ...]) -> bool:
        return (
            not self.path
            or self.path == path
            or (len(self.path) == 2 and path[:1] != () and path[0].startswith(self.path[0]))
        )

    @property
    def match(self) -> dict[str, object]:
        found: dict[str, object] = {}
        match self.path:
            case (exact,):
                found["path"] = {"type": "Exact", "value": exact}
            case (prefix, _):
                found["path"] = {"type": "RegularExpression", "value": f"{_escaped(prefix)}.*"}
            case _:
                pass
        if self.method:
            found["method"] = self.method
        if self.headers:
            found["headers"] = [{"type": "Exact", "name": name, "value": value} for name, value in self.headers]
        return found


def manifests(workload: Workload, findings: Findings) -> list[Manifest]:
    grants: dict[Route, list[Grant]] = {}
    for grant in workload.access.allow:
        with findings.at(workload.places.get(grant.rule)):
            _check_callers(grant.who, workload)
            for route in map(_route, conjunctions(grant.request)):
                grants.setdefault(route, []).append(grant)
    _check_denials(workload, findings)
    found: list[Manifest] = [_server(workload)]
    for route in sorted(grants):
        who = [grant.who for other, those in grants.items() if other.covers(route) for grant in those]
        found += _allowed(workload, route, _together(who))
    return found


def _check_denials(workload: Workload, findings: Findings) -> None:
    allowed = Access((), workload.access.allow)
    for denial in workload.access.deny:
        if next(difference(Access((denial,), workload.access.allow), allowed), None) is not None:
            with findings.at(workload.places.get(denial.rule)):
                raise not_expressible(
                    "Linkerd",
                    f"what {denial.rule} forbids",
                    "its policies only allow",
                    "leave the callers and operations it forbids out of the permits instead",
                )


def _check_callers(who: Who, workload: Workload) -> None:
    foreign = sorted(str(one) for one in (*who.ids, *who.domains) if _domain(one) != workload.trust_domain.name)
    if foreign or who.everyone or who.without:
        raise not_expressible(
            "Linkerd",
            f"a rule about {shown(foreign[0])}" if foreign else "a rule about all but some",
            "it knows service accounts of its own clusters, and every identity of its own trust domain",
            "name the callers one by one, each a service of this trust domain",
        )
    for one in who.ids:
        _account(one)


def _domain(one: object) -> str:
    return str(getattr(one, "trust_domain", one))


def _account(spiffe_id: SpiffeId) -> dict[str, str]:
    match spiffe_id.path:
        case ("ns", namespace, "sa", name):
            return {"kind": "ServiceAccount", "name": name, "namespace": namespace}
        case _:
            raise not_expressible(
                "Linkerd",
                f"who {spiffe_id} is",
                "its identities are service accounts, which have paths such as /ns/shop/sa/web",
                "give the caller such an identity, or leave the rule out of this mesh",
            )


def _route(one: Conjunction) -> Route:
    paths, methods = one.paths(), one.methods()
    for leaf in (*one.holds, *map(Not, one.fails)):
        match leaf:
            case Method() | HeaderIs() | Path((_,)):
                continue
            case Path((prefix, "")) if prefix:
                continue
            case _:
                raise _refused(leaf)
    if any(len(path.parts) > 1 for path in paths) and not _plain(one):
        raise _refused(Unambiguous())
    if len(paths) > 1:
        raise _refused(paths[0])
    headers = tuple(sorted((header.name, header.value) for header in one.headers()))
    if len({name for name, _ in headers}) < len(headers):
        raise _refused(one.headers()[0])
    return Route(paths[0].parts if paths else (), methods[0] if methods else "", headers)


def _plain(one: Conjunction) -> bool:
    return Unambiguous() not in one.holds


def _refused(leaf: object) -> Exception:
    match leaf:
        case Unambiguous():
            return not_expressible(
                "Linkerd",
                "what lies below a prefix",
                "it takes paths as they are sent: /orders/../admin also begins with /orders/",
                "list the paths as operations of their own; or, if something in front of the proxies refuses other "
                "spellings, dot segments and doubled slashes among them, say so with --plain-paths",
            )
        case Path(parts):
            what = f"the path {shown('*'.join(parts))} as it is asked for"
        case HeaderIs(name, _) | HeaderPresent(name):
            what = f"this about the header {shown(name)}"
        case _:
            what = "this condition"
    return not_expressible(
        "Linkerd",
        what,
        "a route there has one path, one method and values of headers",
        "ask for exact paths and values",
    )


def _together(who: list[Who]) -> Who:
    return Who(
        ids=frozenset().union(*(one.ids for one in who)), domains=frozenset().union(*(one.domains for one in who))
    )


def _server(workload: Workload) -> Manifest:
    spec = {"podSelector": {"matchLabels": workload.labels}, "port": workload.ports.app, "accessPolicy": "deny"}
    return _manifest(workload, "Server", "v1beta3", workload.service.name.name, spec)


def _allowed(workload: Workload, route: Route, who: Who) -> Iterator[Manifest]:
    server = workload.service.name.name
    target, name = {"group": GROUP, "kind": "Server", "name": server}, f"{server}-any-request"
    if route != Route(()):
        name = _name(server, route)
        target = {"group": GROUP, "kind": "HTTPRoute", "name": name}
        parent = {"group": GROUP, "kind": "Server", "name": server}
        spec: dict[str, object] = {"parentRefs": [parent], "rules": [{"matches": [route.match]}]}
        yield _manifest(workload, "HTTPRoute", "v1beta3", name, spec)
    yield _manifest(workload, "MeshTLSAuthentication", "v1alpha1", name, _identities(who))
    refs = [{"group": GROUP, "kind": "MeshTLSAuthentication", "name": name}]
    yield _manifest(
        workload, "AuthorizationPolicy", "v1alpha1", name, {"targetRef": target, "requiredAuthenticationRefs": refs}
    )


def _identities(who: Who) -> dict[str, object]:
    if who.domains:
        return {"identities": ["*"]}
    return {"identityRefs": [_account(one) for one in sorted(who.ids)]}


def _name(server: str, route: Route) -> str:
    """Readable, and told apart from every other by a digest."""
    digest = hashlib.sha256(repr(route).encode()).hexdigest()[:8]
    words = "".join(one if one.isalnum() and one.isascii() else "-" for one in f"{route.method}{''.join(route.path)}")
    return f"{server}-{words.lower().strip('-')[:60].strip('-') or 'root'}-{digest}"


def _escaped(text: str) -> str:
    return "".join(f"\\{one}" if one in _SPECIAL else one for one in text)


def _manifest(workload: Workload, kind: str, version: str, name: str, spec: dict[str, object]) -> Manifest:
    return {"apiVersion": f"{GROUP}/{version}", "kind": kind, "metadata": workload.metadata(name), "spec": spec}

"""No two namespaces hold one path, and nobody holds what trustplane keeps for itself."""

from __future__ import annotations

from trustplane.registry.draft import Draft, Drafted
from trustplane.registry.findings import Findings
from trustplane.registry.model import Namespace
from trustplane.spiffe.names import RESERVED_SEGMENT

Prefix = tuple[str, ...]


def held_by(namespace: Namespace) -> tuple[Prefix, ...]:
    """Every path prefix under which services of `namespace` may have their IDs."""
    return (("ns", namespace.name), *namespace.prefixes)


def check_namespaces(draft: Draft, findings: Findings) -> None:
    holders: dict[Prefix, str] = {}
    for name, drafted in sorted(draft.namespaces.items()):
        for prefix in drafted.value.prefixes:
            _check_reserved(prefix, drafted, findings)
            holder = _holder(prefix, name, holders)
            if holder:
                findings.add(
                    code="prefix-held-twice",
                    what=f"{name} claims /{'/'.join(prefix)}, which overlaps with what {holder} holds",
                    why="the owners of one namespace could name the services of the other",
                    fix="give each namespace prefixes of its own",
                    place=drafted.place("prefixes", "/" + "/".join(prefix)),
                )
            holders.setdefault(prefix, name)


def _check_reserved(prefix: Prefix, drafted: Drafted[Namespace], findings: Findings) -> None:
    if prefix[0] in (RESERVED_SEGMENT, "ns"):
        findings.add(
            code="reserved-prefix",
            what=f"{drafted.value.name} claims /{'/'.join(prefix)}",
            why=f"/{RESERVED_SEGMENT} names servers and agents; each namespace holds its /ns/<name> anyway",
            fix="claim another prefix, or remove it",
            place=drafted.place("prefixes", "/" + "/".join(prefix)),
        )


def _holder(prefix: Prefix, name: str, holders: dict[Prefix, str]) -> str | None:
    """The other namespace that holds `prefix`, a part of it, or what is around it."""
    return next(
        (
            holder
            for held, holder in holders.items()
            if holder != name and all(mine == theirs for mine, theirs in zip(prefix, held, strict=False))
        ),
        None,
    )

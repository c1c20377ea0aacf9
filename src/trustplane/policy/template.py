"""Templates of policies: reviewed Cedar with parameters, versioned and owned, used in four lines of policy.yaml.

A parameter stands in the text as `$name` and is filled by a value of its kind, never by text, so nothing a user writes
can change what a template says. A policy that names a list of callers is written once for each of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from trustplane.fault import Broken

PARAMETER = re.compile(r"\$([a-z_]+)")


class Kind(Enum):
    SERVICES = "services"  # one policy for each
    PEERS = "peers"  # identities of other trust domains; one policy for each
    OPERATIONS = "operations"  # a list in one policy
    READS = "reads"  # likewise, of operations that only read
    TEXT = "text"  # a header's value

    @property
    def one_policy_each(self) -> bool:
        return self in (Kind.SERVICES, Kind.PEERS)


@dataclass(frozen=True, slots=True)
class Template:
    """`text` is one Cedar policy without its @id, which the use gives it."""

    name: str
    version: int
    owners: tuple[str, ...]
    summary: str
    parameters: Mapping[str, Kind]
    text: str

    def __post_init__(self) -> None:
        used = set(PARAMETER.findall(self.text)) - OF_THE_SERVICE
        repeated = [name for name, kind in self.parameters.items() if kind.one_policy_each]
        if used != set(self.parameters) or len(repeated) > 1 or self.version < 1 or not self.owners:
            raise Broken(
                code="template-malformed",
                what=f"the template {self.name}@{self.version} is not one that can be filled in",
                why="its text and its list of parameters must name the same ones, at most one of them repeated",
                fix="report this",
            )

    def __str__(self) -> str:
        return f"{self.name}@{self.version}"


# Filled in from the service the policy is beside.
OF_THE_SERVICE = {"namespace", "reads"}


@dataclass(frozen=True, slots=True)
class Filling:
    """Values for every parameter, and the facts of the service; all of them checked already."""

    values: Mapping[str, tuple[str, ...]]
    namespace: str
    reads: tuple[str, ...]  # the action groups of its reading operations


def expand(template: Template, prefix: str, filling: Filling) -> tuple[str, ...]:
    """Cedar, one text for each policy."""
    repeated = next((name for name, kind in template.parameters.items() if kind.one_policy_each), None)
    fixed = {
        "namespace": f'Namespace::"{filling.namespace}"',
        "reads": _actions(filling.reads),
        **{name: _cedar(kind, filling.values[name]) for name, kind in template.parameters.items() if name != repeated},
    }
    if repeated is None:
        return (_filled(template.text, prefix, fixed),)
    kind = template.parameters[repeated]
    return tuple(
        _filled(template.text, f"{prefix}.{_slug(value)}", {**fixed, repeated: _cedar(kind, (value,))})
        for value in filling.values[repeated]
    )


def _filled(text: str, name: str, values: Mapping[str, str]) -> str:
    return f'@id("{name}")\n' + PARAMETER.sub(lambda found: values[found[1]], text)


def _cedar(kind: Kind, values: tuple[str, ...]) -> str:
    match kind:
        case Kind.SERVICES:
            return f'Service::"{values[0]}"'
        case Kind.PEERS:
            return f'Peer::"{values[0]}"'
        case Kind.TEXT:
            return '"' + values[0].replace("\\", "\\\\").replace('"', '\\"') + '"'
        case Kind.OPERATIONS | Kind.READS:
            return _actions(values)


def _actions(names: tuple[str, ...]) -> str:
    return "[" + ", ".join(f'Action::"{name}"' for name in names) + "]"


def _slug(value: str) -> str:
    return re.sub(r"[^a-z0-9._/-]", "-", value.removeprefix("spiffe://"))

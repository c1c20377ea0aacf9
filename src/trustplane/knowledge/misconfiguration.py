"""What exactly was wrong: which field of which certificate, bundle or identity had which value, and which it should.

The objects and their fields are a closed list, so that postmortems of many years can be counted and compared: "expired
certificate" is no answer, `issuing-authority: not-after` is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from trustplane.fault import Refused
from trustplane.registry.fields import Fields, one_of, text
from trustplane.registry.findings import Findings, shown
from trustplane.registry.yaml_tree import Node

_DATES: Final = ("not-before", "not-after")
_CERTIFICATE: Final = (*_DATES, "issuer", "public-key", "key-usage", "extended-key-usage", "serial")
FIELDS: Final = {
    "leaf": (*_CERTIFICATE, "spiffe-id", "subject-alt-name", "common-name"),
    "issuing-authority": (*_CERTIFICATE, "path-length", "name-constraints", "signs-with"),
    "root": (*_CERTIFICATE, "name-constraints"),
    "chain": ("certificates",),
    "bundle": ("roots", "trust-domain", "held-by"),
    "crl": ("this-update", "next-update", "revoked", "authorities"),
    "key": ("belongs-to", "algorithm", "length"),
    "identity": ("spiffe-id", "selectors", "node", "entitled"),
    "validation": ("accepted-names", "client-certificate", "trust-domain", "depth", "pin", "tls-version"),
    "served-secret": ("serial", "not-after", "presence"),
    "bootstrap-token": ("expires", "audience"),
}
# Words that stand where a value should.
_NO_VALUE: Final = frozenset(
    ("wrong", "bad", "invalid", "expired", "incorrect", "unknown", "missing", "broken", "?", "n/a", "right", "correct")
)


@dataclass(frozen=True, slots=True)
class Misconfiguration:
    """`which` is the very object, by name, file or serial; `was` the value it had, `should` the one it should have."""

    of: str
    which: str
    field: str
    was: str
    should: str

    def __post_init__(self) -> None:
        if self.field not in FIELDS.get(self.of, ()):
            known = ", ".join(FIELDS.get(self.of, FIELDS))
            raise _inexact(f"{shown(self.of)} has no field {shown(self.field)!r}", f"it is one of {known}")
        for name, value in (("was", self.was), ("should", self.should)):
            if value.strip().lower() in _NO_VALUE:
                raise _inexact(f"{name} is {shown(value)!r}, which is no value", "write the value itself, as it stood")
        if self.was == self.should:
            raise _inexact(
                f"was and should are both {shown(self.was)!r}", "write what it had, and what it ought to have"
            )


def misconfiguration(node: Node, findings: Findings) -> Misconfiguration | None:
    """The entry, or none after telling `findings` what is wrong with it."""
    before = len(findings)
    fields = Fields(node, {"of", "which", "field", "was", "should"}, findings)
    of = fields.required("of", one_of(FIELDS), "leaf")
    which = fields.required("which", text, "the leaf of spiffe://acme.example/ns/shop/sa/pay on node-a")
    field = fields.required("field", text, "not-after")
    was = fields.required("was", text, "2026-11-27 10:00:00Z")
    should = fields.required("should", text, "a day later than any caller still uses it")
    if len(findings) > before or of is None or which is None or field is None or was is None or should is None:
        return None
    with findings.at(node.place):
        return Misconfiguration(of, which, field, was, should)
    return None


def _inexact(what: str, fix: str) -> Refused:
    return Refused(
        code="inexact-misconfiguration",
        what=what,
        why="a postmortem that does not say which value was wrong cannot be searched for, nor prevent anything",
        fix=fix,
    )

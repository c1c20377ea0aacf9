"""What was enforced and from what: digests of each service's Cedar, of what it was compiled with, and of the result.

They go into the audit log before a revision is applied, so that anyone who has the repository can prove later that it
is the one whose policies were in force, and that compiling it gives what proxies were sent. Only services that have a
policy or are under a guard-rail have a record; the declared callers of the others are in the revision's own digest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from trustplane.audit.events import Plain
from trustplane.policy.book import Book
from trustplane.policy.schema import actions, members

MAX_LISTED = 1_000  # services in one entry of the log; the whole's digest covers all of them


@dataclass(frozen=True, slots=True, order=True)
class PolicyRecord:
    """`source`, `entities` and `compiled` are SHA-256 in hex."""

    service: str
    source: str
    entities: str
    compiled: str


@dataclass(frozen=True, slots=True)
class PolicyRecords:
    """`digest` is of all of them; `listed` are the first by name."""

    digest: str
    count: int
    listed: tuple[PolicyRecord, ...]


def records(found: Book) -> PolicyRecords:
    common = _digest(json.dumps(one, sort_keys=True) for one in members(found.state))
    each = [
        PolicyRecord(
            str(name),
            _digest((*policy.cedar, "guard-rails", *policy.guards)),
            _digest((common, json.dumps(actions(policy.rules.service), sort_keys=True))),
            hashlib.sha256(found.state.policies[name]).hexdigest(),
        )
        for name, policy in sorted(found.enforced.items())
    ]
    whole = _digest(f"{one.service} {one.source} {one.entities} {one.compiled}" for one in each)
    return PolicyRecords(whole, len(each), tuple(each[:MAX_LISTED]))


def differences(logged: Mapping[str, object], now: PolicyRecords) -> list[str]:
    """In sentences; none if the repository is the one that was recorded."""
    if logged.get("digest") == now.digest:
        return []
    services = logged.get("services")
    before = services if isinstance(services, Mapping) else {}
    after = {one.service: _plain(one) for one in now.listed}
    found = [_difference(name, before.get(name), after.get(name)) for name in sorted({*map(str, before), *after})]
    told = [one for one in found if one]
    return told or [f"the policies differ beyond the first {MAX_LISTED} services, which is as many as are listed"]


def plain(now: PolicyRecords) -> Mapping[str, Plain]:
    """As the audit log says it."""
    return {"digest": now.digest, "count": now.count, "services": {one.service: _plain(one) for one in now.listed}}


def _plain(one: PolicyRecord) -> dict[str, str]:
    return {"source": one.source, "entities": one.entities, "compiled": one.compiled}


def _difference(name: str, before: object, after: Mapping[str, str] | None) -> str:
    if before == after:
        return ""
    if after is None:
        return f"{name} had a policy when it was recorded, and has none here"
    if not isinstance(before, Mapping):
        return f"{name} has a policy here, and had none when it was recorded"
    differing = [words for key, words in _WORDS.items() if before.get(key) != after[key]]
    return f"{name}: not what was recorded: {', '.join(differing)}"


_WORDS = {
    "source": "its Cedar",
    "entities": "the services, namespaces, groups and operations it was compiled with",
    "compiled": "what proxies are sent",
}


def _digest(texts: Iterable[str]) -> str:
    """Each with its length before it, so that no two lists have one digest."""
    found = hashlib.sha256()
    for text in texts:
        encoded = text.encode()
        found.update(b"%d:" % len(encoded) + encoded)
    return found.hexdigest()

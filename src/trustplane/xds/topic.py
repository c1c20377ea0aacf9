"""One kind of resource in one conversation: what was asked for, what is on its way, and what the proxy holds.

At most one answer is on its way. A refused answer that carried several resources is sent again one by one, so that
the culprit is known by name; a refused resource is not sent again until it changes or a retry is due.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from trustplane.xds.resources import Kind, Offer, Resource, digest_of

REMOVED = ""
WILDCARD = "*"


@dataclass(frozen=True, slots=True)
class Answer:
    """A response to be sent: `resources` and, in the delta dialect, names that are gone."""

    kind: Kind
    nonce: str
    version: str
    resources: tuple[Resource, ...]
    removed: tuple[str, ...] = ()

    def carried(self) -> dict[str, str]:
        return {one.name: one.version for one in self.resources} | dict.fromkeys(self.removed, REMOVED)


@dataclass(slots=True)
class Topic:
    kind: Kind
    asked: bool = False
    wildcard: bool = False
    names: set[str] = field(default_factory=set)
    held: dict[str, str] = field(default_factory=dict)  # name -> version the proxy acknowledged
    refused: dict[str, str] = field(default_factory=dict)  # name -> version it refused
    refusals: dict[str, str] = field(default_factory=dict)  # name -> its words
    refused_whole: str = ""  # version of a state of the world it refused
    suspects: list[str] = field(default_factory=list)
    on_its_way: Answer | None = None
    last_nonce: str = ""
    claimed: str = ""  # what a state-of-the-world proxy said it holds when it connected
    aliases: dict[str, str] = field(default_factory=dict)  # version -> what it is known as
    retained: dict[str, Resource] = field(default_factory=dict)  # sent before, may still be referred to

    def wanted(self, offer: Offer) -> dict[str, Resource]:
        offered = offer.of(self.kind)
        names = self.names | offer.unnamed(self.kind) if self.wildcard else self.names
        return {name: offered[name] for name in sorted(names) if name in offered}

    def unknown(self, offer: Offer) -> list[str]:
        return sorted(self.names - set(offer.of(self.kind)))

    def changed(self, wanted: Mapping[str, Resource]) -> dict[str, Resource]:
        """What the proxy neither holds nor refused in this very version."""
        return {
            name: one
            for name, one in wanted.items()
            if self.held.get(name) != one.version and self.refused.get(name) != one.version
        }

    def gone(self, wanted: Mapping[str, Resource]) -> list[str]:
        """Held and no longer wanted. Only kinds that are offered as a whole are taken away."""
        if not self.kind.whole or not self.wildcard:
            return []
        return sorted(name for name in self.held if name not in wanted and self.refused.get(name) != REMOVED)

    def lags(self, whole: Mapping[str, Resource]) -> bool:
        """Whether the proxy does not hold this state of the world; more than was asked for does no harm."""
        held = {name: self.held.get(name) for name in (self.held if self.kind.whole else whole)}
        return held != {name: one.version for name, one in whole.items()}

    def settled(self, offer: Offer) -> bool:
        """The proxy holds all that is wanted, and nothing else of this kind. Until it has asked, who knows."""
        if not self.asked:
            return not offer.of(self.kind)
        wanted = self.wanted(offer)
        same = all(self.held.get(name) == one.version for name, one in wanted.items())
        return self.on_its_way is None and same and not self.gone(wanted)

    def sent(self, answer: Answer) -> None:
        self.on_its_way = answer
        self.last_nonce = answer.nonce
        self.remember(answer.resources)

    def remember(self, resources: Iterable[Resource]) -> None:
        for one in resources:
            self.aliases[one.version] = one.known_as
            if self.kind is Kind.CLUSTER:
                self.retained[one.name] = one

    def believe(self, whole: Mapping[str, Resource]) -> None:
        """A state-of-the-world proxy that connects again says what it holds by one version for all of it."""
        if self.claimed and self.claimed == whole_version(whole):
            self.held = {name: one.version for name, one in whole.items()}
            self.remember(whole.values())
        self.claimed = ""

    def forget(self, name: str) -> None:
        for memory in (self.held, self.refused, self.refusals):
            memory.pop(name, None)

    def retry(self) -> None:
        self.refused.clear()
        self.refused_whole = ""

    def states(self, offer: Offer, seen: frozenset[str]) -> Iterator[tuple[str, str, str, str]]:
        """(name, desired, held, refusal) of all that is wanted or was `seen` before."""
        wanted = self.wanted(offer)
        for name in sorted(seen.union(wanted, self.held)):
            target = wanted.get(name)
            version = self.held.get(name, "")
            desired = target.known_as if target else ""
            if target is not None and target.version == version:
                self.refusals.pop(name, None)  # what it refused is no longer asked of it
                yield name, desired, desired, ""
            else:
                yield name, desired, self.aliases.get(version, version), self.refusals.get(name, "")

    def tidy(self) -> None:
        """Drop memories of versions that nothing refers to any more."""
        alive = set(self.held.values())
        if self.on_its_way is not None:
            alive.update(self.on_its_way.carried().values())
        self.aliases = {version: alias for version, alias in self.aliases.items() if version in alive}


def accept(topic: Topic, *, whole: bool) -> None:
    """The proxy took the answer up; it then holds nothing else of this kind if the answer was the `whole`."""
    answer = topic.on_its_way
    if answer is None:
        return
    topic.on_its_way = None
    carried = answer.carried()
    for name in [*carried, *(topic.held if whole else ())]:
        topic.forget(name)
    for name, version in carried.items():
        if version == REMOVED:
            topic.retained.pop(name, None)
        elif topic.wildcard or name in topic.names:
            topic.held[name] = version


def refuse(topic: Topic, text: str, *, whole: bool) -> None:
    """The proxy kept what it had. Of a refused `whole` no part can be told apart, so it is remembered as one."""
    answer = topic.on_its_way
    if answer is None:
        return
    topic.on_its_way = None
    carried = {name: version for name, version in answer.carried().items() if topic.held.get(name, "") != version}
    topic.refusals.update(dict.fromkeys(carried, text))
    if whole:
        topic.refused_whole = answer.version
    elif len(carried) == 1:
        topic.refused.update(carried)
    else:
        topic.suspects = sorted(carried)


def whole_version(resources: Mapping[str, Resource]) -> str:
    return digest_of(resources.values())

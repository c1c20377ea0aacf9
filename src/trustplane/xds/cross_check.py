"""What a proxy says it uses, compared with what it acknowledged; and whether it still listens to us.

An acknowledgement is the proxy's word that it took something up. Its `/certs` lists the TLS contexts it runs with:
serial numbers of the roots each trusts and of the leaf it shows. Contexts that contradict the acknowledgement are a
finding; contexts that do not exist contradict nothing. The comparison can take a proof away, it never makes one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from cryptography import x509

from trustplane.xds.conversation import Held
from trustplane.xds.resources import Json, Kind, Offer, Resource
from trustplane.xds.unsaid_rejections import Subscription

PROXY = "proxy/"  # then the thing whose acknowledgement is compared
LISTENS = f"{PROXY}xds"
LISTENING = "listening"
SILENT_AFTER = timedelta(seconds=15)
NAMED = 3  # serial numbers in one sentence
_SECRET = "secret/"  # noqa: S105 - how an acknowledged secret is named


@dataclass(frozen=True, slots=True)
class Context:
    """One TLS context in use, by serial numbers."""

    trusted: frozenset[int]
    leaf: int | None


@dataclass(frozen=True, slots=True)
class Shown:
    """What a proxy's administration says."""

    contexts: tuple[Context, ...]
    is_connected: bool = True
    subscriptions: tuple[Subscription, ...] = ()


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The secrets a proxy said it took up, as they were offered: the digest of each by its thing, and its content."""

    digests: tuple[tuple[str, str], ...]
    trusted: tuple[tuple[str, frozenset[int]], ...]
    leaves: tuple[tuple[str, int], ...]


def acknowledged(offer: Offer, held: Mapping[str, str]) -> Acknowledged | None:
    """None while some secret it asked for is on its way, or refused: then there is nothing to compare."""
    asked = [one for one in offer.of(Kind.SECRET).values() if _SECRET + one.name in held]
    if not asked or any(held[_SECRET + one.name] != one.known_as for one in asked):
        return None
    trusted: dict[str, frozenset[int]] = {}
    leaves: dict[str, int] = {}
    for one in asked:
        authorities, leaf = _serials(one)
        if leaf is None:
            trusted[_SECRET + one.name] = authorities
        else:
            leaves[_SECRET + one.name] = leaf
    digests = {_SECRET + one.name: one.known_as for one in asked}
    return Acknowledged(tuple(sorted(digests.items())), tuple(sorted(trusted.items())), tuple(sorted(leaves.items())))


def contradictions(said: Acknowledged, shown: Shown) -> dict[str, str]:
    """By thing, how what is in use contradicts what was acknowledged."""
    found: dict[str, str] = {}
    leaves = {leaf for _, leaf in said.leaves}
    for one in shown.contexts:
        if said.trusted and one.trusted and all(one.trusted != known for _, known in said.trusted):
            thing, meant = max(said.trusted, key=lambda each: len(each[1] & one.trusted))
            found.setdefault(thing, _other_roots(one.trusted, meant))
        if leaves and one.leaf is not None and one.leaf not in leaves:
            thing, leaf = said.leaves[0]
            found.setdefault(thing, f"its /certs shows the leaf {one.leaf:x}, not {leaf:x} that it acknowledged")
    return found


def compared(said: Acknowledged, against: Mapping[str, str]) -> list[Held]:
    """One finding for each secret: held where nothing in use contradicts it."""
    return [
        Held(PROXY + thing, digest, "" if thing in against else digest, against.get(thing, ""))
        for thing, digest in said.digests
    ]


@dataclass(frozen=True, slots=True)
class Signs:
    """Since when each is so; None where it is not."""

    unanswered: datetime | None = None  # something was sent over xDS and not answered
    streamless: datetime | None = None  # it has no xDS stream
    unconnected: datetime | None = None  # its own statistics say it has none, though it has
    mute: datetime | None = None  # its administration does not answer
    is_stopped: bool = False

    def silence(self, at: datetime) -> str:
        """Why it is to be taken for a proxy that does not listen any more, while its process lives; empty if not."""
        reasons = (
            (self.streamless, "its process lives and has had no xDS stream"),
            (self.unanswered, "it has not answered what was sent to it over xDS"),
            (self.unconnected, "it says that it is not connected to its agent, which holds its stream,"),
            (self.mute, "its administration has not answered"),
        )
        stopped = "; its process is stopped (state T)" if self.is_stopped else ""
        for since, what in reasons:
            if since is not None and at - since >= SILENT_AFTER:
                return f"{what} since {since:%H:%M:%S} UTC{stopped}"
        return ""


def listens(silence: str) -> Held:
    return Held(LISTENS, LISTENING, "" if silence else LISTENING, silence)


def _other_roots(shown: frozenset[int], meant: frozenset[int]) -> str:
    more, less = _named(shown - meant), _named(meant - shown)
    parts = [*([f"trusts {more}, which is not in it"] if more else []), *([f"lacks {less}"] if less else [])]
    return f"a TLS context in its /certs contradicts the bundle it acknowledged: it {' and '.join(parts)}"


def _named(serials: Iterable[int]) -> str:
    ordered = sorted(serials)
    more = f" and {len(ordered) - NAMED} more" if len(ordered) > NAMED else ""
    return ", ".join(f"{one:x}" for one in ordered[:NAMED]) + more


def _serials(secret: Resource) -> tuple[frozenset[int], int | None]:
    """Of the authorities in a bundle, or of the leaf."""
    match secret.content:
        case {"tls_certificate": {"certificate_chain": {"inline_string": str(pem)}}}:
            return frozenset(), _of_leaf(pem)
        case {"validation_context": {"trusted_ca": {"inline_string": str(pem)}}}:
            return _of_bundle(pem), None
        case {"validation_context": {"custom_validator_config": {"typed_config": {"trust_domains": list(domains)}}}}:
            return frozenset[int]().union(*(_of_bundle(_trust_bundle(one)) for one in domains)), None
        case _:
            return frozenset(), None


# Kept by their text, which is public, rather than by the secret, which holds a key.
@lru_cache(maxsize=1024)
def _of_leaf(pem: str) -> int:
    return x509.load_pem_x509_certificate(pem.encode()).serial_number


@lru_cache(maxsize=1024)
def _of_bundle(pem: str) -> frozenset[int]:
    return frozenset(one.serial_number for one in x509.load_pem_x509_certificates(pem.encode())) if pem else frozenset()


def _trust_bundle(domain: Json) -> str:
    match domain.get("trust_bundle"):
        case {"inline_string": str(pem)}:
            return pem
        case _:
            return ""

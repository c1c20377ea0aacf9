"""What the operator can show beside the records: the chain that was judged, and what its verifier held.

Each check looks at the certificates themselves, not at what a log says of them, so what it proves is so; that it was
the reason of this failure is for the diagnosis to weigh. Key ids decide who signed whom, never names: a root that was
made again under its old name is another root.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.x509.oid import ExtendedKeyUsageOID

from trustplane.handshake.clue import Clue, against, excludes, favours, proves
from trustplane.handshake.failure import Side
from trustplane.handshake.holding import Like, NameRule
from trustplane.spiffe.certificates import authority_key_id, der_of, extension
from trustplane.spiffe.instants import utc

MAX_CHAIN: Final = 10


@dataclass(frozen=True, slots=True)
class State:
    """`chain` is what the judged side presents, leaf first; `roots`, `crls` and `expected` are the verifier's.
    None says that it is not known, which is not the same as empty. `at` is when it was judged. `names` are rules for
    whom the verifier takes, where it wants no one name."""

    at: datetime
    chain: tuple[x509.Certificate, ...] = ()
    roots: tuple[x509.Certificate, ...] | None = None
    crls: tuple[x509.CertificateRevocationList, ...] | None = None
    expected: str = ""
    judged: Side | None = None
    names: tuple[NameRule, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "at", utc(self.at))
        # One sent twice is still one certificate, and signs nothing of its own.
        object.__setattr__(self, "chain", tuple(dict.fromkeys(self.chain))[:MAX_CHAIN])


def clues(state: State) -> list[Clue]:
    """All that the certificates and lists say."""
    checks: tuple[Callable[[State], Iterator[Clue]], ...] = (_lists, _of_lists_alone)
    if state.chain:
        checks = (_dates, _root_dates, _usage, _constraints, _self_signed, _signers, _names, *checks)
    return [clue for check in checks for clue in check(state)]


def _dates(state: State) -> Iterator[Clue]:
    leaf, *signers = state.chain
    if state.at > leaf.not_valid_after_utc:
        yield proves("leaf-expired", f"the leaf ended at {_instant(leaf.not_valid_after_utc)}")
    else:
        yield excludes("leaf-expired", f"the leaf is valid until {_instant(leaf.not_valid_after_utc)}")
    late = [one for one in state.chain if state.at < one.not_valid_before_utc]
    if late:
        yield proves("not-yet-valid", f"{_called(late[0])} begins at {_instant(late[0].not_valid_before_utc)}")
    else:
        yield excludes("not-yet-valid", "every certificate of the chain has begun")
    ended = [one for one in signers if state.at > one.not_valid_after_utc]
    if ended:
        yield proves("issuer-expired", f"{_called(ended[0])} ended at {_instant(ended[0].not_valid_after_utc)}")
    elif signers:
        yield excludes("issuer-expired", "no authority in the chain has ended")


def _root_dates(state: State) -> Iterator[Clue]:
    root = signer_of(state.chain[-1], state.roots or ())
    if root is None:
        return
    if state.at > root.not_valid_after_utc:
        cause = "root-expired" if is_self_signed(root) else "issuer-expired"
        yield proves(cause, f"the verifier's {_called(root)} ended at {_instant(root.not_valid_after_utc)}")
    else:
        yield excludes("root-expired", f"the verifier's root is valid until {_instant(root.not_valid_after_utc)}")


def _usage(state: State) -> Iterator[Clue]:
    usage = extension(state.chain[0], x509.ExtendedKeyUsage)
    needed = {
        Side.CLIENT: {ExtendedKeyUsageOID.CLIENT_AUTH},
        Side.SERVER: {ExtendedKeyUsageOID.SERVER_AUTH},
        None: {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH},
    }[state.judged]
    absent = needed - set(usage.value) if usage else set()
    if ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in (usage.value if usage else ()) or not absent:
        yield excludes("wrong-usage", "the leaf may be used for this side of a connection")
    else:
        kinds = " or ".join(sorted("client" if one == ExtendedKeyUsageOID.CLIENT_AUTH else "server" for one in absent))
        made = proves if state.judged else favours
        yield made("wrong-usage", f"the leaf's extended key usage lacks {kinds} authentication")


def _constraints(state: State) -> Iterator[Clue]:
    signers = state.chain[1:]
    for below, one in enumerate((*signers, *_top(state))):
        limit = extension(one, x509.BasicConstraints)
        if limit is not None and limit.value.path_length is not None and below > limit.value.path_length:
            yield proves(
                "path-length", f"{_called(one)} allows {limit.value.path_length} authorities below it, not {below}"
            )
            break
    else:
        yield excludes("path-length", "the chain is within every path length")
    yield from _name_constraints(state)


def _name_constraints(state: State) -> Iterator[Clue]:
    """Judged for URIs, the names of SPIFFE; of others only that there are constraints is said."""
    above = (*state.chain[1:], *_top(state))
    constrained = [(one, found.value) for one in above if (found := extension(one, x509.NameConstraints))]
    hosts = [_domain(one) for one in uris(state.chain[0])]
    for one, limits in constrained:
        if outside := next((host for host in hosts if not _within(host, limits)), None):
            yield proves("name-constraint", f"{_called(one)} may not sign for {outside}")
            return
    if any(not hosts or not _of_uris_alone(limits) for _, limits in constrained):
        yield favours("name-constraint", f"{_called(constrained[0][0])} constrains names")
    elif above:
        yield excludes("name-constraint", "no authority of the chain forbids the name")


def _within(host: str, limits: x509.NameConstraints) -> bool:
    """RFC 5280, 4.2.1.10: a constraint is a host, or with a period before it all hosts below."""

    def holds(rule: str) -> bool:
        return host.endswith(rule) if rule.startswith(".") else host == rule

    allowed = [one.value for one in limits.permitted_subtrees or () if _is_uri(one)]
    forbidden = [one.value for one in limits.excluded_subtrees or () if _is_uri(one)]
    return (not allowed or any(map(holds, allowed))) and not any(map(holds, forbidden))


def _of_uris_alone(limits: x509.NameConstraints) -> bool:
    return all(map(_is_uri, (*(limits.permitted_subtrees or ()), *(limits.excluded_subtrees or ()))))


def _is_uri(name: x509.GeneralName) -> bool:
    return isinstance(name, x509.UniformResourceIdentifier)


def _self_signed(state: State) -> Iterator[Clue]:
    if is_self_signed(state.chain[0]):
        yield proves("self-signed", "the leaf signed itself")
        yield excludes("missing-intermediate", "the leaf signed itself")
    else:
        yield excludes("self-signed", "the leaf has an issuer other than itself")


def _signers(state: State) -> Iterator[Clue]:
    """Follow the chain as a verifier does: by what is presented, then by what is held."""
    if state.roots is None or is_self_signed(state.chain[0]):
        return
    top = _climbed(state.chain)
    held = signer_of(top, state.roots)
    if held is not None or top in state.roots:
        yield excludes("unknown-issuer", "the bundle holds the signer of the chain")
        yield excludes("missing-intermediate", "the chain leads to the bundle")
        return
    wanted = authority_key(top) or "none given"
    holds = ", ".join(key_id(root) or "?" for root in state.roots[:4]) or "nothing"
    says = f"{_called(top)} was signed by key {wanted}; the bundle holds {holds}"
    namesake = next((root for root in state.roots if root.subject == top.issuer), None)
    if namesake is not None:
        yield proves("unknown-issuer", f"{says}: the same name, another key")
        yield excludes("missing-intermediate", "the bundle has a root of the issuer's name")
    elif top is state.chain[0] and state.chain[1:] == ():
        yield favours("missing-intermediate", f"{says}, and the leaf comes alone")
    else:
        yield proves("unknown-issuer", says)
        yield excludes("missing-intermediate", "the chain brings its authorities along")


def _names(state: State) -> Iterator[Clue]:
    presented = uris(state.chain[0])
    rules = (NameRule(Like.EXACT, state.expected),) if state.expected else state.names
    if not rules:
        return
    taken = next((one for one in presented if any(rule.takes(one) for rule in rules)), None)
    if taken is not None:
        yield excludes("wrong-san", f"the leaf names {taken}")
        yield excludes("wrong-trust-domain", f"the leaf names {taken}")
        return
    wanted = [rule.value for rule in rules]
    shown = ", ".join(presented) or "no name"
    foreign = presented and {_domain(one) for one in presented}.isdisjoint(map(_domain, wanted))
    cause, other = ("wrong-trust-domain", "wrong-san") if foreign else ("wrong-san", "wrong-trust-domain")
    yield proves(cause, f"the leaf names {shown}; expected was {', '.join(wanted[:3])}")
    yield against(other, f"the leaf names {shown}")


def _lists(state: State) -> Iterator[Clue]:
    if state.crls is None or not state.chain:
        return
    for one in state.chain:
        for crl in state.crls:
            if crl.issuer == one.issuer and crl.get_revoked_certificate_by_serial_number(one.serial_number):
                yield proves("revoked", f"{_called(one)}, serial {one.serial_number:x}, is on the list")
                return
    yield excludes("revoked", "no certificate of the chain is on a list")
    issuers = {crl.issuer for crl in state.crls}
    without = [one for one in state.chain if one.issuer not in issuers]
    if state.crls and without:
        yield favours("crl-missing", f"there is no list of {without[0].issuer.rfc4514_string()!r:.120}")
    else:
        yield excludes("crl-missing", "there is a list of every authority")


def _of_lists_alone(state: State) -> Iterator[Clue]:
    for crl in state.crls or ():
        if crl.next_update_utc is not None and state.at > crl.next_update_utc:
            yield proves("crl-expired", f"a list was to be replaced by {_instant(crl.next_update_utc)}")
            return
        if crl.last_update_utc > state.at:
            yield proves("crl-expired", f"a list begins at {_instant(crl.last_update_utc)}")
            return
    if state.crls is not None:
        yield excludes("crl-expired", "every list is in date")


def uris(certificate: x509.Certificate) -> tuple[str, ...]:
    names = extension(certificate, x509.SubjectAlternativeName)
    return tuple(names.value.get_values_for_type(x509.UniformResourceIdentifier)) if names else ()


def _top(state: State) -> tuple[x509.Certificate, ...]:
    root = signer_of(state.chain[-1], state.roots or ())
    return () if root is None or root in state.chain else (root,)


def _climbed(chain: tuple[x509.Certificate, ...]) -> x509.Certificate:
    """As far up from the leaf as the presented certificates lead."""
    top = chain[0]
    for _ in chain:
        above = signer_of(top, tuple(one for one in chain if one is not top))
        if above is None:
            break
        top = above
    return top


def signer_of(certificate: x509.Certificate, among: tuple[x509.Certificate, ...]) -> x509.Certificate | None:
    return next((one for one in among if _signed(one, certificate)), None)


def _signed(signer: x509.Certificate, certificate: x509.Certificate) -> bool:
    if signer.subject != certificate.issuer:
        return False
    try:
        certificate.verify_directly_issued_by(signer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def is_self_signed(certificate: x509.Certificate) -> bool:
    return _signed(certificate, certificate)


def authority_key(certificate: x509.Certificate) -> str:
    return authority_key_id(certificate)[:16]


def key_id(certificate: x509.Certificate) -> str:
    found = extension(certificate, x509.SubjectKeyIdentifier)
    return found.value.digest.hex()[:16] if found else ""


def _called(certificate: x509.Certificate) -> str:
    name = ", ".join(uris(certificate)) or certificate.subject.rfc4514_string()
    return f"{name:.120}" if name else f"a certificate of {len(der_of(certificate))} bytes"


def _domain(uri: str) -> str:
    return uri.removeprefix("spiffe://").partition("/")[0]


def _instant(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%SZ}"

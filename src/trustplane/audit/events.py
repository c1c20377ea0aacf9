"""What the audit log says, and the canonical bytes it says it in.

Every irreversible act is an intent and an outcome. A body is one JSON object with sorted keys, no spaces, no floats and
every value as text, whole number, truth or nothing, so that the same event has the same bytes everywhere and for ever.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from trustplane.fault import Broken
from trustplane.spiffe.ids import SpiffeId, TrustDomain
from trustplane.spiffe.names import NodeName

Plain = str | int | bool | None | Sequence["Plain"] | Mapping[str, "Plain"]

MAX_TEXT = 2048


@dataclass(frozen=True, slots=True)
class Signing:
    """One certificate about to be signed, or signed. `tbs_sha256` commits to every byte of it."""

    serial: int
    spiffe_id: SpiffeId
    tbs_sha256: bytes

    def plain(self) -> Plain:
        return {"serial": f"{self.serial:x}", "id": str(self.spiffe_id), "tbs_sha256": self.tbs_sha256.hex()}


def canonical(event: str, at: datetime, body: Mapping[str, Plain]) -> bytes:
    """The bytes of an event. `at` is part of them, so a changed time is a changed entry."""
    _check_plain(body)
    return json.dumps({**body, "event": event, "at": _instant(at)}, sort_keys=True, separators=(",", ":")).encode()


def x509_intent(node: NodeName, purpose: str, authority: str, orders: Sequence[Signing], at: datetime) -> bytes:
    body = {"node": node.name, "purpose": purpose, "authority": authority, "orders": [each.plain() for each in orders]}
    return canonical("x509-intent", at, body)


def x509_issued(node: NodeName, serials: Sequence[int], failed: Mapping[int, str], at: datetime) -> bytes:
    """The outcome of an intent: which of its serials are certificates, and by which fault the others are not."""
    body: Mapping[str, Plain] = {
        "node": node.name,
        "issued": [f"{serial:x}" for serial in serials],
        "failed": {f"{serial:x}": code for serial, code in failed.items()},
    }
    return canonical("x509-outcome", at, body)


def x509_refused(node: NodeName, refusals: Sequence[tuple[str, str]], at: datetime) -> bytes:
    """Requests a node had no right to make: the ID it asked for and the fault's code."""
    listed: Plain = [{"id": text[:MAX_TEXT], "code": code} for text, code in refusals]
    return canonical("x509-refused", at, {"node": node.name, "refused": listed})


def jwt_intent(node: NodeName, spiffe_id: SpiffeId, audience: Sequence[str], authority: str, at: datetime) -> bytes:
    body: Mapping[str, Plain] = {
        "node": node.name,
        "id": str(spiffe_id),
        "audience": list(audience),
        "authority": authority,
    }
    return canonical("jwt-intent", at, body)


def jwt_minted(spiffe_id: SpiffeId, authority: str, expires_at: datetime, token_sha256: bytes, at: datetime) -> bytes:
    body = {
        "id": str(spiffe_id),
        "authority": authority,
        "expires_at": _instant(expires_at),
        "token_sha256": token_sha256.hex(),
    }
    return canonical("jwt-outcome", at, body)


def authority_intent(step: str, authority: str, kind: str, owner: NodeName | None, at: datetime) -> bytes:
    """A key is about to be used for the first time. `step` is `made`."""
    body: Mapping[str, Plain] = {
        "step": step,
        "authority": authority,
        "kind": kind,
        "owner": owner.name if owner else None,
    }
    return canonical("authority-intent", at, body)


def authority_step(step: str, authority: str, at: datetime) -> bytes:
    """An authority is about to be activated, drained or retired."""
    return canonical("authority-intent", at, {"step": step, "authority": authority})


def authority_outcome(step: str, authority: str, at: datetime, *, done: bool) -> bytes:
    """`done` is false when another replica was first."""
    return canonical("authority-outcome", at, {"step": step, "authority": authority, "done": done})


def revocation(step: str, what: Sequence[str], reason: str, note: str, by: str, at: datetime) -> bytes:  # noqa: PLR0917 - one field each
    """`step` is `intent` or `outcome`; `what` names certificates, IDs and authorities, each with its kind."""
    body: Mapping[str, Plain] = {
        "what": [one[:MAX_TEXT] for one in what],
        "reason": reason,
        "note": note[:MAX_TEXT],
        "by": by[:MAX_TEXT],
    }
    return canonical(f"revocation-{step}", at, body)


def revocation_lifted(spiffe_id: SpiffeId, by: str, at: datetime) -> bytes:
    return canonical("revocation-lifted", at, {"id": str(spiffe_id), "by": by[:MAX_TEXT]})


def issuer_cut(authority: str, left: int, at: datetime) -> bytes:
    """From here on nothing it signed is accepted. `left`: leaves in use that were not replaced before."""
    return canonical("issuer-cut", at, {"authority": authority, "left": left})


def root_change(step: str, number: int, action: str, about: Mapping[str, str], by: str, at: datetime) -> bytes:  # noqa: PLR0917 - one field each
    """`step` is `intent` or `outcome`; `action` is what is done to change `number`, `about` with what."""
    told: Plain = {name: value[:MAX_TEXT] for name, value in about.items()}
    body: Mapping[str, Plain] = {"number": number, "action": action, "about": told, "by": by[:MAX_TEXT]}
    return canonical(f"root-change-{step}", at, body)


def proxy_doubt(node: NodeName, participant: str, thing: str, why: str, at: datetime) -> bytes:
    """What a node says of one of its proxies; without a `why`, that it is over."""
    about = {"node": node.name, "participant": participant[:MAX_TEXT], "thing": thing[:MAX_TEXT]}
    if not why:
        return canonical("proxy-no-longer-in-doubt", at, about)
    return canonical("proxy-in-doubt", at, {**about, "why": why[:MAX_TEXT]})


def crl_intent(authority: str, number: int, serials: Sequence[int], tbs_sha256: bytes, at: datetime) -> bytes:
    body: Mapping[str, Plain] = {
        "authority": authority,
        "number": number,
        "serials": [f"{serial:x}" for serial in serials],
        "tbs_sha256": tbs_sha256.hex(),
    }
    return canonical("crl-intent", at, body)


def crl_signed(authority: str, number: int, at: datetime, *, done: bool) -> bytes:
    """`done` is false when another replica was first."""
    return canonical("crl-outcome", at, {"authority": authority, "number": number, "done": done})


def token_created(node: NodeName, expires_at: datetime, by: str, at: datetime) -> bytes:
    """A join token, never the token itself."""
    return canonical("token-created", at, {"node": node.name, "expires_at": _instant(expires_at), "by": by[:MAX_TEXT]})


def node_admitted(node: NodeName, evidence: str, address: str, at: datetime) -> bytes:
    """A node proved itself and is about to get its SVID."""
    body = {"node": node.name, "evidence": evidence[:MAX_TEXT], "address": address[:MAX_TEXT]}
    return canonical("node-admitted", at, body)


def agent_banned(node: NodeName, by: str, at: datetime) -> bytes:
    return canonical("agent-banned", at, {"node": node.name, "by": by[:MAX_TEXT]})


def revision_intent(number: int, digest: str, by: str, at: datetime, policies: Mapping[str, Plain]) -> bytes:
    """`policies` commit to the rules that will be enforced, and to what they come from."""
    body: Mapping[str, Plain] = {"number": number, "digest": digest, "by": by[:MAX_TEXT], "policies": policies}
    return canonical("revision-intent", at, body)


def revision_applied(number: int, digest: str, by: str, restored_from: int | None, at: datetime) -> bytes:
    body: Mapping[str, Plain] = {
        "number": number,
        "digest": digest,
        "by": by[:MAX_TEXT],
        "restored_from": restored_from,
    }
    return canonical("revision-applied", at, body)


def dry_run(step: str, action: str, about: Mapping[str, str], by: str, at: datetime) -> bytes:
    """`step` is `intent` or `outcome`; `action` is `start`, `stop`, `promote` or, as an outcome only, `end`."""
    told: Plain = {name: value[:MAX_TEXT] for name, value in about.items()}
    return canonical(f"dry-run-{step}", at, {"action": action, "about": told, "by": by[:MAX_TEXT]})


def federation(  # noqa: PLR0917 - one field each
    phase: str, step: str, trust_domain: TrustDomain, what: Mapping[str, Plain], by: str, at: datetime
) -> bytes:
    """`phase` is `intent` or `outcome`; `step` is `begun`, `taken`, `stated`, `ended` or `forgotten`."""
    body = {**what, "step": step, "trust_domain": trust_domain.name, "by": by[:MAX_TEXT]}
    return canonical(f"federation-{phase}", at, body)


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _check_plain(value: object) -> None:
    match value:
        case None | str() | int():
            return
        case Mapping():
            for each in value.values():
                _check_plain(each)
        case list() | tuple():
            for each in value:
                _check_plain(each)
        case _:
            raise Broken(
                code="event-not-plain",
                what=f"an audit event holds a {type(value).__name__}",
                why="events hold text, whole numbers, truths and nothing else, so that their bytes never vary",
                fix="report this with the event's name",
            )

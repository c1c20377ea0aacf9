"""A server's and an agent's state as people read it: what is wrong first, then what is."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

import typer

from trustplane.cli.output import Exit, fields, instant, relative, span, table
from trustplane.wire.http_shapes import AgentShape, AgentStatusShape, FindingShape, ServerStatusShape

MAX_SERVICES = 20


SKEW_SHOWN = 5.0  # seconds


def server(of: ServerStatusShape) -> str:
    about = fields(
        [
            ("server", f"{of.instance} of {of.trust_domain}, version {of.version}, {of.database}"),
            ("up since", f"{instant(of.started_at)} ({relative(of.started_at, of.now)})"),
            ("issues", "yes" if of.can_issue else "NO"),
            ("revision", _revision(of)),
            ("bundle", f"{of.bundle_digest[:12]}, sequence {of.bundle_sequence}"),
        ]
    )
    return _blocks(
        [
            about,
            *(_reason(one) for one in (*of.reasons, *of.findings)),
            _authorities(of),
            _nodes(of),
            _outage_budget(of),
            _hosted(of),
            _not_held(of),
        ]
    )


def _revision(of: ServerStatusShape) -> str:
    revision = of.revision
    if revision is None:
        return "none applied yet: trustplane apply DIR"
    restored = f", restored from {revision.restored_from}" if revision.restored_from else ""
    when = relative(revision.applied_at, of.now)
    return f"{revision.number} with {of.services} services, by {revision.applied_by} {when}{restored}"


def _authorities(of: ServerStatusShape) -> str:
    rows = ((one.id[:12], one.kind, one.state, relative(one.not_after, of.now)) for one in of.authorities)
    return table(("AUTHORITY", "KIND", "STATE", "EXPIRES"), rows)


def _nodes(of: ServerStatusShape) -> str:
    if not of.agents:
        return "no node has joined yet: trustplane server token create NODE"
    rows = (
        (one.node, one.address, _agent_state(one), relative(one.expires_at, of.now), one.evidence) for one in of.agents
    )
    return table(("NODE", "ADDRESS", "STATE", "EXPIRES", "PROVED BY"), rows)


def _agent_state(one: AgentShape) -> str:
    if one.banned:
        return "banned"
    if not one.connected:
        return "away"
    skew = one.clock_skew_seconds or 0
    return "connected" if abs(skew) < SKEW_SHOWN else f"connected, clock {skew:+.0f} s off"


def _outage_budget(of: ServerStatusShape) -> str:
    budget = of.outage_budget
    if budget is None or budget.first is None:
        return "issuer outage budget: no service has a leaf yet"
    asked = "" if budget.mttr_seconds is None else f", {_against_mttr(budget.first.seconds, budget.mttr_seconds)}"
    title = f"issuer outage budget: {_length(budget.first.seconds)}{asked}"
    least = sorted(budget.services, key=lambda one: (one.at, one.service))
    rows = [(one.service, _length(one.seconds), one.node, one.serial) for one in least[:MAX_SERVICES]]
    more = [f"and {len(least) - MAX_SERVICES} services with more: --json"] if len(least) > MAX_SERVICES else []
    return "\n".join([title, table(("SERVICE", "BUDGET", "FIRST TO EXPIRE ON", "SERIAL"), rows), *more])


def _against_mttr(seconds: float, mttr: float) -> str:
    return f"{'BELOW' if seconds < mttr else 'not below'} mttr {_length(mttr)}"


def _length(seconds: float) -> str:
    return span(timedelta(seconds=seconds))


def _hosted(of: ServerStatusShape) -> str:
    rows = [(one.service, one.node, relative(one.since, of.now)) for one in of.sidecars]
    return table(("SIDECAR", "NODE", "ATTACHED"), rows) if rows else ""


def _not_held(of: ServerStatusShape) -> str:
    rows = [
        (one.participant, one.node, one.thing, one.state, relative(one.since, of.now), one.refusal)
        for one in of.not_held
    ]
    if not rows:
        return "every participant holds what it should"
    left_off = f"\nand {of.not_held_left_off} more" if of.not_held_left_off else ""
    return table(("NOT HELD BY", "NODE", "THING", "STATE", "SINCE", "REFUSAL"), rows) + left_off


def agent(of: AgentStatusShape) -> str:
    node_svid = f"{of.node_serial}, expires {relative(of.node_expires_at, of.now)}" if of.node_serial else "none"
    about = fields(
        [
            ("agent", f"{of.node} of {of.trust_domain}, version {of.version}"),
            ("server", f"{of.server or 'none'}: {of.server_state}"),
            ("away since", relative(of.disconnected_since, of.now) if of.disconnected_since else ""),
            ("last error", of.server_error or ""),
            ("node SVID", node_svid),
            ("view", "none yet" if of.revision is None else f"revision {of.revision}, {(of.view_digest or '')[:12]}"),
            ("workloads", f"{of.workloads} connected to {of.workload_socket}"),
            ("xDS", of.xds_socket),
            ("clock", _skew(of.clock_skew_seconds, of.clock_skew_error_seconds)),
            ("after restart", "serves what it serves now" if of.survives_restart else "needs a server first"),
        ]
    )
    return _blocks([about, *(_reason(one) for one in of.reasons), _entries(of), _attached(of)])


def _skew(seconds: float | None, error: float | None) -> str:
    if seconds is None or error is None:
        return "not compared with a server's yet"
    if abs(seconds) <= error:
        return f"agrees with the server's, to {error:.3f} s"
    return f"{abs(seconds):.3f} s {'behind' if seconds > 0 else 'ahead of'} the server's, to {error:.3f} s"


def _entries(of: AgentStatusShape) -> str:
    rows = [
        (
            one.spiffe_id,
            (one.serial or "none yet")[:16],
            relative(one.not_after, of.now),
            relative(one.renew_at, of.now),
            str(one.renewals),
            one.last_error or "",
        )
        for one in of.entries
    ]
    header = ("SPIFFE ID", "SERIAL", "EXPIRES", "RENEWS", "RENEWALS", "LAST ERROR")
    return table(header, rows) if rows else "no entry is for this node"


def _attached(of: AgentStatusShape) -> str:
    rows = [(one.service, "serving" if one.serving else "waiting", one.refusal or "") for one in of.sidecars]
    counts = [one.connections_of_before for one in of.sidecars]
    if any(count is not None for count in counts):
        shown = ("not counted" if count is None else str(count) for count in counts)
        counted = [
            (service, state, count, refusal) for (service, state, refusal), count in zip(rows, shown, strict=True)
        ]
        return table(("SIDECAR", "STATE", "CONNECTIONS OF BEFORE", "REFUSAL"), counted)
    return table(("SIDECAR", "STATE", "REFUSAL"), rows) if rows else ""


def _reason(one: FindingShape) -> str:
    where = f" at {one.place}" if one.place else ""
    return f"error[{one.code}]{where}: {one.what}\n  why: {one.why}\n  fix: {one.fix}"


def _blocks(texts: Iterable[str]) -> str:
    return "\n\n".join(text for text in texts if text)


def end(server: ServerStatusShape | None, agent: AgentStatusShape | None) -> None:
    """With 1 when one that answered cannot do its work."""
    if (server is not None and not server.can_issue) or (
        agent is not None and (agent.server_error or not agent.healthy)
    ):
        raise typer.Exit(Exit.FAILED)

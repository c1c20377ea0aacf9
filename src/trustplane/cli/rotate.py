"""`trustplane rotate`: change the root of trust with everyone watching."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from trustplane.cli import admin, cluster_text, rotate_rehearse
from trustplane.cli.break_glass import BreakGlass
from trustplane.cli.output import WrongInput, fields, instant, relative, say, say_json, span, table, write_picture
from trustplane.cli.sockets import AsJson, ServerSocket
from trustplane.wire import http_rotation_shapes as shapes
from trustplane.wire.http_rotation_shapes import RotationPlanShape, RotationShape, RotationsShape, RotationStatusShape

MOST_SHOWN = 20
MOST_WORDS = 3  # refusals and doubts in their own words
_OVER = {"done", "aborted"}

Reason = Annotated[str, typer.Option("--reason", help="Why; kept in the audit log.")]
Emergency = Annotated[
    bool, typer.Option("--emergency", help="The old key is in wrong hands: do not wait for who is away, or for expiry.")
]
Who = Annotated[str, typer.Argument(metavar="PARTICIPANT", help="As `rotate status` names it, in quotes.")]
Owner = Annotated[str, typer.Option("--owner", help="Who answers for what breaks there.")]
Until = Annotated[str, typer.Option("--until", help="When it ends: 2030-01-31, or 2030-01-31T12:00:00Z.")]
Picture = Annotated[Path | None, typer.Option("--svg", help="Write the picture to this file.")]
Many = Annotated[int, typer.Option("--limit", help="How many at most.", min=1, max=1000)]

EXAMPLES = """\b
Examples:
  trustplane rotate plan
  trustplane rotate rehearse trust/
  trustplane rotate start --reason "yearly rotation"
  trustplane rotate status
  trustplane rotate waive "agent node-7" --reason "burnt down" --owner team-shop --until 2030-01-31
  trustplane rotate waive "cluster east" --reason "flooded" --owner team-shop --until 2030-01-31
  trustplane rotate abort
"""

group = typer.Typer(
    name="rotate",
    help="Change the root of trust with everyone watching.",
    epilog=EXAMPLES,
    no_args_is_help=True,
)


@group.command()
def start(
    server_socket: ServerSocket,
    reason: Reason,
    *,
    emergency: Emergency = False,
    break_glass: BreakGlass = "",
    as_json: AsJson = False,
) -> None:
    """Begin to change the root.

    A new root is made and published; when every participant has proved that it trusts it, it signs; when nothing
    depends on the old one any more, that leaves. Nothing is waited for by this command: see `rotate status`.
    """
    body = shapes.RotationRequest(reason=reason, emergency=emergency)
    found = admin.server(server_socket).post("/v1/rotations", RotationShape, body, break_glass)
    _tell(found, "begun; see how far it is with: trustplane rotate status", as_json=as_json)


@group.command()
def plan(
    server_socket: ServerSocket, *, emergency: Emergency = False, svg: Picture = None, as_json: AsJson = False
) -> None:
    """The exact sequence for this fleet as Markdown, and as a picture, told by the machine that would do it.

    With a change under way, what is left of it. Nothing is changed.
    """
    server = admin.server(server_socket)
    found = server.get("/v1/rotation/plan", RotationPlanShape, emergency=int(emergency))
    if svg is not None:
        write_picture(svg, found.svg)
    say_json(found) if as_json else say(found.markdown)


@group.command()
def rehearse(  # noqa: PLR0913 - one parameter per option
    server_socket: ServerSocket,
    directory: rotate_rehearse.Directory = None,
    services: rotate_rehearse.Services = 4,
    lifetime: rotate_rehearse.Life = "20s",
    envoy: rotate_rehearse.EnvoyPath = None,
    *,
    live_readonly: rotate_rehearse.LiveReadonly = False,
    as_json: AsJson = False,
) -> None:
    """Change the root of a throw-away copy, under calls.

    A server, two agents and real Envoys for a few services of the repository, with leaves that live for seconds, in a
    folder that is gone afterwards. Says how long each phase took, who was waited for to the last, and which calls
    failed. Ends with 1 when one did. With --live-readonly there is no copy: the server says whom a change would wait
    for now, and shows every sidecar its own certificate to see whether it is let in.
    """
    if live_readonly:
        if directory:
            raise WrongInput(
                code="wrong-usage",
                what="--live-readonly takes no directory",
                why="it asks the fleet that runs, whatever a repository says",
                fix="leave one of them out",
            )
        rotate_rehearse.on_the_fleet(admin.server(server_socket), as_json=as_json)
    else:
        rotate_rehearse.on_a_copy(directory, services, lifetime, envoy, as_json=as_json)


@group.command()
def status(server_socket: ServerSocket, *, as_json: AsJson = False) -> None:
    """How far the change of root is, and whom it waits for, since when, and what would unblock it."""
    found = admin.server(server_socket).get("/v1/rotation", RotationStatusShape)
    say_json(found) if as_json else say(status_text(found))


@group.command()
def pause(server_socket: ServerSocket, *, as_json: AsJson = False) -> None:
    """Do nothing further until `rotate resume`. What was begun of a phase is finished."""
    found = admin.server(server_socket).post("/v1/rotation/pause", RotationShape)
    _tell(found, "paused; go on with: trustplane rotate resume", as_json=as_json)


@group.command()
def resume(server_socket: ServerSocket, *, as_json: AsJson = False) -> None:
    """Go on with a change that was paused."""
    found = admin.server(server_socket).post("/v1/rotation/resume", RotationShape)
    _tell(found, "goes on", as_json=as_json)


@group.command()
def abort(server_socket: ServerSocket, *, as_json: AsJson = False) -> None:
    """Go back to the root of before; possible until it begins to leave the bundles.

    After the switch this is the same way with the roots exchanged: leaves are renewed below the old root first.
    """
    found = admin.server(server_socket).post("/v1/rotation/abort", RotationShape)
    _tell(found, "goes back; see how far it is with: trustplane rotate status", as_json=as_json)


@group.command()
def history(server_socket: ServerSocket, *, limit: Many = 20, as_json: AsJson = False) -> None:
    """Changes of root, the newest first. Each step of each is in the audit log."""
    found = admin.server(server_socket).get("/v1/rotations", RotationsShape, limit=limit)
    say_json(found) if as_json else say(_history(found))


@group.command()
def waive(  # noqa: PLR0913 - one parameter per option
    participant: Who,
    server_socket: ServerSocket,
    reason: Reason,
    owner: Owner,
    until: Until,
    *,
    break_glass: BreakGlass = "",
    as_json: AsJson = False,
) -> None:
    """Do not wait for one participant, until a day. What breaks there is its owner's.

    Of a cluster that is waived, whoever is away is not waited for; who comes back is.
    """
    body = shapes.WaiverRequest(participant=participant, reason=reason, owner=owner, until=ending(until))
    found = admin.server(server_socket).post("/v1/rotation/waivers", RotationShape, body, break_glass)
    _tell(found, f"{participant} is not waited for until {instant(body.until)}", as_json=as_json)


def status_text(found: RotationStatusShape) -> str:
    one = found.rotation
    if one is None:
        return "no root was ever changed here; begin with: trustplane rotate start --reason WHY"
    parts = [_heading(one), fields(_about(one, found))]
    if one.phase not in _OVER:
        parts += filter(None, [cluster_text.progress(found.clusters, found.waiting, found.now)])
    if found.waiting:
        parts += _waited_for(found)
    if found.partners:
        shown = [(one.trust_domain, one.rule, one.shows) for one in found.partners[:MOST_SHOWN]]
        more = len(found.partners) - MOST_SHOWN
        tail = f"\nand {more} more: trustplane rotate status --json" if more > 0 else ""
        parts.append(table(("OTHER TRUST DOMAIN", "BELIEVED BY", "NOW IT"), shown) + tail)
    if found.gives_up:
        parts.append("\n".join(["this is an emergency; it gives up:", *(f"  {each}" for each in found.gives_up)]))
    return "\n\n".join(parts)


def _waited_for(found: RotationStatusShape) -> list[str]:
    cut = cluster_text.cut_off(found.clusters)
    named = [each for each in found.waiting if not cluster_text.is_told_by_its_cluster(each, cut)]
    rows = cluster_text.lines_of_cut_off(cut, found.waiting, found.now)
    rows += [(each.participant or "-", each.what, _since(each, found.now), each.unblock) for each in named]
    parts = [table(("WAITING FOR", "BECAUSE IT", "SINCE", "WHAT WOULD UNBLOCK IT"), rows[:MOST_SHOWN])]
    more = len(rows) - MOST_SHOWN
    parts += [f"and {more} more: trustplane rotate status --json"] if more > 0 else []
    said = {True: "is in doubt", False: "refused"}
    words = [f"{each.participant} {said[each.code == 'doubt']}: {each.refusal}" for each in named if each.refusal]
    more = len(words) - MOST_WORDS
    return [*parts, *words[:MOST_WORDS]] + ([f"and {more} more refusals and doubts: --json"] if more > 0 else [])


def _about(one: RotationShape, found: RotationStatusShape) -> list[tuple[str, str]]:
    is_over = one.phase in _OVER
    return [
        ("phase", f"{one.phase}, {'' if is_over else 'for '}{span(found.now - one.since)}{' ago' if is_over else ''}"),
        ("started", f"{instant(one.started_at)} by {one.by}"),
        ("reason", one.reason),
        ("old root" if not one.going_back else "root to leave", one.leaving[:12]),
        ("new root" if not one.going_back else "root to stay", one.coming[:12] if one.coming else "not made yet"),
        ("ready", "" if is_over else f"{found.ready} of {found.participants} participants"),
        *((("waived", f"{each.participant} until {instant(each.until)}: {each.reason}")) for each in one.waivers),
    ]


def _heading(one: RotationShape) -> str:
    marks = [name for name, holds in (("emergency", one.emergency), ("paused", one.paused)) if holds]
    way = "going back to the root of before" if one.going_back else "change of root"
    return f"{way} {one.number}{' (' + ', '.join(marks) + ')' if marks else ''}"


def _since(each: shapes.WaitingShape, now: datetime) -> str:
    since = relative(each.since, now) if each.since else "never heard"
    return f"{since}, ends {relative(each.until, now)}" if each.until else since


def _history(found: RotationsShape) -> str:
    if not found.rotations:
        return "no root was ever changed here"
    rows = [
        (
            str(one.number),
            one.phase,
            instant(one.started_at),
            instant(one.since),
            one.leaving[:12],
            one.coming[:12] if one.coming else "-",
            one.by,
            one.reason,
        )
        for one in found.rotations
    ]
    listed = table(("NUMBER", "PHASE", "STARTED", "SINCE", "LEAVING", "COMING", "BY", "REASON"), rows)
    return listed + ("\nand older ones: --limit" if found.more else "")


def _tell(found: RotationShape, outcome: str, *, as_json: bool) -> None:
    if as_json:
        say_json(found)
    else:
        say(f"change of root {found.number}: {outcome}")


def ending(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise WrongInput(
            code="bad-day",
            what=f"{text!r:.60} is no day",
            why="a waiver ends at a known moment",
            fix="write it as 2030-01-31 or 2030-01-31T12:00:00Z",
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)

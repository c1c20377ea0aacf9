"""`trustplane bundle`: who holds the published bundle, and who does not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import typer

from trustplane.cli import admin, cluster_text
from trustplane.cli.output import Exit, fields, instant, relative, say, say_json, table
from trustplane.cli.sockets import AsJson, ServerSocket
from trustplane.fault import Refused
from trustplane.wire.http_rotation_shapes import BundleHolderShape, BundleStatusShape, ClusterProgressShape

MOST_SILENT = 20

MOST_DOUBTS = 10
MOST_LINKS = 20

EXAMPLES = """\b
Examples:
  trustplane bundle status
  trustplane bundle verify || echo "someone differs"
"""

group = typer.Typer(
    name="bundle",
    help="Who holds the published bundle, and who does not.",
    epilog=EXAMPLES,
    no_args_is_help=True,
)


@group.command()
def status(server_socket: ServerSocket, *, as_json: AsJson = False) -> None:
    """Every participant, what it should hold, what it holds, since when, and which roots a probe proved."""
    found = admin.server(server_socket).get("/v1/bundle-status", BundleStatusShape)
    say_json(found) if as_json else say(_text(found))


@group.command()
def verify(server_socket: ServerSocket, *, as_json: AsJson = False) -> None:
    """Exit with 0 if everyone holds the published bundle, with 1 if anyone differs or is silent."""
    found = admin.server(server_socket).get("/v1/bundle-status", BundleStatusShape)
    if found.agree:
        say_json(found) if as_json else say(
            f"all {len(found.holders) + found.holders_left_off} holders have {found.digest[:12]}"
        )
        return
    if as_json:
        say_json(found)
        raise typer.Exit(Exit.FAILED)
    differing = dict.fromkeys(f"{one.participant} on {one.node}" for one in found.holders if not one.agrees)
    wrong = [*differing, *found.silent]
    least = " or more" if found.holders_left_off else ""
    raise Refused(
        code="bundle-not-held",
        what=f"{len(wrong)}{least} cannot be said to hold {found.digest[:12]}: {', '.join(wrong[:10])}",
        why="they hold another bundle, said nothing yet, or contradict what they said",
        fix="trustplane bundle status shows since when; then trustplane agent status on their nodes",
    )


def _text(found: BundleStatusShape) -> str:
    roots = ", ".join(f"{one.id[:12]} ({one.state}, until {instant(one.not_after)})" for one in found.roots)
    digest = f"{found.digest[:12]}, and {found.x509_digest[:12]} without its JWT keys"
    about = fields((("digest", digest), ("sequence", str(found.sequence)), ("roots", roots)))
    cut = cluster_text.cut_off(found.clusters)
    shown = [one for one in found.holders if one.agrees or one.cluster not in cut]
    rows = [
        (
            one.participant,
            one.node,
            one.thing,
            one.desired[:12],
            one.held[:12] or "-",
            relative(one.since, found.now),
            _state(one),
        )
        for one in sorted(shown, key=lambda one: (one.agrees, one.node, one.participant, one.thing))
    ]
    listed = table(("PARTICIPANT", "NODE", "THING", "DESIRED", "HELD", "SINCE", "STATE"), rows)
    listed += (
        f"\nand {found.holders_left_off} more; those that differ are listed first" if found.holders_left_off else ""
    )
    more = f" and {len(found.silent) - MOST_SILENT} more" if len(found.silent) > MOST_SILENT else ""
    silent = f"nothing known of: {', '.join(found.silent[:MOST_SILENT])}{more}" if found.silent else ""
    clusters = cluster_text.holders(found.clusters, found.now)
    tables = (about, clusters, *_left_out(cut), listed, silent, _links(found), _elsewhere(found))
    return "\n\n".join(part for part in (*tables, *_doubts(shown)) if part)


def _left_out(cut: Mapping[str, ClusterProgressShape]) -> list[str]:
    """One sentence for each cluster that is cut off, in place of its rows."""
    return [
        f"cluster {name} is cut off: {one.participants - one.ready} of it do not hold the bundle; {one.unblock}"
        for name, one in cut.items()
        if one.ready < one.participants
    ]


def _links(found: BundleStatusShape) -> str:
    """Those below a root that does not sign any more first."""
    ordered = sorted(found.links, key=lambda one: (one.root_state == "active", not one.seen, one.link))
    rows = [
        (
            one.link,
            one.shown_by,
            f"{one.root[:12]} ({one.root_state})" if one.root else "not known",
            one.node,
            "in use" if one.seen else f"not seen since {instant(one.since)}",
        )
        for one in ordered[:MOST_LINKS]
    ]
    more = len(ordered) - MOST_LINKS + found.links_left_off
    tail = f"\nand {more} more links: trustplane bundle status --json" if more > 0 else ""
    return table(("LINK", "CERTIFICATE OF", "BELOW ROOT", "SEEN BY", "STATE"), rows) + tail if rows else ""


def _elsewhere(found: BundleStatusShape) -> str:
    """Who let a probe in comes last."""
    ordered = sorted(found.partner_probes, key=lambda one: (one.outcome == "let in", not one.refusal, one.service))
    rows = [
        (one.service, one.node, one.root[:12], one.outcome, relative(one.since, found.now), one.refusal or "")
        for one in ordered[:MOST_LINKS]
    ]
    more = len(ordered) - MOST_LINKS
    tail = f"\nand {more} more: trustplane bundle status --json" if more > 0 else ""
    header = ("SERVICE OF ANOTHER DOMAIN", "ASKED FROM", "PROBE BELOW ROOT", "OUTCOME", "SINCE", "REFUSAL")
    return table(header, rows) + tail if rows else ""


def _doubts(shown: Sequence[BundleHolderShape]) -> list[str]:
    found = [f"{one.participant} on {one.node} is in doubt: {one.refusal}" for one in shown if one.in_doubt]
    more = len(found) - MOST_DOUBTS
    return found[:MOST_DOUBTS] + ([f"and {more} more: trustplane bundle status --json"] if more > 0 else [])


def _state(one: BundleHolderShape) -> str:
    if one.in_doubt:
        return "in doubt, see below"
    if one.refusal:
        return f"refused: {one.refusal[:80]}"
    probed = f", probe {' '.join(one.proven_by_probe)}" if one.proven_by_probe else ""
    return ("held" if one.agrees else "differs") + probed

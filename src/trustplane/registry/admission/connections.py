"""How long connections may last, against how long a request takes and how long a certificate is valid."""

from __future__ import annotations

from datetime import timedelta

from trustplane.registry.draft import Draft, Drafted
from trustplane.registry.durations import as_written
from trustplane.registry.findings import Findings
from trustplane.registry.model import Service


def check_connections(draft: Draft, findings: Findings) -> None:
    profiles = {**draft.built_in, **{name: one.value for name, one in draft.profiles.items()}}
    for _, drafted in sorted(draft.services.items()):
        longest = drafted.value.connections.longest
        if longest is not None:
            _check_requests(drafted, longest, findings)
            profile = profiles.get(drafted.value.profile)
            if profile is not None:
                _check_leaf(drafted, longest, profile.lifetime, findings)
        if drafted.value.connections.drains:
            _check_sidecar(drafted, findings)


def _check_requests(drafted: Drafted[Service], longest: timedelta, findings: Findings) -> None:
    request = drafted.value.longest_request
    if longest <= request:
        findings.add(
            code="connection-shorter-than-request",
            what=f"connections of {drafted.value.name} last {as_written(longest)}, its requests up to "
            f"{as_written(request)}",
            why="a request is never cut, so such a connection would last longer than it says here",
            fix=f"write longest: more than {as_written(request)}, or a shorter longest_request",
            place=drafted.place("connections", "longest"),
        )


def _check_leaf(drafted: Drafted[Service], longest: timedelta, lifetime: timedelta, findings: Findings) -> None:
    if longest > lifetime:
        findings.add(
            code="connection-outlives-leaf",
            what=f"connections of {drafted.value.name} last {as_written(longest)}, its certificates "
            f"{as_written(lifetime)}",
            why="the certificate shown at the start of a connection is not looked at again while it is open",
            fix=f"write longest: {as_written(lifetime)} or less, or use a profile with a longer lifetime",
            place=drafted.place("connections", "longest"),
        )


def _check_sidecar(drafted: Drafted[Service], findings: Findings) -> None:
    if drafted.value.ports is None:
        findings.add(
            code="drain-without-sidecar",
            what=f"connections of {drafted.value.name} are to be made anew when trust changes, and it has no ports",
            why="a service without ports has no sidecar, and nobody else can make its connections anew",
            fix="write ports: {app: 20101, mesh: 20201}, or remove when_trust_changes",
            place=drafted.place("connections", "when_trust_changes"),
        )

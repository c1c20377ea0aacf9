"""The panels of the dashboards: what each shows, in which unit, from which query.

Colours carry a meaning only where there is a threshold: green is as it should be, orange is a ticket, red is a page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Panel:
    """`queries` by legend. `kind`: stat, timeseries or table. `steps`: from which value on which colour."""

    title: str
    meaning: str
    unit: str
    queries: Mapping[str, str]
    kind: str = "timeseries"
    steps: Sequence[tuple[float | None, str]] = ()
    width: int = 12

    @property
    def height(self) -> int:
        return 4 if self.kind == "stat" else 8


@dataclass(frozen=True, slots=True)
class Dashboard:
    uid: str
    title: str
    panels: Sequence[Panel]


def _stat(title: str, meaning: str, unit: str, query: str, steps: Sequence[tuple[float | None, str]]) -> Panel:
    return Panel(title, meaning, unit, {"": query}, "stat", steps, 6)


def _until(query: str) -> str:
    return f"{query} - time()"


WRONG = ((None, "green"), (1, "orange"))
WORST = ((None, "green"), (1, "red"))
LEFT = ((None, "red"), (600, "orange"), (1800, "green"))
NIGHT = Dashboard(
    "trustplane-night",
    "trustplane: the fleet at 3 a.m.",
    [
        _stat(
            "Outage budget",
            "If no server issued from now on, the first leaf would expire after this long.",
            "s",
            "min(trustplane_issuer_outage_budget_seconds)",
            LEFT,
        ),
        _stat(
            "Leaves lost",
            "Leaves that expired in the last day without a successor: their services refuse and are refused.",
            "short",
            'sum(max by (cohort) (trustplane_cohort_leaves_lost{by="cluster"}))',
            WORST,
        ),
        _stat(
            "Leaves late",
            "Still valid, but half of the time from renewal to expiry is gone without a new one.",
            "short",
            'sum(max by (cohort) (trustplane_cohort_leaves_late{by="cluster"}))',
            WRONG,
        ),
        _stat(
            "Agents away",
            "Agents that are connected to no server. Their nodes serve what they hold.",
            "short",
            "sum(max by (cluster) (trustplane_agents_away))",
            WRONG,
        ),
        _stat(
            "Stale leaves served",
            "Proxies that serve a leaf which was replaced.",
            "short",
            "sum(max by (cluster) (trustplane_leaves_served_stale))",
            WRONG,
        ),
        _stat(
            "Bundle holders behind",
            "Holders that do not hold the published bundle.",
            "short",
            "sum(max by (cluster) (trustplane_bundle_holders_behind))",
            WRONG,
        ),
        _stat(
            "Refusals and doubts",
            "Resources that proxies refuse, and proxies that contradict themselves or listen no more.",
            "short",
            "sum(max by (kind) (trustplane_resources_refused)) + sum(max by (because) (trustplane_proxies_in_doubt))",
            WRONG,
        ),
        _stat(
            "Age of these figures",
            "Since a server last read the fleet from the database. Above some seconds, the rest of this page is old.",
            "s",
            "time() - max(trustplane_fleet_read_timestamp_seconds)",
            ((None, "green"), (120, "orange"), (600, "red")),
        ),
        Panel(
            "Firing alerts",
            "What fires now; `trustplane runbook show` with its name prints what to do.",
            "short",
            {"": 'sum by (alertname, severity) (ALERTS{alertname=~"Trustplane.+", alertstate="firing"})'},
            "table",
        ),
        Panel(
            "Ends of the chain",
            "Until the first leaf, issuing authority, root, JWT key or CRL ends.",
            "s",
            {"{{link}}": _until("min by (link) (trustplane_chain_expiry_timestamp_seconds)")},
        ),
        Panel(
            "Outage budget over time",
            "It saws as leaves age and are renewed. A straight fall: nobody issues. The line is the time to repair.",
            "s",
            {
                "budget": "min(trustplane_issuer_outage_budget_seconds)",
                "time to repair": "trustplane:time_to_repair:seconds",
            },
        ),
        Panel(
            "Agents by cluster",
            "Enrolled and away.",
            "short",
            {
                "enrolled {{cluster}}": "max by (cluster) (trustplane_agents_enrolled)",
                "away {{cluster}}": "max by (cluster) (trustplane_agents_away)",
            },
        ),
    ],
)
RENEWAL = Dashboard(
    "trustplane-renewal",
    "trustplane: renewal",
    [
        *(
            Panel(
                f"Renewals late by {by}",
                f"Share of the renewals due in half an hour that were late. {meaning}",
                "percentunit",
                {"{{cohort}}": f'trustplane:renewals_late:ratio30m{{by="{by}"}}'},
            )
            for by, meaning in (
                ("issuer", "One that stands out is an authority or its server."),
                ("agent", "One that stands out is a build of the agent."),
                ("cluster", "One that stands out is a site or the way to it."),
            )
        ),
        Panel(
            "Renewals due",
            "Without events a share says nothing; alerts want three.",
            "short",
            {"{{cohort}}": 'trustplane:renewals:increase30m{by="cluster"}'},
        ),
        Panel(
            "Least life left",
            "Least share of its life that a leaf has left, by cluster. A leaf renewed in time never has little.",
            "percentunit",
            {"{{cohort}}": 'min by (cohort) (trustplane_cohort_slack_min_ratio{by="cluster"})'},
        ),
        Panel(
            "Leaves by life left",
            "How many leaves have at most that share of their life left, and more than the band below.",
            "short",
            {"up to {{up_to}}": "max by (up_to) (trustplane_leaves_by_slack)"},
        ),
        Panel(
            "First expiry of what is late",
            "Until the first late leaf of a cohort expires. Nothing is shown while nothing is late.",
            "s",
            {"{{by}} {{cohort}}": _until("min by (by, cohort) (trustplane_cohort_first_expiry_timestamp_seconds)")},
        ),
        Panel(
            "Outage budget by service",
            "The ten services whose first leaf would expire first.",
            "s",
            {"{{service}}": "bottomk(10, min by (service) (trustplane_service_outage_budget_seconds))"},
        ),
        Panel(
            "Certificates issued",
            "By all servers together.",
            "ops",
            {"issued": "sum(rate(trustplane_svids_issued_total[5m]))"},
        ),
        Panel(
            "Requests refused",
            "Requests that were not answered with a certificate, by the fault's code.",
            "ops",
            {"{{code}}": "sum by (code) (rate(trustplane_svid_requests_refused_total[5m]))"},
        ),
        Panel(
            "Waiting for a signature",
            "Requests that wait at each server, and those told to come back at a turn.",
            "short",
            {
                "waiting {{instance}}": "trustplane_issuing_queue_length",
                "sent away in 5 min {{instance}}": "increase(trustplane_issuing_shed_total[5m])",
            },
        ),
    ],
)
TRUST = Dashboard(
    "trustplane-trust",
    "trustplane: trust and rotation",
    [
        Panel(
            "Ends of the chain",
            "Until the first of each kind ends.",
            "s",
            {"{{link}}": _until("min by (link) (trustplane_chain_expiry_timestamp_seconds)")},
        ),
        Panel(
            "Authority changes due",
            "Until a successor should take over. Below zero: it was due and did not.",
            "s",
            {"{{kind}} {{instance}}": _until("trustplane_authority_change_due_timestamp_seconds")},
        ),
        Panel(
            "Bundle holders behind",
            "By cluster; those that do not hold the published bundle.",
            "short",
            {"{{cluster}}": "max by (cluster) (trustplane_bundle_holders_behind)"},
        ),
        Panel(
            "Behind since",
            "How long the first of them has been.",
            "s",
            {"{{cluster}}": "time() - min by (cluster) (trustplane_bundle_holders_behind_since_timestamp_seconds)"},
        ),
        Panel(
            "Phase of the change of root",
            "1 for the phase it is in; nothing while no change is under way.",
            "short",
            {"{{phase}}": "max by (phase) (trustplane_rotation_phase) > 0"},
        ),
        Panel(
            "Waited for",
            "Participants that the phase waits for, by cluster.",
            "short",
            {"{{cluster}}": "max by (cluster) (trustplane_rotation_participants_waited_for)"},
        ),
        Panel(
            "In this phase",
            "For how long; a change that waits loses nothing.",
            "s",
            {"phase": "time() - max(trustplane_rotation_phase_start_timestamp_seconds)"},
        ),
        Panel(
            "Revoked",
            "What is revoked and in force, and what keeps it from being.",
            "short",
            {
                "{{kind}}": "max by (kind) (trustplane_revocations)",
                "findings": "max(trustplane_revocation_findings)",
            },
        ),
        Panel(
            "Partners",
            "Since a bundle was last taken from each federated trust domain.",
            "s",
            {
                "{{trust_domain}}": (
                    "time() - max by (trust_domain) (trustplane_federation_bundle_taken_timestamp_seconds)"
                )
            },
        ),
        Panel(
            "Partners failing",
            "For how long no newer bundle could be taken; nothing while all is well.",
            "s",
            {
                "{{trust_domain}}": (
                    "time() - min by (trust_domain) (trustplane_federation_failing_since_timestamp_seconds)"
                )
            },
        ),
    ],
)
PROXIES = Dashboard(
    "trustplane-proxies",
    "trustplane: what proxies hold and serve",
    [
        Panel(
            "Leaves served",
            "Leaves that proxies hold, by cluster.",
            "short",
            {"{{cluster}}": "max by (cluster) (trustplane_leaves_served)"},
        ),
        Panel(
            "Stale leaves served",
            "Those that are not the newest issued. They fail when the old one ends.",
            "short",
            {"{{cluster}}": "max by (cluster) (trustplane_leaves_served_stale)"},
        ),
        Panel(
            "Stale since",
            "Since the first successor that is not served was issued.",
            "s",
            {"{{cluster}}": "time() - min by (cluster) (trustplane_leaves_served_stale_since_timestamp_seconds)"},
        ),
        Panel(
            "Refused by proxies",
            "Resources that proxies refuse (NACK), by kind.",
            "short",
            {"{{kind}}": "max by (kind) (trustplane_resources_refused)"},
        ),
        Panel(
            "Proxies in doubt",
            "Contradictions of what was acknowledged, and silences.",
            "short",
            {"{{because}}": "max by (because) (trustplane_proxies_in_doubt)"},
        ),
        Panel(
            "Clocks",
            "Largest difference of an agent's clock that is certain. Above the backdating, fresh leaves are refused.",
            "s",
            {"largest": "max(trustplane_clock_skew_max_seconds)"},
        ),
        Panel(
            "Clocks that are off",
            "Agents whose clock is off by more than a fresh leaf is backdated.",
            "short",
            {"agents": "max(trustplane_agents_clock_off)"},
        ),
        Panel(
            "Renewals that failed at agents",
            "By the fault's code; only where agents are scraped too.",
            "ops",
            {"{{code}}": "sum by (code) (rate(trustplane_agent_renewals_failed_total[5m]))"},
        ),
        Panel(
            "Failed handshakes by cause",
            "Likeliest cause by one side's record. They come late and open connections hide them: no alarm.",
            "ops",
            {"{{cause}} ({{side}})": "sum by (cause, side) (rate(trustplane_handshake_failures_total[5m]))"},
        ),
        Panel(
            "Completed handshakes",
            "By side. A client's have in them what a server refused afterwards (TLS 1.3).",
            "ops",
            {"{{side}}": "sum by (side) (rate(trustplane_handshakes_completed_total[5m]))"},
        ),
    ],
)
DASHBOARDS = (NIGHT, RENEWAL, TRUST, PROXIES)

"""The templates that come with trustplane. A version is never edited: what it lets through would change unreviewed."""

from __future__ import annotations

from trustplane.policy.template import Kind, Template

_OWNERS = ("trustplane",)

CALLER_MAY_CALL = Template(
    name="caller-may-call",
    version=1,
    owners=_OWNERS,
    summary="each of these services may use these operations",
    parameters={"callers": Kind.SERVICES, "operations": Kind.OPERATIONS},
    text="""\
permit (
  principal == $callers,
  action in $operations,
  resource
);
""",
)

READ_ONLY = Template(
    name="read-only",
    version=1,
    owners=_OWNERS,
    summary="each of these services may use every operation that only reads (GET and HEAD)",
    parameters={"callers": Kind.SERVICES},
    text="""\
permit (
  principal == $callers,
  action in $reads,
  resource
);
""",
)

SAME_NAMESPACE = Template(
    name="same-namespace",
    version=1,
    owners=_OWNERS,
    summary="every service of this service's namespace may use these operations",
    parameters={"operations": Kind.OPERATIONS},
    text="""\
permit (
  principal in $namespace,
  action in $operations,
  resource
);
""",
)

HEALTH_AND_METRICS = Template(
    name="health-and-metrics",
    version=1,
    owners=_OWNERS,
    summary="each of these services may scrape these reading operations",
    parameters={"scrapers": Kind.SERVICES, "operations": Kind.READS},
    text="""\
permit (
  principal == $scrapers,
  action in $operations,
  resource
);
""",
)

FEDERATED_PARTNER = Template(
    name="federated-partner",
    version=1,
    owners=_OWNERS,
    summary="each of these identities of another trust domain may use these operations, never of a service with pii",
    parameters={"partners": Kind.PEERS, "operations": Kind.OPERATIONS},
    text="""\
permit (
  principal == $partners,
  action in $operations,
  resource
)
unless { resource.data.contains("pii") };
""",
)

BREAK_GLASS_READER = Template(
    name="break-glass-reader",
    version=1,
    owners=_OWNERS,
    summary="each of these services may read, with the ticket in the header x-break-glass",
    parameters={"readers": Kind.SERVICES, "ticket": Kind.TEXT},
    text="""\
permit (
  principal == $readers,
  action in $reads,
  resource
)
when
{
  context.headers has "x-break-glass" &&
  context.headers["x-break-glass"].contains($ticket)
};
""",
)

TEMPLATES = {
    str(one): one
    for one in (
        CALLER_MAY_CALL,
        READ_ONLY,
        SAME_NAMESPACE,
        HEALTH_AND_METRICS,
        FEDERATED_PARTNER,
        BREAK_GLASS_READER,
    )
}

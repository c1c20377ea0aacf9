"""`trustplane policy export DIR --to MESH`: the rules as resources of another mesh, exactly or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

import typer
import yaml

from trustplane.cli.arguments import as_input
from trustplane.cli.output import say, say_json
from trustplane.cli.sockets import AsJson
from trustplane.host.repository_files import read_directory
from trustplane.policy import book
from trustplane.policy.book import Book
from trustplane.policy.export.export import Mesh, exported, premises
from trustplane.policy.export.workload import Manifest
from trustplane.policy.question import service_called
from trustplane.registry.findings import Findings
from trustplane.spiffe.names import ServiceName

EXAMPLES = """\b
Examples:
  trustplane policy export trust/ --to istio > policies.yaml
  trustplane policy export trust/ --to linkerd --service payments
  trustplane policy export trust/ --to istio --json
"""

Directory = Annotated[Path, typer.Argument(metavar="DIR", help="The trust repository.")]
To = Annotated[Mesh, typer.Option("--to", help="The mesh that is to enforce them.")]
Services = Annotated[
    list[str] | None,
    typer.Option("--service", metavar="SERVICE", help="Only this service; repeatable. Default: every one with ports."),
]
PlainPaths = Annotated[
    bool,
    typer.Option("--plain-paths", help="State that something in front refuses paths which have more than one reading."),
]


def command(
    directory: Directory, to: To, *, service: Services = None, plain_paths: PlainPaths = False, as_json: AsJson = False
) -> None:
    """Write the policies for another mesh as Kubernetes resources.

    What is written is read back and compared with the policy, exactly. A rule that has no exact counterpart there
    refuses the whole export, with its place, the reason and what to write instead. What the resources rely on stands
    at their head.
    """
    found = book.read(read_directory(directory))
    findings = Findings()
    written = [
        (name, exported(found.state, found.rules_of(name), to, findings, plain_paths=plain_paths))
        for name in _chosen(found, service or ())
    ]
    findings.refuse_if_any()
    manifests = [one for _, some in written for one in some]
    if as_json:
        say_json({"to": to.value, "premises": list(premises(to, plain_paths=plain_paths)), "manifests": manifests})
    else:
        say(_document(premises(to, plain_paths=plain_paths), manifests))


def _chosen(found: Book, services: Sequence[str]) -> Iterable[ServiceName]:
    with as_input():
        if services:
            return sorted({service_called(found.state, one).name for one in services})
    return sorted(name for name, one in found.state.services.items() if one.ports is not None)


def _document(relied_on: Sequence[str], manifests: Sequence[Manifest]) -> str:
    head = "# Written by trustplane policy export, and proved to decide as the policies do, provided that\n"
    return head + "".join(f"# - {one}\n" for one in relied_on) + _yaml(manifests)


def _yaml(manifests: Sequence[Manifest]) -> str:
    return yaml.safe_dump_all(manifests, sort_keys=False, explicit_start=True, width=120).rstrip("\n")

"""Writes docs/commands.md: every command's help, as `--help` prints it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "commands.md"
COMMANDS = (
    "",
    "demo",
    "status",
    "plan",
    "apply",
    "explain",
    "diagnose",
    "probe",
    "ingest",
    "simulate",
    "rehearse",
    "sidecar",
    "server",
    "server run",
    "server status",
    "server bundle",
    "server token create",
    "agent",
    "agent run",
    "agent status",
    "svid",
    "svid fetch",
    "svid watch",
    "svid show",
    "svid verify",
    "policy",
    "policy check",
    "policy test",
    "policy diff",
    "policy explain",
    "policy show",
    "policy new",
    "policy templates",
    "policy fmt",
    "policy export",
    "policy shadow",
    "policy shadow start",
    "policy shadow status",
    "policy shadow stop",
    "policy shadow promote",
    "audit",
    "audit show",
    "audit verify",
    "audit policies",
    "federation",
    "federation story",
    "knowledge",
    "knowledge search",
    "knowledge gaps",
    "postmortem",
    "postmortem new",
    "postmortem list",
    "postmortem show",
    "postmortem check",
    "postmortem search",
    "rollouts",
    "rollouts list",
    "rollouts token create",
    "rollouts token revoke",
    "runbook",
    "runbook show",
    "runbook search",
    "alerts",
    "alerts list",
    "alerts write",
)
HEAD = """\
# Commands

Written by `scripts/write_command_docs.py` from each command's `--help`; do not edit.

Every command takes `--json`, ends with 0 when it is done, 1 when it was refused or failed, 2 on wrong usage or input,
3 when there is nobody to ask, and 4 when it was proposed and waits for an approval. It prints failures to standard
error as `error[code]`: what, why and fix. The codes are listed in [faults.md](faults.md).
"""


def main() -> None:
    sections = [HEAD]
    for command in COMMANDS:
        title = f"trustplane {command}".strip()
        sections.append(f"## {title}\n\n```text\n{_help(command)}\n```\n")
    PAGE.write_text("\n".join(sections))


def _help(command: str) -> str:
    environment = {"PATH": os.environ["PATH"], "COLUMNS": "100", "NO_COLOR": "1", "HOME": "/"}
    shown = subprocess.run(
        [sys.executable, "-m", "trustplane.cli", *command.split(), "--help"],
        cwd=ROOT,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return "\n".join(line.rstrip() for line in shown.strip().splitlines())


if __name__ == "__main__":
    main()

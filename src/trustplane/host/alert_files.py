"""The rules and dashboards that came with this installation, and a copy of them for a Prometheus and a Grafana."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from trustplane.fault import Refused
from trustplane.knowledge.alert import RUNBOOKS, Alert, alerts_of

_PACKAGE = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Shipped:
    """`proved` are the alerts that were seen to fire on a recorded fleet that has what they are for."""

    rules: tuple[Path, ...]
    dashboards: tuple[Path, ...]
    runbooks: tuple[Path, ...]
    alerts: tuple[Alert, ...]
    proved: frozenset[str]


def shipped() -> Shipped:
    """From the package, or from the checkout it was installed from in place."""
    checkout = _PACKAGE.parents[1]
    is_installed = (_PACKAGE / "deploy").is_dir()
    deploy = (_PACKAGE if is_installed else checkout) / "deploy"
    runbooks = _PACKAGE / "runbooks" if is_installed else checkout / "docs" / "runbooks"
    rules = _all(deploy / "prometheus", "*.yaml")
    alerts = tuple(alert for rule in rules for alert in alerts_of(rule.name, rule.read_bytes()))
    return Shipped(rules, _all(deploy / "grafana", "*.json"), _all(runbooks, "*.md"), alerts, _proved(deploy))


def _proved(deploy: Path) -> frozenset[str]:
    seen: dict[str, list[str]] = json.loads((deploy / "prometheus" / "proved.json").read_bytes())
    return frozenset(name for name, fleets in seen.items() if fleets)


def write(directory: Path, runbooks: str) -> tuple[Path, ...]:
    """Copies of all, with `runbooks` as the place that alerts send people to. Each file is replaced whole."""
    base = _base(runbooks)
    found = shipped()
    try:
        return tuple(_written(directory, found, base))
    except OSError as error:
        raise Refused(
            code="alerts-not-written",
            what=f"{error.filename or directory} cannot be written",
            why=(error.strerror or str(error)).lower(),
            fix="name a directory that may be written to, with room for a megabyte",
        ) from error


def _written(directory: Path, found: Shipped, base: str) -> Iterator[Path]:
    for name, files in (("prometheus", found.rules), ("grafana", found.dashboards), ("runbooks", found.runbooks)):
        (directory / name).mkdir(parents=True, exist_ok=True)
        for file in files:
            yield _replaced(directory / name / file.name, file.read_text().replace(RUNBOOKS, base))


def _replaced(file: Path, text: str) -> Path:
    fresh = file.with_name(f".{file.name}.new")
    fresh.write_text(text)
    os.replace(fresh, file)  # noqa: PTH105 - a rename that is atomic by its contract
    return file


def _base(runbooks: str) -> str:
    parts = urlsplit(runbooks)
    # It goes into YAML and into links that people click on.
    if (
        parts.scheme not in {"https", "http"}
        or not parts.netloc
        or not runbooks.isascii()
        or set(runbooks) & set("'\"\\ \n<>{}")
    ):
        raise Refused(
            code="bad-runbooks-address",
            what=f"{runbooks!r:.100} is no address of a place with runbooks",
            why="an alert's runbook_url is this address with the runbook's file after it",
            fix="write for example https://git.example.com/ops/runbooks/",
        )
    return runbooks if runbooks.endswith("/") else f"{runbooks}/"


def _all(folder: Path, pattern: str) -> tuple[Path, ...]:
    return tuple(sorted(folder.glob(pattern)))

"""`trustplane simulate`: a fleet's renewals in virtual time, run by the code that renews in production."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from time import monotonic
from typing import Annotated, Any, TypeVar

import typer

from trustplane.cli import simulate_root_change
from trustplane.cli.arguments import as_input, duration
from trustplane.cli.output import WrongInput, fields, note, say, say_json, span, table, write_picture
from trustplane.cli.sockets import AsJson
from trustplane.flows.simulation.figures import Figures
from trustplane.flows.simulation.picture import picture
from trustplane.flows.simulation.root_scenario import Asleep, RootScenario
from trustplane.flows.simulation.scenario import Outage, Partition, Restart, Rule, Scenario
from trustplane.flows.simulation.simulate import simulate
from trustplane.registry.model import RenewalWindow

EXAMPLES = """\b
Examples:
  trustplane simulate --outage 20m@6h --restart all@12h
  trustplane simulate --workloads 20000 --restart all@12h --rule ours --rule spire --json
  trustplane simulate --partition 20%@3h+40m --skew 30s --loss 1% --plot run.svg
  trustplane simulate --rotate --asleep 1%@0s+2h --partition 5%@30m+20m --loss 1%
"""

_SHARE = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,4})?)%")
_WINDOW = re.compile(r"([0-9]{1,2})%?-([0-9]{1,2})%?")

Workloads = Annotated[int, typer.Option(min=1, max=1_000_000, help="How many, each with one leaf.")]
PerNode = Annotated[int, typer.Option(min=1, max=10_000, help="Workloads on a node; a node fails as a whole.")]
Life = Annotated[str, typer.Option(metavar="DURATION", help="How long a leaf lives.")]
Window = Annotated[str, typer.Option(metavar="FROM-TO", help="When a leaf is renewed, in percent of its life.")]
Outages = Annotated[list[str], typer.Option("--outage", metavar="LENGTH@START", help="No server answers. Repeatable.")]
Restarts = Annotated[
    list[str],
    typer.Option("--restart", metavar="SHARE@START", help="Nodes come back with nothing kept. Repeatable."),
]
Partitions = Annotated[
    list[str],
    typer.Option("--partition", metavar="SHARE@START+LENGTH", help="Nodes reach no server. Repeatable."),
]
Skew = Annotated[str, typer.Option(metavar="DURATION", help="Each node's clock is off by up to this, either way.")]
Rate = Annotated[float, typer.Option(min=0.001, max=1_000_000, help="Signatures a second that the server can make.")]
Loss = Annotated[str, typer.Option(metavar="PERCENT", help="Questions that are never answered.")]
Hours = Annotated[float, typer.Option(min=0.02, max=9600, help="How much time to simulate.")]
Seed = Annotated[int, typer.Option(min=0, help="The same seed gives the same run.")]
Rules = Annotated[
    list[Rule],
    typer.Option("--rule", help="Whose renewal rule. Repeatable: the first is told in full, the others compared."),
]
Rotate = Annotated[bool, typer.Option("--rotate", help="Change the fleet's root of trust, and judge that.")]
Sleepers = Annotated[
    list[str],
    typer.Option("--asleep", metavar="SHARE@START+LENGTH", help="With --rotate: agents do not run. Repeatable."),
]
GatesOff = Annotated[bool, typer.Option("--gates-off", help="With --rotate: go on without proofs, to see what breaks.")]
Plot = Annotated[Path | None, typer.Option(metavar="FILE", help="Draw the run, as SVG.")]

Given = TypeVar("Given")


def command(  # noqa: PLR0913, PLR0917 - one parameter per option
    workloads: Workloads = 100_000,
    per_node: PerNode = 20,
    lifetime: Life = "1h",
    window: Window = "50-75",
    outage: Outages = [],  # noqa: B006 - typer reads it and never changes it
    restart: Restarts = [],  # noqa: B006 - typer reads it and never changes it
    partition: Partitions = [],  # noqa: B006 - typer reads it and never changes it
    skew: Skew = "0s",
    loss: Loss = "0%",
    signing_rate: Rate = 1000,
    hours: Hours = 24,
    seed: Seed = 1,
    rule: Rules = [Rule.OURS],  # noqa: B006 - typer reads it and never changes it
    plot: Plot = None,
    asleep: Sleepers = [],  # noqa: B006 - typer reads it and never changes it
    *,
    rotate: Rotate = False,
    gates_off: GatesOff = False,
    as_json: AsJson = False,
) -> None:
    """Simulate a fleet's renewals: outages, restarts, partitions.

    Production code in virtual time, for a fleet that has been running; others' published rules on it for comparison.
    With --rotate the fleet's root is changed from the start on; ends with 1 when that breaks something, or is not done.
    """
    with as_input():
        scenario = Scenario(
            workloads=workloads,
            per_node=per_node,
            lifetime=duration(lifetime),
            window=_window(window),
            length=timedelta(hours=hours),
            signing_rate=signing_rate,
            skew=duration(skew),
            loss=0.0 if loss in {"0", "0%"} else _share(loss),
            seed=seed,
            outages=tuple(map(_outage, outage)),
            partitions=tuple(map(_partition, partition)),
            restarts=tuple(map(_restart, restart)),
        )
        changing = RootScenario(scenario, tuple(map(_asleep, asleep)), has_gates=not gates_off)
        _check_fit(changing, rotates=rotate, is_compared=plot is not None or rule != [Rule.OURS])
    if rotate:
        simulate_root_change.tell(changing, as_json=as_json)
    else:
        _tell(scenario, rule, plot, as_json=as_json)


def _check_fit(changing: RootScenario, *, rotates: bool, is_compared: bool) -> None:
    if not rotates and (changing.asleep or not changing.has_gates):
        raise _does_not_fit("--asleep and --gates-off go with --rotate only")
    if rotates and is_compared:
        raise _does_not_fit("--plot and --rule do not go with --rotate")


def _tell(scenario: Scenario, rules: Sequence[Rule], plot: Path | None, *, as_json: bool) -> None:
    runs = [_run(replace(scenario, rule=one), plot) for one in rules]
    figures = [one for one, _ in runs]
    if plot:
        write_picture(plot, picture(figures))
    if as_json:
        first, *others = [_answer(one, seconds) for one, seconds in runs]
        say_json({**first, "compared": others})
        return
    say(_summary(figures[0], runs[0][1]))
    if len(runs) > 1:
        say("\n" + _comparison(figures))


def _run(scenario: Scenario, plot: Path | None) -> tuple[Figures, float]:
    begun = monotonic()

    def tell(at: timedelta) -> None:
        note(f"{scenario.rule.value}: {span(at)} of {span(scenario.length)} in {monotonic() - begun:.0f} s")

    figures = simulate(scenario, tell, sampled=plot is not None)
    return figures, monotonic() - begun


def _answer(figures: Figures, seconds: float) -> dict[str, Any]:
    of = figures.scenario
    return {
        "rule": of.rule.value,
        "workloads": of.workloads,
        "hours": of.length / timedelta(hours=1),
        "seed": of.seed,
        "expired": figures.expired,
        "renewals": figures.renewals,
        "peak_to_mean_after_restart": round(figures.peak_to_mean, 4),
        "first_expiry": _seconds(figures.first_expiry),
        "longest_without_leaf": _seconds(figures.longest_without),
        "issuer_outage_budget": _seconds(of.outage_budget),
        "outages": [
            {"at": _seconds(one.at), "length": _seconds(one.length), "budget": _seconds(one.budget)}
            for one in figures.endured
        ],
        "questions": figures.questions,
        "told_to_wait": figures.shed,
        "seconds": round(seconds, 2),
    }


def _seconds(length: timedelta | None) -> float | None:
    return None if length is None else length.total_seconds()


def _summary(figures: Figures, seconds: float) -> str:
    of = figures.scenario
    expired = f"{figures.expired:,}"
    if figures.first_expiry is not None:
        expired += f", the first after {span(figures.first_expiry)}; longest without: {span(figures.longest_without)}"
    since = "from one to six lifetimes after the last restart" if of.restarts else "over the whole run"
    pairs = [
        ("rule", of.rule.value),
        ("workloads", f"{of.workloads:,} on {of.nodes:,} nodes, for {span(of.length)}"),
        ("renewals", f"{figures.renewals:,}, from {figures.questions:,} questions; {figures.shed:,} told to wait"),
        ("expired", expired),
        ("busiest 5 s", f"{figures.peak_to_mean:.2f} of the mean, {since}"),
        ("issuer outage budget", f"{span(of.outage_budget)} whenever it begins; {_arithmetic(of)}"),
        *(
            (
                "outage",
                f"at {span(one.at)} for {span(one.length)}; the first leaf would have expired after {span(one.budget)}",
            )
            for one in figures.endured
        ),
        ("simulated in", f"{seconds:.1f} s"),
    ]
    return fields(pairs)


def _arithmetic(of: Scenario) -> str:
    skew = f", less {span(of.skew)} of skew" if of.skew else ""
    return f"{1 - of.window.closes:.0%} of {span(of.lifetime)}{skew}"


def _comparison(runs: Sequence[Figures]) -> str:
    rows = [
        (
            one.scenario.rule.value,
            f"{one.peak_to_mean:.2f}",
            f"{one.expired:,}",
            span(one.longest_without),
            f"{one.renewals:,}",
            f"{one.shed:,}",
        )
        for one in runs
    ]
    return table(("RULE", "BUSIEST/MEAN", "EXPIRED", "LONGEST WITHOUT", "RENEWALS", "TOLD TO WAIT"), rows)


def _outage(text: str) -> Outage:
    return _split(text, "@", "20m@6h", lambda length, at: Outage(duration(at), duration(length)))


def _restart(text: str) -> Restart:
    return _split(text, "@", "all@12h or 20%@12h", lambda share, at: Restart(_share(share), duration(at)))


def _partition(text: str) -> Partition:
    share, rest = _split(text, "@", "20%@3h+40m", lambda share, rest: (_share(share), rest))
    return _split(rest, "+", "20%@3h+40m", lambda at, length: Partition(share, duration(at), duration(length)))


def _asleep(text: str) -> Asleep:
    one = _partition(text)
    return Asleep(one.share, one.at, one.length)


def _split(text: str, sign: str, example: str, made: Callable[[str, str], Given]) -> Given:
    first, found, second = text.partition(sign)
    if not found:
        raise _not_understood(text, example)
    return made(first, second)


def _share(text: str) -> float:
    if text == "all":
        return 1.0
    found = _SHARE.fullmatch(text)
    if not found:
        raise _not_understood(text, "20%, or all")
    return float(found[1]) / 100


def _window(text: str) -> RenewalWindow:
    found = _WINDOW.fullmatch(text)
    if not found:
        raise _not_understood(text, "50-75")
    return RenewalWindow(int(found[1]) / 100, int(found[2]) / 100)


def _does_not_fit(what: str) -> WrongInput:
    return WrongInput(
        code="bad-scenario",
        what=what,
        why="a change of root and a run of renewals are judged by different figures",
        fix="see trustplane simulate --help",
    )


def _not_understood(text: str, example: str) -> WrongInput:
    return WrongInput(
        code="bad-scenario",
        what=f"{text!r:.60} is not understood",
        why="what happens to a simulated fleet is written as one word",
        fix=f"write for example {example}",
    )

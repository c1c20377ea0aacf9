"""Generated decisions and tallies, about the mesh of `tests.kit.policies`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from tests.kit.policies import CHECKOUT, MESH_PORT, PARTNER, PAYMENTS, WEB
from trustplane.policy.access import Verdict
from trustplane.verdict.decision import DecisionKind, SeenPath, Trial
from trustplane.verdict.tally import Sample, Tallies, Tally

START = datetime(2026, 11, 27, 3, tzinfo=UTC)

instants = st.integers(0, 7200).map(lambda seconds: START + timedelta(seconds=seconds))
samples = st.none() | st.builds(Sample, instants, st.sampled_from(("a", "b", "c")))
verdicts = st.builds(Verdict, st.booleans(), st.none() | st.sampled_from(("charge", "read", "never")))
trials = st.none() | st.builds(Trial, st.just("c1"), verdicts)
paths = st.sampled_from(("/charge", "/charge/refund", "/orders/1", "/orders/2", "/orders/..;/x", "/")).map(SeenPath.of)
kinds = st.builds(
    DecisionKind,
    callee=st.just(PAYMENTS),
    caller=st.none() | st.sampled_from((CHECKOUT, WEB, PARTNER)),
    method=st.sampled_from(("GET", "POST", "PURGE")),
    path=paths,
    port=st.just(MESH_PORT),
    operation=st.none() | st.sampled_from(("charge", "read")),
    enforced=verdicts,
    trial=trials,
)


@st.composite
def tallies(draw: st.DrawFn) -> Tally:
    first, last = sorted((draw(instants), draw(instants)))
    return Tally(draw(st.integers(1, 1000)), first, last, draw(samples))


counted: st.SearchStrategy[Tallies] = st.dictionaries(kinds, tallies(), max_size=5)


def kind(method: str = "POST", path: str = "/charge", *, allowed: bool = True, rule: str | None = None) -> DecisionKind:
    """Of checkout asking payments."""
    verdict = Verdict(allowed=allowed, rule=rule)
    return DecisionKind(PAYMENTS, CHECKOUT, method, SeenPath.of(path), MESH_PORT, None, verdict)


def tally(count: int = 1, at: datetime = START) -> Tally:
    return Tally(count, at, at)

"""A fleet in virtual time, run by the code that runs it in production.

Every workload is a `rotation.leaf.LeafRenewal`, the server an `AdmissionQueue` and its `Promises`; only the network,
the clocks and the signatures are imagined. A question takes no time unless it waits at the server or is never answered.
The same scenario gives the same figures, by its seed.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random

from trustplane.flows.simulation.calendar import Calendar
from trustplane.flows.simulation.figures import BANDS, Endured, Figures, Remaining
from trustplane.flows.simulation.peers import RULES, PeerLeaf, PeerRule, PolledThreshold
from trustplane.flows.simulation.scenario import Outage, Scenario
from trustplane.rotation.leaf import TICKED, Ask, AskAt, Deferred, Event, Failed, Issued, LeafRenewal
from trustplane.rotation.promises import Promises
from trustplane.rotation.queue import AdmissionQueue, Limits, Shed
from trustplane.rotation.slots import Promise

START = datetime(2026, 1, 1, tzinfo=UTC)
MARKS = 20  # how often progress is told
SAMPLES = 240
SAMPLED = 4000  # workloads looked at for each sample of the life left
_NO_TIME = timedelta(0)
_SERVER = 0  # the one address
_FAILED = Failed(_SERVER)

Progress = Callable[[timedelta], None]
Happening = Callable[[datetime], None]


def simulate(scenario: Scenario, progress: Progress = lambda _: None, *, sampled: bool = False) -> Figures:
    """Run it to its end. `sampled` also follows how much life the fleet has left, for the picture."""
    return Fleet(scenario, progress, sampled=sampled).run()


class Fleet:
    """`simulate_root_change` runs one whose root is changed."""

    def __init__(self, scenario: Scenario, progress: Progress, *, sampled: bool) -> None:
        count = scenario.workloads
        self._of = scenario
        self._progress = progress
        self._sampled = sampled
        self._figures = Figures(scenario)
        self._random = Random(scenario.seed)  # noqa: S311 - a simulation is repeated by its seed
        self._peer = RULES.get(scenario.rule)
        self._polled = _polled(self._peer, scenario)
        skews = [scenario.skew * self._random.uniform(-1, 1) for _ in range(scenario.nodes)]
        self._skews = [skews[workload // scenario.per_node] for workload in range(count)]
        self._agents = [self._fresh_agent() for _ in range(count)]
        self._not_after: list[datetime | None] = [None] * count
        self._bare_since: dict[int, datetime] = {}  # those that a restart left with nothing
        self._unanswered: set[int] = set()
        self._cut = [0] * scenario.nodes
        self._down = 0
        self._promises: Promises[int] = Promises()
        self._queue = self._fresh_queue(START)
        self._events = self._planned()
        self._serving = count + len(self._events)
        self._calendar = Calendar(START, self._serving + 1)
        self._called: dict[int, Happening] = {}
        self._is_over = False

    def run(self) -> Figures:
        self._populate()
        count = self._of.workloads
        for number, (at, _) in enumerate(self._events):
            self._calendar.put(at, count + number)
        end = START + self._of.length
        for at, thing in self._calendar.until(end):
            if thing < count:
                if thing in self._unanswered:
                    self._give_up(thing, at)
                else:
                    self._feed(thing, TICKED, at)
            elif thing == self._serving:
                self._serve(at)
            else:
                self._happens(thing - count, at)
                if self._is_over:
                    end = at
                    break
        for workload in range(count):
            self._settle_lack(workload, end)
        return self._figures

    def _happens(self, number: int, at: datetime) -> None:
        happening = self._called.pop(number, None) or self._events[number][1]
        happening(at)

    def _call_at(self, at: datetime, happening: Happening) -> None:
        """Once, and besides what was planned."""
        thing = self._calendar.one_more()
        self._called[thing - self._of.workloads] = happening
        self._calendar.put(at, thing)

    def _populate(self) -> None:
        """A fleet that has been running: its leaves were issued one after the other during the last interval."""
        scenario, order = self._of, list(range(self._of.workloads))
        self._random.shuffle(order)
        rule = self._peer
        interval = scenario.lifetime * ((rule.opens + rule.closes) / 2 if rule else scenario.window.opens)
        for number, workload in enumerate(order):
            age = interval * ((number + 1 - self._random.random()) / len(order))
            self._begin(workload, START - age, interval)

    def _begin(self, workload: int, issued_at: datetime, interval: timedelta) -> None:
        """Give it the leaf that it would hold now, had it been renewed by its rule since `issued_at`."""
        lifetime, skew = self._of.lifetime, self._skews[workload]
        due = issued_at
        while due < START:
            issued_at = due
            leaf = Issued(issued_at + interval, issued_at + lifetime)
            effects = self._agents[workload].feed(leaf, issued_at + skew)
            due = max(effect.at for effect in effects if isinstance(effect, AskAt)) - skew
        self._not_after[workload] = issued_at + lifetime
        self._calendar.put(due, workload)
        if self._peer is None:
            promise = Promise(issued_at, issued_at + lifetime, self._of.window, issued_at + interval)
            self._promises.recall(workload, promise, START)

    def _planned(self) -> list[tuple[datetime, Happening]]:
        scenario = self._of
        planned: list[tuple[datetime, Happening]] = []
        for outage in scenario.outages:
            planned.append((START + outage.at, partial(self._servers_die, outage)))
            planned.append((START + outage.until, self._servers_return))
        for cut in scenario.partitions:
            nodes = self._some_nodes(cut.share)
            planned.append((START + cut.at, partial(self._cut_off, nodes, 1)))
            planned.append((START + cut.until, partial(self._cut_off, nodes, -1)))
        planned += [(START + one.at, partial(self._restart, self._some_nodes(one.share))) for one in scenario.restarts]
        planned += [(START + scenario.length * mark / MARKS, self._tell) for mark in range(1, MARKS)]
        if self._sampled:
            planned += [(START + scenario.length * sample / SAMPLES, self._sample) for sample in range(SAMPLES)]
        return planned

    # One workload and its server.

    def _give_up(self, workload: int, at: datetime) -> None:
        """The time that the machine gave the answer is over."""
        self._unanswered.discard(workload)
        self._queue.withdraw(workload)
        self._feed(workload, _FAILED, at)

    def _feed(self, workload: int, event: Event, at: datetime) -> None:
        skew = self._skews[workload]
        for effect in self._agents[workload].feed(event, at + skew if skew else at):
            match effect:
                case Ask():
                    self._ask(workload, effect, at)
                case AskAt():
                    self._calendar.put(effect.at - skew if skew else effect.at, workload)
                case _:
                    continue  # what an operator would be told changes nothing here

    def _ask(self, workload: int, ask: Ask, at: datetime) -> None:
        self._figures.questions += 1
        node = workload // self._of.per_node
        if self._down:
            self._feed(workload, _FAILED, at)
            return
        lost = self._cut[node] > 0 or (self._of.loss > 0 and self._random.random() < self._of.loss)
        shed = None if lost else self._queue.offer(at, workload, node, self._not_after[workload])
        stands = shed is None or shed.ticket != workload
        if stands and (lost or len(self._queue) > 1 or not self._serve(at)):
            # It waits for an answer, which may never come.
            self._unanswered.add(workload)
            self._calendar.put(at + ask.within, workload)
        if shed is not None:
            self._send_away(shed, at)

    def _send_away(self, shed: Shed[int], at: datetime) -> None:
        self._figures.shed += 1
        self._unanswered.discard(shed.ticket)
        self._feed(shed.ticket, Deferred(_SERVER, shed.wait), at)

    def _serve(self, at: datetime) -> bool:
        """Sign for everyone whose turn it is; whether nobody is left standing."""
        for workload in self._queue.take(at):
            self._unanswered.discard(workload)
            self._issue(workload, at)
        if not self._queue:
            return True
        for shed in self._queue.overdue(at):
            self._send_away(shed, at)
        following = self._queue.next_at(at)
        if following is None:
            return True
        self._figures.note_queue(at - START, len(self._queue))
        if self._calendar.due(self._serving) is None:
            self._calendar.put(following, self._serving)
        return False

    def _issue(self, workload: int, at: datetime) -> None:
        ended = self._not_after[workload]
        if ended is None or ended <= at:
            self._settle_lack(workload, at)
        self._figures.note_signature(at - START)
        not_after = renew_at = at + self._of.lifetime
        if self._peer is None:
            renew_at = self._promises.renew(workload, at, not_after, self._of.window, self._random.getrandbits(64))
        self._not_after[workload] = not_after
        self._feed(workload, Issued(renew_at, not_after), at)

    def _settle_lack(self, workload: int, at: datetime) -> None:
        """It holds no valid leaf until now: the last one expired, or went with a restart."""
        ended = self._not_after[workload]
        if ended is not None and ended <= at:
            self._figures.note_expiry(ended - START, at - ended)
            self._not_after[workload] = None
        elif ended is None:
            self._figures.note_lack(at - self._bare_since.pop(workload, at))

    # What goes wrong.

    def _servers_die(self, outage: Outage, at: datetime) -> None:
        self._figures.endured.append(Endured(outage.at, outage.length, self._least_left(at)))
        self._down += 1
        waiting = [one for one in sorted(self._unanswered) if self._queue.withdraw(one)]
        for workload in waiting:
            self._unanswered.discard(workload)
            self._feed(workload, _FAILED, at)

    def _servers_return(self, at: datetime) -> None:
        """A new server knows of its leaves what the database does, and of the queue nothing."""
        self._down -= 1
        self._queue = self._fresh_queue(at)
        before, self._promises = self._promises, Promises()
        for workload, promise in before:
            if promise.renew_at > at:
                self._promises.recall(workload, promise, at)

    def _cut_off(self, nodes: list[int], change: int, _: datetime) -> None:
        for node in nodes:
            self._cut[node] += change

    def _restart(self, nodes: list[int], at: datetime) -> None:
        for node in nodes:
            first = node * self._of.per_node
            for workload in range(first, min(first + self._of.per_node, self._of.workloads)):
                self._queue.withdraw(workload)
                self._unanswered.discard(workload)
                if self._not_after[workload] is not None:
                    self._settle_lack(workload, at)
                    self._not_after[workload] = None
                    self._bare_since[workload] = at
                self._agents[workload] = self._fresh_agent()
                self._calendar.drop(workload)
                self._feed(workload, TICKED, at)

    # The world.

    def _fresh_agent(self) -> LeafRenewal | PeerLeaf:
        if self._peer is None:
            return LeafRenewal(self._random.getrandbits(64))
        return PeerLeaf(self._peer, self._polled, self._random)

    def _fresh_queue(self, at: datetime) -> AdmissionQueue[int, int]:
        rate = self._of.signing_rate
        return AdmissionQueue(Limits(rate, burst=max(1, int(rate / 10)), per_node=max(256, self._of.per_node)), at)

    def _some_nodes(self, share: float) -> list[int]:
        return sorted(self._random.sample(range(self._of.nodes), max(1, round(share * self._of.nodes))))

    def _least_left(self, at: datetime) -> timedelta:
        return min((ended for ended in self._not_after if ended is not None), default=at) - at

    def _tell(self, at: datetime) -> None:
        self._progress(at - START)

    def _sample(self, at: datetime) -> None:
        looked_at = self._not_after[:: max(1, len(self._not_after) // SAMPLED)]
        lefts = [(one - at) / self._of.lifetime if one is not None else 0.0 for one in looked_at]
        bands = [sum(left > band for left in lefts) / len(lefts) for band in BANDS]
        shares = (1 - bands[0], *(more - less for more, less in zip(bands, [*bands[1:], 0.0], strict=True)))
        self._figures.remaining.append(Remaining(at - START, shares, max(_NO_TIME, self._least_left(at))))


def _polled(rule: PeerRule | None, scenario: Scenario) -> PolledThreshold | None:
    if rule is None or not rule.polls:
        return None
    return PolledThreshold(scenario.lifetime * (rule.closes - rule.opens))

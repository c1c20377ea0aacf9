"""A change of root with other trust domains in it: whatever happens, what signs is trusted by their participants too.

One domain makes statements, which come late or not at all while its participants lag; one makes none and
fetches at every hint, which is what time is given for. Clocks of servers err here by three hints at most, out of five
that are given: who can prove nothing is believed by the clock, and nobody else is.
"""

from __future__ import annotations

from datetime import timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from tests.kit.root_change_domains import GIVEN, HINT, Domain, Published
from tests.properties.rotation import test_change_root_properties as alone
from trustplane.rotation.change_root import Effect, Excused
from trustplane.rotation.root_change import Participant, RootChange, Survey, Waiver
from trustplane.trust.authority import AuthorityId, AuthorityState
from trustplane.trust.partner import Rule

MOST_BEHIND = GIVEN - 2 * HINT
some_domain = st.integers(0, 1)


class WithPartners(alone.World):
    def __init__(self) -> None:
        super().__init__()
        self.sequence = 1
        self.was: frozenset[AuthorityId] = self.published
        both = (("states.example", Rule.STATEMENT), ("silent.example", Rule.TIME))
        self.domains = [
            Domain(Participant(f"domain {name}"), believed, self.edition, [self.published] * 2)
            for name, believed in both
        ]

    @property
    def edition(self) -> Published:
        if self.was != self.published:
            self.sequence, self.was = self.sequence + 1, self.published
        return self.sequence, self.was

    @initialize(
        some=st.sampled_from([slice(0, 1), slice(1, 2), slice(0, 2)]),
        called=st.sampled_from([False, False, True]),
        lags=st.sampled_from([False, False, True]),
    )
    def some_are_there(self, some: slice, called: bool, lags: bool) -> None:  # noqa: FBT001 - Hypothesis draws it
        self.domains = self.domains[some]
        for one in self.domains:
            one.is_called, one.hands_on = called, not lags

    def domain(self, number: int) -> Domain:
        return self.domains[number % len(self.domains)]

    def survey(self) -> Survey:
        found, coming = super().survey(), self.change.coming if self.change else None
        others = tuple(one.seen(self.edition, self.roots, coming) for one in self.domains)
        return Survey(
            found.roots,
            found.are_issuers_ready,
            (*found.seen, *others),
            found.last_leaf,
            found.longest_connection,
            found.are_all_measured,
        )

    def do(self, change: RootChange, effect: Effect) -> None:
        super().do(change, effect)
        assert self.edition[1] == self.published, "every bundle that is published has its number"

    def switch(self, leaving: AuthorityId, coming: AuthorityId) -> None:
        if not self.is_urgent:
            unready = [one.name for one in self.unwaived() if not all(coming in each for each in one.members)]
            assert not unready, f"{unready} would refuse what the new root signs"
        super().switch(leaving, coming)

    def unwaived(self) -> list[Domain]:
        return [one for one in self.domains if one.name not in self.waived]

    @rule(number=some_domain, hands_on=st.booleans())
    def one_over_there_sleeps_or_lags_or_no_more(self, number: int, hands_on: bool) -> None:  # noqa: FBT001 - drawn
        one = self.domain(number)
        if hands_on:
            one.hands_on = not one.hands_on
        else:
            one.awake = not one.awake

    @rule(number=some_domain)
    def a_domain_fetches(self, number: int) -> None:
        self.domain(number).fetch(self.edition, self.now)

    @rule(number=some_domain, which=st.integers(0, 1))
    def a_participant_over_there_takes_it_up(self, number: int, which: int) -> None:
        self.domain(number).take_up(which)

    @rule(number=some_domain, heard=st.booleans())
    def it_states_what_it_holds(self, number: int, heard: bool) -> None:  # noqa: FBT001 - Hypothesis draws it
        domain = self.domain(number)
        domain.state()
        if heard:
            domain.hear()

    @rule(number=some_domain)
    def a_late_statement_is_heard(self, number: int) -> None:
        self.domain(number).hear()

    @rule(number=some_domain, which=st.integers(0, 1))
    def its_service_is_shown_a_probe(self, number: int, which: int) -> None:
        signers = {root for root in self.ready if self.roots[root] is AuthorityState.PREPARED}
        self.domain(number).probe(signers, which)

    @precondition(lambda self: self.change is not None)
    @rule(number=some_domain)
    def a_domain_is_waived(self, number: int) -> None:
        assert self.change is not None
        name = self.domain(number).name
        self.waived.add(name)
        waiver = Waiver(name, "no answer", "team", "ann", self.clock, self.clock + alone.WAIVER_LIFE)
        self.store(self.change, Excused(waiver))

    @rule(much=alone.seconds)
    def time_passes(self, much: timedelta) -> None:
        super().time_passes(much)
        for one in self.domains:
            one.time_passes(self.edition, self.now)

    @rule(much=alone.seconds)
    def the_servers_clock_is_set_back(self, much: timedelta) -> None:
        self.behind = min(self.behind + much, MOST_BEHIND)

    def all_goes_well(self) -> None:
        for one in self.domains:
            one.all_goes_well(self.edition, self.now)
            its_service = {root for root in self.ready if self.roots[root] is AuthorityState.PREPARED}
            one.probe(its_service, 0)
        super().all_goes_well()

    def teardown(self) -> None:
        for one in self.domains:
            one.awake = one.hands_on = True
        super().teardown()

    @invariant()
    def who_shows_a_valid_certificate_is_trusted_elsewhere(self) -> None:
        for name, leaf in self.copies if not self.is_urgent else ():
            if leaf.ends > self.now and name not in self.waived:
                refusing = [one.name for one in self.unwaived() if any(leaf.root not in each for each in one.members)]
                assert not refusing, f"{refusing} would refuse {name} in {self.history}"


TestChangeOfRootWithPartners = WithPartners.TestCase
TestChangeOfRootWithPartners.settings = settings(
    max_examples=settings().max_examples, stateful_step_count=60, deadline=None
)

"""Whatever the clock, the crashes and the number of replicas do: never two active, never none, never one too short."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.kit.issuing_ports import NOON, MemoryAuthority
from trustplane.issuance.shape import SHORTEST_LEAF
from trustplane.spiffe.names import NodeName
from trustplane.trust.authority import Authority, AuthorityId, AuthorityKind, AuthorityState
from trustplane.trust.bundles import sequence_of
from trustplane.trust.lifecycle import Activate, Lifetimes, MakeRoot, Prepare, Retire, Step, active, due

PLAIN = MemoryAuthority.at(NOON)
OWNERS = (NodeName("server-1"), NodeName("server-2"))
BELOW = (AuthorityKind.ISSUING, AuthorityKind.JWT)
CHECKED_EVERY = 1 / 60  # of the life, as the flow does


class Authorities(RuleBasedStateMachine):
    """Two replicas on one table. Time mostly goes forward, sometimes by far, sometimes back."""

    @initialize(life=st.integers(2, 60 * 24 * 90))
    def begin(self, life: int) -> None:
        lifetime = timedelta(minutes=life)
        self.lifetimes = Lifetimes(issuing=lifetime, jwt=lifetime, publish_ahead=lifetime / 6)
        self.now = self.latest = NOON
        self.known: dict[AuthorityId, Authority] = {}
        self.published: dict[AuthorityId, datetime] = {}
        self.sequence = 0
        self.names = count()
        for owner in OWNERS:
            self._settle(owner)

    @rule(ticks=st.integers(1, 120))
    def time_goes_on_and_both_look_after_their_own(self, ticks: int) -> None:
        for _ in range(ticks):
            self._move(self.now + self.lifetimes.issuing * CHECKED_EVERY)
            for owner in OWNERS:
                self._settle(owner)

    @rule(share=st.floats(0.1, 3.0))
    def both_sleep_and_wake(self, share: float) -> None:
        self._move(self.now + self.lifetimes.issuing * share)
        for owner in OWNERS:
            self._settle(owner)

    @rule(share=st.floats(0.01, 5.0))
    def the_clock_is_set_back(self, share: float) -> None:
        before = len(self.known)
        self.now -= self.lifetimes.issuing * share
        for owner in OWNERS:
            self._settle(owner)
        assert len(self.known) == before, "a clock set back made something"
        self.now = self.latest

    @rule(owner=st.sampled_from(OWNERS), after=st.integers(0, 3))
    def killed_between_two_writes(self, owner: NodeName, after: int) -> None:
        """The first writes of what is due are made, the rest never; then it starts again."""
        self._move(self.now + self.lifetimes.issuing * CHECKED_EVERY)
        for _ in range(after):
            step = due(self.known.values(), owner, self.lifetimes, self.now)
            if isinstance(step, Activate) and step.replaces:
                self._to(step.replaces, AuthorityState.DRAINING)
                break
            if step is None:
                break
            self._take(step, owner)
        for each in OWNERS:
            self._settle(each)

    @invariant()
    def nobody_has_two_active(self) -> None:
        for owner in OWNERS:
            for kind in BELOW:
                assert len(self._active(owner, kind)) <= 1

    @invariant()
    def everybody_can_sign_a_leaf_worth_having(self) -> None:
        for owner in OWNERS:
            signing = active(self.known.values(), owner, AuthorityKind.ISSUING)
            assert signing is not None
            assert signing.not_before <= self.now <= signing.not_after - SHORTEST_LEAF

    @invariant()
    def somebody_can_mint_a_token(self) -> None:
        keys = [each for owner in OWNERS for each in self._active(owner, AuthorityKind.JWT)]
        assert any(each.not_before <= self.now < each.not_after for each in keys)

    @invariant()
    def nothing_retires_while_what_it_signed_may_live(self) -> None:
        for each in self.known.values():
            assert each.state is not AuthorityState.RETIRED or each.not_after <= self.latest

    @invariant()
    def the_bundles_sequence_never_falls(self) -> None:
        sequence = sequence_of(self.known.values())
        assert sequence >= self.sequence
        self.sequence = sequence

    def _move(self, to: datetime) -> None:
        self.now = self.latest = to

    def _settle(self, owner: NodeName) -> None:
        for _ in range(20):
            step = due(self.known.values(), owner, self.lifetimes, self.now)
            if step is None:
                return
            self._take(step, owner)
        raise AssertionError("it does not come to rest")

    def _take(self, step: Step, owner: NodeName) -> None:
        match step:
            case MakeRoot():
                self._add(AuthorityKind.ROOT, AuthorityState.ACTIVE, None, timedelta(days=36500))
            case Prepare(kind):
                self._add(kind, AuthorityState.PREPARED, owner, self.lifetimes.issuing)
            case Activate(successor, replaced):
                if replaced:
                    self._to(replaced, AuthorityState.DRAINING)
                self._check_published(successor)
                self._to(successor, AuthorityState.ACTIVE)
            case Retire(authority, state):
                assert self.known[authority].state is state
                self._to(authority, AuthorityState.RETIRED)

    def _check_published(self, successor: AuthorityId) -> None:
        key = self.known[successor]
        others = [each for owner in OWNERS for each in self._active(owner, AuthorityKind.JWT)]
        if key.kind is AuthorityKind.JWT and any(self.now < each.not_after for each in others):
            assert self.now >= self.published[successor] + self.lifetimes.publish_ahead

    def _add(self, kind: AuthorityKind, state: AuthorityState, owner: NodeName | None, life: timedelta) -> None:
        name = AuthorityId(f"{next(self.names):04}")
        self.published[name] = self.now
        self.known[name] = replace(
            PLAIN.issuing,
            id=name,
            kind=kind,
            state=state,
            owner=owner,
            certificate=None if kind is AuthorityKind.JWT else PLAIN.issuing.certificate,
            parent=AuthorityId("0000") if kind is AuthorityKind.ISSUING else None,  # the root, made first
            not_before=self.now,
            not_after=self.now + life,
        )

    def _to(self, authority: AuthorityId, state: AuthorityState) -> None:
        self.known[authority] = replace(self.known[authority], state=state)

    def _active(self, owner: NodeName, kind: AuthorityKind) -> list[Authority]:
        return [
            each
            for each in self.known.values()
            if each.owner == owner and each.kind is kind and each.state is AuthorityState.ACTIVE
        ]


TestAuthorities = Authorities.TestCase
TestAuthorities.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)

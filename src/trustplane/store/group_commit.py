"""The writer: one thread, one connection, and as many pieces of work in a transaction as wait for it.

Nothing is answered before it is committed. When a transaction fails, each of its pieces runs again in one of its own,
so that a bad one spoils nothing but its own answer. Work must therefore be repeatable: a function of the transaction
and its arguments that touches nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from trustplane.fault import Refused, Unavailable
from trustplane.store.faults import fault_of, is_conflict, is_lost_connection, outcome_unknown, store_busy, store_closed
from trustplane.store.topics import Topic
from trustplane.store.transaction import Transaction

MAX_WAITING = 4096
MAX_GROUP = 256
TAKES_NOTHING = frozenset({"store-full", "store-read-only"})
ATTEMPTS = 4  # of one piece of work, when other writers are in its way

T = TypeVar("T")
Work = Callable[[Transaction], T]


@dataclass(frozen=True, slots=True)
class _Written(Generic[T]):
    value: T


Outcome = _Written[Any] | Exception


class _OutcomeUnknownError(Exception):
    """The connection was lost while the commit was under way."""


class _RefusedAfterWritingError(Exception):
    """Work that changed rows and then refused: what it changed must not be committed with the others' rows."""


@dataclass(frozen=True, slots=True)
class _Job:
    work: Work[Any]
    answer: asyncio.Future[Any]


class GroupCommit:
    """Belongs to the event loop it is made on. `committed` is called on that loop, before the answers are given."""

    def __init__(
        self,
        engine: Engine,
        announce: Callable[[Transaction], None],
        committed: Callable[[frozenset[Topic]], None],
    ) -> None:
        self._engine = engine
        self._announce = announce
        self._committed = committed
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[_Job] = deque()
        self._wake = threading.Condition()
        self._closing = False
        self._has_written = False
        self.trouble: Unavailable | None = None  # why the database took nothing of the last that was to be written
        self._thread = threading.Thread(target=self._write_until_closed, name="store-writer", daemon=True)
        self._thread.start()

    async def submit(self, work: Work[T]) -> T:
        answer: asyncio.Future[T] = self._loop.create_future()
        with self._wake:
            if self._closing:
                raise store_closed()
            if len(self._waiting) >= MAX_WAITING:
                raise store_busy(f"{MAX_WAITING} writes are waiting already")
            self._waiting.append(_Job(work, answer))
            self._wake.notify()
        return await answer

    async def close(self) -> None:
        """What was submitted is still written."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        await asyncio.to_thread(self._thread.join)

    def _write_until_closed(self) -> None:
        while jobs := self._next_group():
            topics: set[Topic] = set()
            self._has_written = False
            outcomes = self._group(jobs, topics)
            self._look_for_trouble(outcomes)
            # The loop is gone when a process ends without closing its store; nobody waits for these answers then.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._answer, jobs, outcomes, frozenset(topics))

    def _look_for_trouble(self, outcomes: Sequence[Outcome]) -> None:
        """Work that changes no row is committed on a full disk too, and says nothing."""
        of_all = (one for one in outcomes if isinstance(one, Unavailable) and one.code in TAKES_NOTHING)
        trouble = next(of_all, None)
        if trouble is not None or self._has_written:
            self.trouble = trouble

    def _next_group(self) -> list[_Job]:
        """Empty only when the store is closing and nothing waits any more."""
        with self._wake:
            while True:
                self._wake.wait_for(lambda: self._waiting or self._closing)
                group = [self._waiting.popleft() for _ in range(min(len(self._waiting), MAX_GROUP))]
                # Whoever stopped waiting before its turn has nothing written.
                wanted = [job for job in group if not job.answer.cancelled()]
                if wanted or not group:
                    return wanted

    def _group(self, jobs: Sequence[_Job], topics: set[Topic]) -> list[Outcome]:
        if len(jobs) == 1:
            return [self._alone(jobs[0], topics, in_haste=True)]
        try:
            return self._transact(jobs, topics, in_haste=True)
        except SQLAlchemyError as error:
            if isinstance(fault_of(error), Unavailable) and not is_lost_connection(error):
                # A full or locked database would answer each of them the same, and perhaps as slowly.
                return [fault_of(error) for _ in jobs]
        except _OutcomeUnknownError:
            return [outcome_unknown() for _ in jobs]
        except Exception:  # noqa: BLE001, S110 - each piece runs again below, where whoever raised this gets it
            pass
        return self._one_by_one(jobs, topics)

    def _one_by_one(self, jobs: Sequence[_Job], topics: set[Topic]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for job in jobs:
            outcome = self._alone(job, topics, in_haste=False)
            outcomes.append(outcome)
            if isinstance(outcome, Unavailable):
                # The database itself is in trouble, and the rest would wait for the same answer, one after another.
                outcomes.extend(_again(outcome) for _ in jobs[len(outcomes) :])
                break
        return outcomes

    def _alone(self, job: _Job, topics: set[Topic], *, in_haste: bool) -> Outcome:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._transact([job], topics, in_haste=in_haste and attempt == 1)[0]
            except SQLAlchemyError as error:
                # A lost connection is made again once: if that fails too, waiting longer is the caller's choice.
                if (attempt < ATTEMPTS and is_conflict(error)) or (attempt == 1 and is_lost_connection(error)):
                    continue
                return fault_of(error)
            except _OutcomeUnknownError:
                return outcome_unknown()
            except _RefusedAfterWritingError as late:
                return late.args[0]  # type: ignore[no-any-return]  # what `_run` put there
            except Exception as error:  # noqa: BLE001 - the caller gets it; the writer must outlive every mistake
                return error
        raise AssertionError  # the last attempt has returned

    def _transact(self, jobs: Sequence[_Job], topics: set[Topic], *, in_haste: bool) -> list[Outcome]:
        with self._engine.connect() as connection:
            begun = connection.begin()
            transaction = Transaction(connection, in_haste=in_haste)
            try:
                outcomes = [_run(job, transaction) for job in jobs]
                transaction.finish()
                self._announce(transaction)
            except BaseException:
                begun.rollback()
                raise
            try:
                begun.commit()
            except SQLAlchemyError as error:
                if is_lost_connection(error):
                    raise _OutcomeUnknownError from error
                begun.rollback()
                raise
        topics |= transaction.topics
        self._has_written = self._has_written or transaction.written > 0
        return outcomes

    def _answer(self, jobs: Sequence[_Job], outcomes: Sequence[Outcome], topics: frozenset[Topic]) -> None:
        if topics:
            self._committed(topics)
        for job, outcome in zip(jobs, outcomes, strict=True):
            if job.answer.done():
                continue
            if isinstance(outcome, _Written):
                job.answer.set_result(outcome.value)
            else:
                job.answer.set_exception(outcome)


def _run(job: _Job, transaction: Transaction) -> Outcome:
    """A refusal before anything was written is an answer like any other and costs the others nothing."""
    before = transaction.written
    try:
        return _Written(job.work(transaction))
    except Refused as refusal:
        if transaction.written != before:
            raise _RefusedAfterWritingError(refusal) from refusal
        return refusal


def _again(fault: Unavailable) -> Unavailable:
    """The same words in an exception of its own, since each is raised in another place."""
    said = fault.finding
    return Unavailable(code=said.code, what=said.what, why=said.why, fix=said.fix, retry_after=fault.retry_after)

"""Threads: where runs leave their state."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from lgserve import jsonio
from lgserve.core.clock import to_iso
from lgserve.core.errors import ConflictError, NotFoundError
from lgserve.core.models import (
    EMPTY_OBJECT,
    Page,
    Scope,
    Thread,
    ThreadFilter,
    ThreadSpace,
    ThreadTtl,
)
from lgserve.core.scopes import stamp
from lgserve.services.idempotency import Once, once_only
from lgserve.services.supersteps import Supersteps, filled, standing
from lgserve.services.thread_ttl import TtlWish, chosen_ttl

if TYPE_CHECKING:
    from lgserve.core.ports import Clock, Storage, Transaction
    from lgserve.core.principals import Principal
    from lgserve.core.vocabulary import IfExists, TtlStrategy
    from lgserve.services.cancelling import Canceller
    from lgserve.services.thread_state import ThreadStateService

T = TypeVar("T")

#: What is left after a crash of a thread that was being made goes then; none takes half of it.
_LONGEST_MAKING = timedelta(hours=1)


def thread_not_found(thread_id: str) -> NotFoundError:
    """Return the error every operation on a missing thread answers."""
    return NotFoundError(f"Thread with ID {thread_id} not found")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewThread:
    """A thread that a client asks for."""

    thread_id: str
    metadata: Mapping[str, Any]
    if_exists: IfExists = "raise"
    ttl: TtlWish | None = None
    supersteps: Supersteps = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadService:
    """The operations on threads."""

    storage: Storage
    clock: Clock
    canceller: Canceller
    state: ThreadStateService
    #: The project's default, which storage applies; here it lends its minutes.
    default_ttl: ThreadTtl | None = None
    #: How many threads one sweep takes care of.
    sweep_limit: int = 1000

    async def create(
        self,
        wanted: NewThread,
        scope: Scope,
        user: Principal | None = None,
        once: Once[Thread] | None = None,
    ) -> Thread:
        """Create a thread, or return the one that has this id if `if_exists` allows.

        With supersteps it appears when they are carried out; if they cannot be, there is no thread.
        """
        made = replace(
            new_thread(wanted.thread_id, {**wanted.metadata, **stamp(scope)}, self._now()),
            ttl=None if wanted.ttl is None else chosen_ttl(wanted.ttl, None, self.default_ttl),
        )
        if wanted.supersteps:
            return await _to_its_end(self._create_filled(made, wanted, scope, user, once))
        return await self._insert(made, wanted, scope, once)

    async def find(self, thread_id: str, scope: Scope) -> Thread:
        """Return a thread, without values that are too large to stand in its row."""
        found = await self.storage.lookup(lambda tx: tx.threads.find(thread_id, scope))
        if found is None:
            raise thread_not_found(thread_id)
        return found

    async def get(self, thread_id: str, scope: Scope, user: Principal | None = None) -> Thread:
        """Return a thread, with its values."""
        return await self._with_values(await self.find(thread_id, scope), user)

    async def update(
        self,
        thread_id: str,
        metadata: Mapping[str, Any] | None,
        ttl: TtlWish | None,
        scope: Scope,
        user: Principal | None = None,
    ) -> Thread:
        """Merge metadata into a thread's; a wish replaces how long it is kept."""
        now = self._now()

        def work(tx: Transaction) -> Thread:
            stored = tx.threads.find(thread_id, scope)
            if stored is None:
                raise NotFoundError
            if ttl is not None:
                tx.threads.set_ttl(thread_id, chosen_ttl(ttl, stored.ttl, self.default_ttl), now)
            merged = jsonio.dumps_wire(
                {**jsonio.loads(stored.metadata), **(metadata or {}), **stamp(scope)}
            )
            tx.threads.set_metadata(thread_id, merged, now)
            return tx.threads.find(thread_id, scope) or stored

        return await self._with_values(await self.storage.write(work), user)

    async def copy(
        self,
        source: Thread,
        copy_id: str,
        metadata: Mapping[str, Any],
        scope: Scope,
        user: Principal | None = None,
        once: Once[Thread] | None = None,
    ) -> Thread:
        """Create a thread that stands where another one does, without its runs."""
        into = replace(
            new_thread(copy_id, {**metadata, **stamp(scope)}, self._now()), ttl=source.ttl
        )
        made = await _to_its_end(self._copy(source.thread_id, into, user, once))
        return await self._with_values(made, user)

    async def space(self, thread_id: str, scope: Scope) -> ThreadSpace:
        """Return what a thread takes in the database."""
        await self.find(thread_id, scope)
        return await self.storage.read(lambda tx: tx.threads.space(thread_id))

    async def delete(self, thread_id: str, scope: Scope) -> None:
        """Stop the thread's runs, then delete it with all that is its own."""
        await self.find(thread_id, scope)
        await self._delete(thread_id)

    async def prune(self, thread_id: str, strategy: TtlStrategy, scope: Scope) -> bool:
        """Delete a thread, or its checkpoints but the latest, unless it is busy; False: neither."""
        if await self.storage.lookup(lambda tx: tx.threads.find(thread_id, scope)) is None:
            return False
        if strategy == "keep_latest":
            return await self._keep_latest(thread_id)
        await self._delete(thread_id)
        return True

    async def delete_of_assistant(self, assistant_id: str, scope: Scope) -> None:
        """Delete the threads whose last run was of the assistant."""
        where = ThreadFilter(metadata={"assistant_id": assistant_id})
        page = Page(sort_by="thread_id", limit=1000)
        while found := await self.storage.read(lambda tx: tx.threads.search(where, page, scope)):
            for thread in found:
                await self._delete(thread.thread_id)

    async def sweep(self) -> int:
        """Delete or prune threads whose time is over; return how many."""
        found = await self.storage.read(lambda tx: tx.threads.expired(self.sweep_limit))
        done = [await self._expire(thread_id, strategy) for thread_id, strategy in found]
        return sum(done)

    async def search(
        self,
        where: ThreadFilter,
        page: Page,
        scope: Scope,
        *,
        values: bool,
        user: Principal | None = None,
    ) -> tuple[list[Thread], int]:
        """Return a page of matching threads and how many there are; with `values` if asked."""
        found, total = await self.storage.read(
            lambda tx: (tx.threads.search(where, page, scope), tx.threads.count(where, scope))
        )
        if values:
            found = [await self._with_values(thread, user) for thread in found]
        return found, total

    async def count(self, where: ThreadFilter, scope: Scope) -> int:
        """Return how many threads match."""
        return await self.storage.read(lambda tx: tx.threads.count(where, scope))

    async def _insert(
        self, made: Thread, wanted: NewThread, scope: Scope, once: Once[Thread] | None
    ) -> Thread:
        def work(tx: Transaction) -> Thread:
            if not tx.threads.insert(made):
                return _existing(tx, wanted, scope)
            return tx.threads.find(made.thread_id, {}) or made

        return await self.storage.write(once_only(work, once))

    async def _create_filled(
        self,
        made: Thread,
        wanted: NewThread,
        scope: Scope,
        user: Principal | None,
        once: Once[Thread] | None,
    ) -> Thread:
        """Take the id, write the checkpoints, and show the thread: all of it or nothing."""
        until = to_iso(self.clock.now() + _LONGEST_MAKING)

        def begin(tx: Transaction) -> Thread | None:
            if once is not None:
                once.recall(tx)
            if tx.threads.reserve(made, until):
                return None
            existing = _existing(tx, wanted, scope)
            if once is not None:
                once.note(tx, existing)
            return existing

        existing = await self.storage.write(begin)
        if existing is not None:
            return existing
        return await self._finish(filled(self.state, made, wanted.supersteps, user), made, once)

    async def _copy(
        self, source_id: str, into: Thread, user: Principal | None, once: Once[Thread] | None
    ) -> Thread:
        """Copy what is settled at once; what a run has come to since is for its graph to say."""
        until = to_iso(self.clock.now() + _LONGEST_MAKING)

        def work(tx: Transaction) -> Thread | None:
            if once is not None:
                once.recall(tx)
            if tx.threads.find(source_id, {}) is None:
                raise thread_not_found(source_id)
            if not tx.threads.copy(source_id, into, until):
                return None
            made = tx.threads.find(into.thread_id, {}) or into
            if once is not None:
                once.note(tx, made)
            return made

        async with self.state.holds.hold(source_id):  # no update may be half-way
            made = await self.storage.write(work)
        if made is not None:
            return made
        return await self._finish(standing(self.state, into, user), into, once)

    async def _finish(
        self, making: Awaitable[Thread], draft: Thread, once: Once[Thread] | None
    ) -> Thread:
        """Show a thread when it is made; if it cannot be, nothing of it stays."""
        try:
            async with asyncio.timeout(_LONGEST_MAKING.total_seconds() / 2):
                complete = await making
            return await self._publish(complete, once)
        except BaseException:
            await self.storage.write(lambda tx: tx.threads.delete(draft.thread_id))
            raise

    async def _publish(self, complete: Thread, once: Once[Thread] | None) -> Thread:
        now = self._now()
        settled = replace(complete, updated_at=now, state_updated_at=now)

        def work(tx: Transaction) -> Thread:
            if not tx.threads.publish(settled):
                raise ConflictError("The thread took too long to make")
            return tx.threads.find(settled.thread_id, {}) or settled

        return await self.storage.write(once_only(work, once))

    async def _keep_latest(self, thread_id: str) -> bool:
        # An update may be about to go on from a checkpoint that would go.
        async with self.state.holds.hold(thread_id):
            return await self.storage.write(lambda tx: tx.threads.prune(thread_id, self._now()))

    async def _expire(self, thread_id: str, strategy: TtlStrategy) -> bool:
        if strategy == "keep_latest":
            return await self._keep_latest(thread_id)
        async with self.state.holds.hold(thread_id):
            deleted = await self.storage.write(lambda tx: tx.threads.delete_expired(thread_id))
        if deleted:
            self.canceller.thread_deleted(thread_id)
        return deleted

    async def _delete(self, thread_id: str) -> None:
        """Stop and delete, again if a run was created in between."""
        deleted = False
        while not deleted:
            await self.canceller.stop_thread(thread_id)
            async with self.state.holds.hold(thread_id):  # or an update would leave checkpoints
                deleted = await self.storage.write(lambda tx: _delete_idle(tx, thread_id))
        self.canceller.thread_deleted(thread_id)

    async def _with_values(self, thread: Thread, user: Principal | None) -> Thread:
        """Return the thread with values that were too large to stand in its row."""
        if not thread.values_in_state:
            return thread
        return replace(thread, values=await self.state.values(thread, user=user))

    def _now(self) -> str:
        return to_iso(self.clock.now())


async def _to_its_end(work: Coroutine[Any, Any, T]) -> T:
    """Await something that goes on if who awaits it is cancelled."""
    return await asyncio.shield(asyncio.ensure_future(work))


def _existing(tx: Transaction, wanted: NewThread, scope: Scope) -> Thread:
    """Return the thread that has the id already, if that is what is wanted."""
    stored = tx.threads.find(wanted.thread_id, scope)
    if wanted.if_exists == "raise" or stored is None:
        raise ConflictError(f"Thread with ID {wanted.thread_id} already exists")
    return stored


def _delete_idle(tx: Transaction, thread_id: str) -> bool:
    if tx.runs.in_flight(thread_id):
        return False
    tx.threads.delete(thread_id)
    return True


def new_thread(thread_id: str, metadata: Mapping[str, Any], now: str) -> Thread:
    """Return a thread that has not run yet."""
    return Thread(
        thread_id=thread_id,
        created_at=now,
        updated_at=now,
        state_updated_at=now,
        metadata=jsonio.dumps_wire(metadata),
        status="idle",
        config=EMPTY_OBJECT,
        values=None,
        interrupts=None,
        error=None,
    )

"""Threads: where runs leave their state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lgserve import jsonio
from lgserve.core.clock import to_iso
from lgserve.core.errors import ConflictError, NotFoundError
from lgserve.core.ids import new_id
from lgserve.core.models import EMPTY_OBJECT, Page, Scope, Thread, ThreadFilter
from lgserve.core.scopes import stamp

if TYPE_CHECKING:
    from lgserve.core.ports import Clock, Storage, Transaction
    from lgserve.core.principals import Principal
    from lgserve.core.vocabulary import IfExists
    from lgserve.services.cancelling import Canceller
    from lgserve.services.thread_state import ThreadStateService


def thread_not_found(thread_id: str) -> NotFoundError:
    """Return the error every operation on a missing thread answers."""
    return NotFoundError(f"Thread with ID {thread_id} not found")


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadService:
    """The operations on threads."""

    storage: Storage
    clock: Clock
    canceller: Canceller
    state: ThreadStateService

    async def create(
        self,
        *,
        thread_id: str | None,
        metadata: Mapping[str, Any],
        if_exists: IfExists,
        scope: Scope,
    ) -> Thread:
        """Create a thread, or return the one that has this id if `if_exists` allows."""
        wanted = new_thread(
            thread_id or new_id(), {**metadata, **stamp(scope)}, to_iso(self.clock.now())
        )

        def work(tx: Transaction) -> Thread:
            if tx.threads.insert(wanted):
                return wanted
            stored = tx.threads.find(wanted.thread_id, scope)
            if if_exists == "raise" or stored is None:
                raise ConflictError(f"Thread with ID {wanted.thread_id} already exists")
            return stored

        return await self.storage.write(work)

    async def get(self, thread_id: str, scope: Scope, user: Principal | None = None) -> Thread:
        """Return a thread, with its values."""
        found = await self.storage.lookup(lambda tx: tx.threads.find(thread_id, scope))
        if found is None:
            raise thread_not_found(thread_id)
        return await self._with_values(found, user)

    async def update(
        self,
        thread_id: str,
        metadata: Mapping[str, Any] | None,
        scope: Scope,
        user: Principal | None = None,
    ) -> Thread:
        """Merge metadata into a thread's."""
        now = to_iso(self.clock.now())

        def work(tx: Transaction) -> Thread:
            stored = tx.threads.find(thread_id, scope)
            if stored is None:
                raise NotFoundError
            merged = jsonio.dumps_wire(
                {**jsonio.loads(stored.metadata), **(metadata or {}), **stamp(scope)}
            )
            tx.threads.set_metadata(thread_id, merged, now)
            return replace(stored, metadata=merged, updated_at=now)

        return await self._with_values(await self.storage.write(work), user)

    async def delete(self, thread_id: str, scope: Scope) -> None:
        """Stop the thread's runs, then delete it with all that is its own."""
        if await self.storage.lookup(lambda tx: tx.threads.find(thread_id, scope)) is None:
            raise thread_not_found(thread_id)
        await self._delete(thread_id)

    async def delete_of_assistant(self, assistant_id: str, scope: Scope) -> None:
        """Delete the threads whose last run was of the assistant."""
        where = ThreadFilter(metadata={"assistant_id": assistant_id})
        page = Page(sort_by="thread_id", limit=1000)
        while found := await self.storage.read(lambda tx: tx.threads.search(where, page, scope)):
            for thread in found:
                await self._delete(thread.thread_id)

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

    async def _delete(self, thread_id: str) -> None:
        """Stop and delete, again if a run was created in between."""
        deleted = False
        while not deleted:
            await self.canceller.stop_thread(thread_id)
            deleted = await self.storage.write(lambda tx: _delete_idle(tx, thread_id))

    async def _with_values(self, thread: Thread, user: Principal | None) -> Thread:
        """Return the thread with values that were too large to stand in its row."""
        if not thread.values_in_state:
            return thread
        return replace(thread, values=await self.state.values(thread, user=user))


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

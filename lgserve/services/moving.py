"""Threads between servers: given away with all checkpoints, and taken in."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from lgserve import jsonio
from lgserve.core.clock import to_iso
from lgserve.core.errors import ConflictError
from lgserve.core.models import Scope, Thread, ThreadTtl
from lgserve.core.scopes import stamp

if TYPE_CHECKING:
    from lgserve.core.moving import MovedCheckpoint, OnConflict, Outcome
    from lgserve.core.ports import Storage, ThreadMover, Transaction
    from lgserve.core.principals import Principal
    from lgserve.services.thread_state import ThreadStateService
    from lgserve.services.threads import ThreadService

#: A reservation that a crash leaves behind goes after this.
_LONGEST = timedelta(hours=1)
#: Members of a config that say who is asking: nobody may say that of himself.
_IDENTITY = ("langgraph_", "__")


@dataclass(frozen=True, slots=True, kw_only=True)
class MovingService:
    """Export and import of single threads."""

    storage: Storage
    threads: ThreadService
    state: ThreadStateService
    mover: ThreadMover

    async def export(
        self, thread_id: str, scope: Scope, user: Principal | None
    ) -> tuple[Thread, list[MovedCheckpoint]]:
        """Return a thread as it last settled, and all its checkpoints."""
        thread = await self.threads.get(thread_id, scope, user)
        checkpoints = await self.state.user_loop.run(lambda: self.mover.read(thread_id))
        return without_identity(thread), checkpoints

    async def take_in(
        self,
        thread: Thread,
        checkpoints: Sequence[MovedCheckpoint],
        scope: Scope,
        on_conflict: OnConflict,
    ) -> Outcome:
        """Store a thread with its checkpoints: all of it or nothing.

        Raises:
            ConflictError: the id is taken, and not by a thread that may be replaced.
            InvalidRequestError: a checkpoint is broken, or holds what is no data here.
        """
        taking = self._take_in(thread, checkpoints, scope, on_conflict)
        # A client that goes must not leave an import half-way.
        return await asyncio.shield(asyncio.ensure_future(taking))

    async def _take_in(
        self,
        thread: Thread,
        checkpoints: Sequence[MovedCheckpoint],
        scope: Scope,
        on_conflict: OnConflict,
    ) -> Outcome:
        owned = {**jsonio.loads(thread.metadata), **stamp(scope)}
        thread = without_identity(replace(thread, metadata=jsonio.dumps_wire(owned)))
        if on_conflict == "skip":
            known = await self.storage.lookup(lambda tx: tx.threads.find(thread.thread_id, scope))
            if known is not None:
                return "skipped"
        loaded = await self.state.user_loop.run(
            lambda: self.mover.load(thread.thread_id, checkpoints)
        )
        async with self.state.holds.hold(thread.thread_id):
            if self.mover.elsewhere:
                return await self._store_elsewhere(thread, loaded, scope, on_conflict)
            rows = await self.state.user_loop.run(lambda: self.mover.rows(loaded))

            def work(tx: Transaction) -> Outcome:
                outcome = _make_room(tx, thread.thread_id, scope, on_conflict)
                if outcome != "skipped":
                    _insert(tx, thread)
                    tx.threads.fill(rows)
                return outcome

            outcome = await self.storage.write(work)
        self._tell(thread, outcome)
        return outcome

    async def _store_elsewhere(
        self, thread: Thread, loaded: Any, scope: Scope, on_conflict: OnConflict
    ) -> Outcome:
        """Show a thread when the project's saver has its checkpoints."""
        until = to_iso(self.threads.clock.now() + _LONGEST)

        def begin(tx: Transaction) -> Outcome:
            outcome = _make_room(tx, thread.thread_id, scope, on_conflict)
            if outcome != "skipped" and not tx.threads.reserve(thread, until):
                raise _taken(thread.thread_id)
            return outcome

        outcome = await self.storage.write(begin)
        if outcome == "skipped":
            return outcome
        try:
            await self.state.user_loop.run(lambda: self.mover.store(loaded))
            await self.storage.write(lambda tx: tx.threads.publish(thread))
        except BaseException:
            await self.storage.write(lambda tx: tx.threads.delete(thread.thread_id))
            raise
        self._tell(thread, outcome)
        return outcome

    def _tell(self, thread: Thread, outcome: Outcome) -> None:
        if outcome == "replaced":
            self.threads.canceller.thread_deleted(thread.thread_id)


def _make_room(tx: Transaction, thread_id: str, scope: Scope, on_conflict: OnConflict) -> Outcome:
    """Remove the thread that is to be replaced; one of somebody else never is."""
    stored = tx.threads.find(thread_id, scope)
    if stored is None:
        return "imported"
    if on_conflict == "skip":
        return "skipped"
    if on_conflict == "fail":
        raise _taken(thread_id)
    if tx.runs.in_flight(thread_id):
        raise ConflictError(f"Thread {thread_id} has in-flight runs and cannot be replaced")
    tx.threads.delete(thread_id)
    return "replaced"


def _insert(tx: Transaction, thread: Thread) -> None:
    if not tx.threads.insert(thread):
        raise _taken(thread.thread_id)


def _taken(thread_id: str) -> ConflictError:
    return ConflictError(f"Thread with ID {thread_id} already exists")


def without_identity(thread: Thread) -> Thread:
    """Return a thread whose config does not say for whom its runs ran."""
    config = jsonio.loads(thread.config)
    given = config.get("configurable") if isinstance(config, Mapping) else None
    if not isinstance(given, Mapping):
        return thread
    kept = {name: given[name] for name in given if not name.startswith(_IDENTITY)}
    kept.pop("user_id", None)
    return replace(thread, config=jsonio.dumps_wire({**config, "configurable": kept}))


def moved_ttl(strategy: Any, minutes: float | None) -> ThreadTtl | None:
    """Return how long a thread that moves is kept; nothing said stays nothing said."""
    return None if strategy is None else ThreadTtl(strategy=strategy, minutes=minutes)

"""Threads as they are stored."""

from __future__ import annotations

from typing import Any, Protocol

from lgserve.core.models import Json, Page, Scope, Thread, ThreadFilter, ThreadSpace, ThreadTtl
from lgserve.core.vocabulary import TtlStrategy


class Threads(Protocol):
    """Threads; their status is derived from their runs whenever a run changes.

    A thread that has a TTL expires when its minutes have passed since its last change, but never
    while it is busy. One that is to be deleted then is gone in that moment, to every method but
    `expired` and `delete_expired`, whenever its rows go. A new thread of which nobody says how
    long it is kept gets the project's default, and so does an old one when a run begins on it.
    """

    def find(self, thread_id: str, scope: Scope) -> Thread | None:
        """Return the thread, or None if there is none in the scope."""
        ...

    def insert(self, thread: Thread) -> bool:
        """Add the thread; False, and nothing done, if its id is taken."""
        ...

    def reserve(self, thread: Thread, until: str) -> bool:
        """Take the id of a thread that is being made; False, and nothing done, if it is taken.

        Until it is published nobody sees it. A reservation that outlives `until` is void.
        """
        ...

    def publish(self, thread: Thread) -> bool:
        """Add a thread whose id is reserved; False, and nothing done, if that is void."""
        ...

    def copy(self, thread_id: str, into: Thread, until: str) -> bool:
        """Add a thread with all checkpoints of another one, by their ids, and its state.

        Values, interrupts, error and status are the other's; the bytes of values are shared. The
        rest is that of `into`, whose id must be new.

        False: runs in flight have come further than where the other one last settled. The copy has
        its checkpoints, but is only reserved, as by `reserve`: publish it with what they tell.
        """
        ...

    def fill(self, rows: Any) -> None:
        """Store checkpoints that `ThreadMover.rows` has made ready."""
        ...

    def prune(self, thread_id: str, now: str) -> bool:
        """Remove all checkpoints but the newest of each namespace and what that needs.

        The thread stays as it is; its time begins anew. False, and nothing done, if it is busy.
        """
        ...

    def space(self, thread_id: str) -> ThreadSpace:
        """Return what the thread takes."""
        ...

    def set_ttl(self, thread_id: str, ttl: ThreadTtl, now: str) -> None:
        """Set how long the thread is kept and move `updated_at`."""
        ...

    def adopt_default_ttl(self, thread_id: str) -> None:
        """Let the project's default say how long the thread is kept, if nobody has said so yet."""
        ...

    def expired(self, limit: int) -> list[tuple[str, TtlStrategy]]:
        """Return threads whose time is over and what is to happen to each, longest over first."""
        ...

    def delete_expired(self, thread_id: str) -> bool:
        """Remove a thread as `delete` does if its time is over; False if it is not."""
        ...

    def set_metadata(self, thread_id: str, metadata: Json, now: str) -> None:
        """Replace the metadata and move `updated_at`."""
        ...

    def settle(
        self,
        thread_id: str,
        *,
        has_next: bool,
        values: Json | None,
        interrupts: Json | None,
        error: Json | None,
        now: str,
    ) -> None:
        """Record the state the thread stands at, outside of any run."""
        ...

    def last_epoch(self, thread_id: str) -> int | None:
        """Return the greatest epoch given to the thread's runs and events; None: no thread."""
        ...

    def advance_epoch(self, thread_id: str) -> int:
        """Return a number of milliseconds greater than every epoch of the thread before."""
        ...

    def has_checkpoint(self, thread_id: str, namespace: str, checkpoint_id: str) -> bool:
        """Tell whether the thread has this checkpoint."""
        ...

    def delete(self, thread_id: str) -> None:
        """Remove the thread with all that is its own: runs, events, checkpoints, blobs, writes."""
        ...

    def search(self, where: ThreadFilter, page: Page, scope: Scope) -> list[Thread]:
        """Return a page of matching threads."""
        ...

    def count(self, where: ThreadFilter, scope: Scope) -> int:
        """Return how many threads match."""
        ...

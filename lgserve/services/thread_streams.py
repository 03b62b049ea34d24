"""Following a thread: all of its runs, those to come included."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lgserve.services.protocol_logs import ReadableThread
from lgserve.services.threads import thread_not_found

if TYPE_CHECKING:
    from lgserve.core.models import Scope, ThreadPosition
    from lgserve.core.ports import RunStreams, Storage, ThreadFollower


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadStreamService:
    """Readers of threads' logs."""

    storage: Storage
    streams: RunStreams

    async def follow(
        self, thread_id: str, after: ThreadPosition | None, scope: Scope
    ) -> ThreadFollower:
        """Return a reader of a thread's log behind a position; None is now.

        Raises:
            NotFoundError: there is no such thread in the scope.
        """
        if await self.storage.lookup(lambda tx: tx.threads.find(thread_id, scope)) is None:
            raise thread_not_found(thread_id)
        return ReadableThread(await self.streams.follow_thread(thread_id, after))

"""Who may write to a thread's state now: one update at a time, and no run in the middle of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class ThreadHolds:
    """Threads whose state is being written by hand; lives on the API's loop.

    An update that holds its thread before it looks for runs cannot be lost: a run that was created
    before is seen, and one that is created later waits here until the update is done.
    """

    def __init__(self) -> None:
        self._held: dict[str, asyncio.Event] = {}

    @asynccontextmanager
    async def hold(self, thread_id: str) -> AsyncIterator[None]:
        """Hold the thread, after those that hold it now."""
        await self.released(thread_id)
        done = self._held[thread_id] = asyncio.Event()
        try:
            yield
        finally:
            del self._held[thread_id]
            done.set()

    async def released(self, thread_id: str) -> None:
        """Return when nobody holds the thread."""
        while (held := self._held.get(thread_id)) is not None:
            await held.wait()

"""What a path of the config names that has to be opened: a saver, a store.

The object itself, a function that makes it, or an (async) context manager that yields it.
"""

from __future__ import annotations

import asyncio
import inspect
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any


class Opened:
    """An object of the project's that is open; every method on the user loop.

    It is entered and left by one task: what it holds may insist on that.
    """

    def __init__(self, named: Any) -> None:
        self._named = named
        self._leave = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def enter(self) -> Any:
        """Open it and return it."""
        loop = asyncio.get_running_loop()
        ready: asyncio.Future[Any] = loop.create_future()
        self._task = loop.create_task(self._hold(ready), name="a resource of the project")
        return await ready

    async def leave(self) -> None:
        """Close it, and wait until that is done."""
        if self._task is not None:
            self._leave.set()
            await self._task

    async def _hold(self, ready: asyncio.Future[Any]) -> None:
        try:
            made = self._named
            if inspect.isroutine(made):
                made = made()
            if inspect.isawaitable(made):
                made = await made
            if isinstance(made, AbstractAsyncContextManager) and not _is_ready(self._named):
                async with made as found:
                    await self._until_left(ready, found)
            elif isinstance(made, AbstractContextManager) and not _is_ready(self._named):
                with made as found:
                    await self._until_left(ready, found)
            else:
                await self._until_left(ready, made)
        except BaseException as exc:
            if ready.done():
                raise
            ready.set_exception(exc)

    async def _until_left(self, ready: asyncio.Future[Any], found: Any) -> None:
        ready.set_result(found)
        await self._leave.wait()


def _is_ready(named: Any) -> bool:
    """Tell whether the config names an object that is no function: then it is open already."""
    return not inspect.isroutine(named)

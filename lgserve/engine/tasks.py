"""Tasks with an owner: whoever starts one can stop them all and hears of their failures."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

_log = logging.getLogger("lgserve")


class TaskSet:
    """Background tasks of one owner; `stop` cancels what is left and waits for it."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def spawn(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """Start a task; if it fails, that is logged."""
        return self._spawn(work, name)

    def _spawn(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def start(self, work: Coroutine[Any, Any, Any], name: str) -> None:
        """Start a task that nobody awaits."""
        _ = self._spawn(work, name)

    def __len__(self) -> int:
        """Count the tasks that are not done."""
        return len(self._tasks)

    async def wait(self, timeout: float) -> None:
        """Wait until all are done, at most `timeout` seconds."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=timeout)

    async def stop(self) -> None:
        """Cancel all and wait for their end."""
        for task in list(self._tasks):
            task.cancel()
        await self.wait(10)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("%s failed", task.get_name(), exc_info=error)

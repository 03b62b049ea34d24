"""The lifespan of an ASGI app: what it does before the first request and after the last one."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from lgserve.api.asgi_scope import AsgiApp, Message

_log = logging.getLogger("lgserve")

#: Seconds after which somebody ought to know what the start waits for.
_PATIENCE = 10.0
_SHUTDOWN_SECONDS = 10.0


class LifespanError(Exception):
    """An app said that it cannot start; `error` is what it raised, if anything."""

    def __init__(self, message: str, error: BaseException | None) -> None:
        super().__init__(message)
        self.error = error


class Lifespan:
    """Runs an app's lifespan; every method on the user loop."""

    def __init__(self, app: AsgiApp) -> None:
        self._app = app
        #: What it yielded: each request gets a copy.
        self.state: dict[str, Any] = {}
        self._stopping = asyncio.Event()
        self._asked = False
        self._answers: asyncio.Queue[Message] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    async def startup(self) -> None:
        """Start the app; one that knows no lifespan needs no start.

        Raises:
            LifespanError: it cannot start.
        """
        self._task = asyncio.get_running_loop().create_task(self._main(), name="lifespan")
        answer = await self._answer_or_end(self._task)
        if answer is None:
            self._ended_early(self._task)
        elif answer["type"] == "lifespan.startup.failed":
            task, self._task = self._task, None
            await asyncio.wait({task}, timeout=_SHUTDOWN_SECONDS)
            raise LifespanError(str(answer.get("message", "")), _error_of(task))

    def _ended_early(self, task: asyncio.Task[None]) -> None:
        """Decide about an app that ended before it had answered.

        By the specification it does not know lifespans. One that took the message did know.
        """
        error = _error_of(task)
        if error is not None and self._asked:
            raise LifespanError(str(error), error)
        self._task = None

    async def _answer_or_end(self, task: asyncio.Task[None]) -> Message | None:
        asked = asyncio.ensure_future(self._answers.get())
        try:
            while True:
                done, _ = await asyncio.wait(
                    {asked, task}, timeout=_PATIENCE, return_when=asyncio.FIRST_COMPLETED
                )
                if asked in done:
                    return asked.result()
                if task in done:
                    return None
                _log.warning("the lifespan of the custom app takes long to start")
        finally:
            asked.cancel()

    async def shutdown(self) -> None:
        """End the app; one that does not end in time is cancelled."""
        task, self._task = self._task, None
        if task is None:
            return
        self._stopping.set()
        _, pending = await asyncio.wait({task}, timeout=_SHUTDOWN_SECONDS)
        for late in pending:
            _log.warning("the lifespan of the custom app took too long to end")
            late.cancel()
        if not pending and (error := _error_of(task)) is not None:
            _log.error("the lifespan of the custom app failed to end", exc_info=error)

    async def _main(self) -> None:
        scope = {
            "type": "lifespan",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "state": self.state,
        }
        await self._app(scope, self._receive, self._send)

    async def _receive(self) -> Message:
        if not self._asked:
            self._asked = True
            return {"type": "lifespan.startup"}
        await self._stopping.wait()
        return {"type": "lifespan.shutdown"}

    async def _send(self, message: Message) -> None:
        self._answers.put_nowait(message)


def _error_of(task: asyncio.Task[None]) -> BaseException | None:
    return None if not task.done() or task.cancelled() else task.exception()

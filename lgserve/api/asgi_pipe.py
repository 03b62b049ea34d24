"""Messages from one event loop to another: in order, and never many on the way."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")

#: Bytes on the way above which the sender waits.
_MOST = 256 * 1024


class Ended(Exception):  # noqa: N818 - the end of a pipe is no failure
    """The sender has ended; `error` is why, if it failed."""

    def __init__(self, error: BaseException | None) -> None:
        super().__init__()
        self.error = error


class Pipe(Generic[T]):
    """Carries messages to `target`; whoever sends waits while the reader is behind.

    `put` and `end` belong to the sender's loop, everything else to the reader's.
    """

    def __init__(self, target: asyncio.AbstractEventLoop) -> None:
        self._target = target
        self._source: asyncio.AbstractEventLoop | None = None
        # the sender's
        self._on_the_way = 0
        self._room: asyncio.Future[None] | None = None
        self._closed = False
        # the reader's
        self._arrived: deque[tuple[T, int]] = deque()
        self._ended: Ended | None = None
        self._waiting: asyncio.Future[None] | None = None
        self._taken = 0

    async def put(self, message: T, size: int) -> None:
        """Send a message; return when there is room for the next one, or nobody reads any more."""
        if self._closed:
            return
        self._source = asyncio.get_running_loop()
        self._on_the_way += size
        self._tell(self._arrive, message, size)
        if self._on_the_way > _MOST:
            self._room = self._source.create_future()
            await self._room

    def end(self, error: BaseException | None = None) -> None:
        """Say that nothing more comes."""
        self._tell(self._end, error)

    def _tell(self, callback: object, *arguments: object) -> None:
        with contextlib.suppress(RuntimeError):  # the reader's loop was closed: nobody reads
            self._target.call_soon_threadsafe(callback, *arguments)  # type: ignore[arg-type]

    def _make_room(self, size: int) -> None:
        self._on_the_way -= size
        if self._on_the_way <= _MOST or self._closed:
            self._wake_sender()

    def _close_here(self) -> None:
        self._closed = True
        self._wake_sender()

    def _wake_sender(self) -> None:
        if self._room is not None and not self._room.done():
            self._room.set_result(None)

    # ------------------------------------------------------------ the reader's side

    async def get(self) -> T:
        """Return the next message.

        Raises:
            Ended: there is none, and none will come.
        """
        while not self._arrived:
            if self._ended is not None:
                raise self._ended
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting
        message, size = self._arrived.popleft()
        self._taken += size
        if self._taken > _MOST // 2:
            self._tell_sender(self._make_room, self._taken)
            self._taken = 0
        return message

    def close(self) -> None:
        """Read no more: what is sent from now on is dropped."""
        self._arrived.clear()
        self._ended = self._ended or Ended(None)
        self._tell_sender(self._close_here)

    def _tell_sender(self, callback: object, *arguments: object) -> None:
        if self._source is not None:
            with contextlib.suppress(RuntimeError):  # the sender's loop was closed
                self._source.call_soon_threadsafe(callback, *arguments)  # type: ignore[arg-type]

    def _arrive(self, message: T, size: int) -> None:
        if self._ended is None:
            self._arrived.append((message, size))
            self._wake()
        else:  # closed before the sender's loop was known: it learns now that nobody reads
            self._tell_sender(self._close_here)

    def _end(self, error: BaseException | None) -> None:
        self._ended = self._ended or Ended(error)
        self._wake()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

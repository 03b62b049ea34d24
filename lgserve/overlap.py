"""Two processes on one database, while a new one takes the place of another.

The parent passes on what they have to tell each other; `lgserve.foreign_runs` is what they read of
each other's.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lgserve.channel import Channel, Message
from lgserve.core.errors import LgserveError

if TYPE_CHECKING:
    from lgserve.children import Order

Hear = Callable[[Message], None]


class NotTakenOverError(LgserveError):
    """The new code does not load; the process that serves goes on."""

    def __init__(self, message: str, details: dict[str, Any]) -> None:
        super().__init__(message)
        self.details = details


class Place:
    """A child's place among the processes of its parent: what it may do, and its way to them."""

    def __init__(self, channel: Channel, order: Order) -> None:
        self.takeover = order.takeover
        self.broken = order.broken
        self.peers = order.peers
        #: Whether other processes use the database at this moment, as far as is known.
        self.shared = order.takeover
        self._channel = channel
        self._lock = threading.Lock()
        self._early: deque[Message] = deque()
        self._hear: Hear | None = None

    def listen(self) -> None:
        """Pass on what the parent says, until it is gone; in a thread of its own."""
        while (message := self._channel.receive()) is not None:
            with self._lock:
                if self._hear is None:
                    self._early.append(message)
                else:
                    self._hear(message)

    def attach(self, hear: Hear) -> None:
        """Have messages handled on this loop, those that have come before included."""
        loop = asyncio.get_running_loop()

        def pass_on(message: Message) -> None:
            try:
                loop.call_soon_threadsafe(hear, message)
            except RuntimeError:  # the loop is closed: the server has gone
                message.drop()

        with self._lock:
            self._hear = pass_on
            for message in self._early:
                pass_on(message)
            self._early.clear()

    def look(self) -> None:
        """Tell the others that there may be something in the database for them."""
        self._channel.send("signal", name="look")

    def cancel(self, run_id: str) -> None:
        """Tell the others that a run of theirs is to be cancelled."""
        self._channel.send("signal", name="cancel", run_id=run_id)

    def give(self, descriptor: int) -> None:
        """Give a client's connection to who serves now."""
        self._channel.send("connection", descriptor=descriptor)

    def tell(self, kind: str, **fields: Any) -> None:
        """Tell the parent something."""
        self._channel.send(kind, **fields)

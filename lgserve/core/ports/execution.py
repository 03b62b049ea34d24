"""What executes runs, and the loop on which user code runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from lgserve.core.models import Run

T = TypeVar("T")


class Worker(Protocol):
    """What executes runs in this process."""

    def reserve(self) -> str | None:
        """Take a free slot; return the owner's name to claim a run with, None if all are busy."""
        ...

    def release(self) -> None:
        """Give a reserved slot back."""
        ...

    def start(self, run: Run) -> None:
        """Execute a run that was claimed with a reserved slot."""
        ...

    def run_queued(self) -> None:
        """Hear that a run may be claimable: it only hurries, the table decides."""
        ...

    def cancel_requested(self, run: Run) -> None:
        """Hear that a run's cancel was recorded: it only hurries, a heartbeat would find it."""
        ...


class UserLoop(Protocol):
    """The one event loop on which all user code runs."""

    async def run(self, work: Callable[[], Awaitable[T]]) -> T:
        """Run a coroutine function there and return its result here; cancelling cancels it."""
        ...

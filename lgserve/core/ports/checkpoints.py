"""Savers of checkpoints, and what moves whole threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from lgserve.core.moving import MovedCheckpoint


class RunSaver(Protocol):
    """The checkpoint saver of one run."""

    @property
    def saver(self) -> Any:
        """A LangGraph `BaseCheckpointSaver`."""
        ...

    @property
    def failure(self) -> BaseException | None:
        """The first write that failed; known when the run's finishing transaction runs."""
        ...

    @property
    def checkpoint_id(self) -> str | None:
        """The root checkpoint last written by this run."""
        ...

    def supersede(self, channels: frozenset[str]) -> None:
        """Leave out what earlier commands wrote to channels: this run's command writes there."""
        ...

    def close(self) -> None:
        """Drop all further writes: the run is over, whatever its code still does."""
        ...


class Checkpointers(Protocol):
    """Makes savers over the server's database, or hands out the project's own."""

    @property
    def elsewhere(self) -> bool:
        """Whether the server's database does not know which checkpoints there are."""
        ...

    def for_run(self, run_id: str, *, wait: bool) -> RunSaver:
        """Return a saver for a run; with `wait` each write is durable when it returns."""
        ...

    def shared(self) -> Any:
        """Return the saver for reads and updates of state."""
        ...

    def watched(self, look: Callable[[Any], Any]) -> Any:
        """Return a saver for reads whose lists are of what `look` makes of each checkpoint."""
        ...


class ThreadMover(Protocol):
    """Takes a thread's checkpoints out of what keeps them, and puts them in; on the user loop."""

    @property
    def elsewhere(self) -> bool:
        """Whether checkpoints are kept by a saver of the project's own."""
        ...

    async def read(self, thread_id: str) -> list[MovedCheckpoint]:
        """Return all checkpoints of a thread, of all namespaces, oldest first."""
        ...

    async def load(self, thread_id: str, moved: Sequence[MovedCheckpoint]) -> Any:
        """Decode checkpoints that a client sent; nothing is called that is no data type.

        Raises:
            InvalidRequestError: something in them is broken, or of a type that is not known here.
        """
        ...

    async def rows(self, loaded: Any) -> Any:
        """Return what `Threads.fill` stores of checkpoints that were loaded."""
        ...

    async def store(self, loaded: Any) -> None:
        """Give checkpoints that were loaded to the project's own saver (`elsewhere`)."""
        ...

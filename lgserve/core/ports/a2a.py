"""Tasks of A2A as they are stored."""

from __future__ import annotations

from typing import Protocol

from lgserve.core.a2a import A2aPush, A2aTask, A2aTaskFilter, A2aTurn
from lgserve.core.models import Scope


class A2aTasks(Protocol):
    """Tasks of A2A: runs that belong together, what clients said, and who is told."""

    def find(self, thread_id: str, first_run_id: str, scope: Scope) -> A2aTask | None:
        """Return the task, or the run that can be seen as one; None if there is none in the scope.

        A run that was not asked for over A2A is a task with one turn, of which nothing is stored.
        """
        ...

    def adopt(self, task: A2aTask) -> None:
        """Store a run that can be seen as a task as one, if it is not stored yet."""
        ...

    def insert(self, task: A2aTask, turn: A2aTurn) -> None:
        """Add a task with its first turn; its run must be there."""
        ...

    def add_turn(self, turn: A2aTurn) -> None:
        """Add a turn to a task; its run must be there."""
        ...

    def turns(self, task: A2aTask) -> list[A2aTurn]:
        """Return the turns of all tasks of its thread, up to its own latest one, oldest first."""
        ...

    def search(
        self, assistant_id: str, where: A2aTaskFilter, limit: int, scope: Scope
    ) -> list[A2aTask]:
        """Return matching tasks, the latest to change first."""
        ...

    def count(self, assistant_id: str, where: A2aTaskFilter, scope: Scope) -> int:
        """Return how many match, wherever they stand in the list."""
        ...

    def give_up(self, task: A2aTask) -> None:
        """End a task that waits for an answer; who is to be told of that is told."""
        ...

    def put_push(self, first_run_id: str, push: A2aPush) -> None:
        """Add somebody who is told of a task, in the place of who has this name."""
        ...

    def pushes(self, first_run_id: str) -> list[A2aPush]:
        """Return who is told of a task."""
        ...

    def delete_push(self, first_run_id: str, config_id: str) -> None:
        """Tell somebody no more; nothing happens if nobody has this name."""
        ...

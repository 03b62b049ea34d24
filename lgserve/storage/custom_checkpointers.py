"""A saver of the project's own (`checkpointer.path`) in place of the server's.

Threads and runs stay in the server's database. What a transaction there does to checkpoints is
noted (`noting`), and done to the project's saver when the transaction is committed.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING, Any

from langgraph.checkpoint.base import (
    BaseCheckpointSaver,
    CheckpointTuple,
)

from lgserve.core.errors import BadRequestError
from lgserve.storage.checkpoint_encoding import place_of
from lgserve.storage.checkpoint_notes import CheckpointNote
from lgserve.storage.checkpoint_reader import checkpoint_config
from lgserve.storage.saver_delegate import Delegate

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig

_log = logging.getLogger("lgserve")

#: What a saver need not have, and what is not possible then.
OPTIONAL = {
    "adelete_for_runs": "a run that is rolled back or deleted leaves its checkpoints",
    "aprune": "threads cannot be pruned to their latest state",
    "acopy_thread": "a copy of a thread is made checkpoint by checkpoint",
    "adelete_thread": "the checkpoints of deleted threads stay",
}


def missing_capabilities(saver: BaseCheckpointSaver[Any]) -> list[str]:
    """Return the names of optional methods that a saver does not have."""
    return [
        name
        for name in OPTIONAL
        if getattr(type(saver), name) is getattr(BaseCheckpointSaver, name)
    ]


class CustomCheckpointers:
    """See `lgserve.core.ports.Checkpointers`; all that it makes belongs to the user loop."""

    elsewhere = True

    def __init__(self) -> None:
        self._saver: BaseCheckpointSaver[Any] | None = None
        self._missing: list[str] = []

    def use(self, saver: BaseCheckpointSaver[Any]) -> None:
        """Take the project's saver, once it is there."""
        self._saver = saver
        self._missing = missing_capabilities(saver)

    def for_run(self, run_id: str, *, wait: bool) -> CustomRunSaver:
        """Return a saver for a run; how durable its writes are is the project's affair."""
        del run_id, wait
        return CustomRunSaver(self.shared())

    def shared(self) -> Any:
        """Return the saver for reads and updates of state."""
        if self._saver is None:
            raise RuntimeError("the project's checkpointer is not there yet")
        return self._saver

    def watched(self, look: Callable[[CheckpointTuple], CheckpointTuple]) -> Any:
        """Return a saver for reads whose lists are of what `look` makes of each checkpoint."""
        return _Watched(self.shared(), look)

    async def apply(self, notes: Sequence[CheckpointNote]) -> None:
        """Do to the project's saver what was done to threads and runs; on the user loop.

        Raises:
            BadRequestError: it cannot do that.
        """
        for note in notes:
            await self._apply(note)

    async def _apply(self, note: CheckpointNote) -> None:
        saver = self.shared()
        if note.kind == "copy":
            source, target = note.ids
            if "acopy_thread" in self._missing:
                await _copy(saver, source, target)
            else:
                await saver.acopy_thread(source, target)
        elif note.kind == "prune":
            if "aprune" in self._missing:
                raise BadRequestError("The project's checkpointer cannot prune: it has no aprune")
            await saver.aprune(list(note.ids))
        elif note.kind == "delete_runs":
            if "adelete_for_runs" not in self._missing:
                await saver.adelete_for_runs(list(note.ids))
        elif "adelete_thread" not in self._missing:
            await saver.adelete_thread(note.ids[0])


async def _copy(saver: BaseCheckpointSaver[Any], source: str, target: str) -> None:
    """Copy a thread with what every saver has, oldest checkpoint first."""
    config: Any = {"configurable": {"thread_id": source}}
    found = [each async for each in saver.alist(config)]
    found.sort(key=lambda each: str(each.checkpoint["id"]))
    for each in found:
        place = each.config["configurable"]
        namespace = place.get("checkpoint_ns", "")
        parent = (each.parent_config or {}).get("configurable", {}).get("checkpoint_id")
        under: Any = {"thread_id": target, "checkpoint_ns": namespace, "checkpoint_id": parent}
        made = await saver.aput(
            {"configurable": under},
            each.checkpoint,
            each.metadata,
            each.checkpoint["channel_versions"],
        )
        by_task: dict[str, list[tuple[str, Any]]] = {}
        for task_id, channel, value in each.pending_writes or ():
            by_task.setdefault(task_id, []).append((channel, value))
        for task_id, writes in by_task.items():
            await saver.aput_writes(made, writes, task_id)


class _Watched(Delegate):
    def __init__(
        self,
        inner: BaseCheckpointSaver[Any],
        look: Callable[[CheckpointTuple], CheckpointTuple],
    ) -> None:
        super().__init__(inner)
        self._look = look

    async def alist(
        self, config: RunnableConfig | None, **arguments: Any
    ) -> AsyncIterator[CheckpointTuple]:
        async for found in self._inner.alist(config, **arguments):
            yield self._look(found)


class CustomRunSaver(Delegate):
    """The project's saver as one run uses it; see `lgserve.core.ports.RunSaver`."""

    def __init__(self, inner: BaseCheckpointSaver[Any]) -> None:
        super().__init__(inner)
        self._closed = False
        #: LangGraph itself fails a run whose checkpoints cannot be written.
        self.failure: BaseException | None = None
        self.checkpoint_id: str | None = None

    @property
    def saver(self) -> Any:
        """The saver itself."""
        return self

    def supersede(self, channels: frozenset[str]) -> None:
        """Leave it as it is: of two writes LangGraph's savers keep the first."""

    def close(self) -> None:
        """Drop all further writes."""
        self._closed = True

    def put(self, config: Any, checkpoint: Any, metadata: Any, new_versions: Any) -> Any:
        """Store a checkpoint."""
        if self._closed:
            return checkpoint_config(*place_of(config), checkpoint["id"])
        made = self._inner.put(config, checkpoint, metadata, new_versions)
        self._remember(config, checkpoint)
        return made

    async def aput(self, config: Any, checkpoint: Any, metadata: Any, new_versions: Any) -> Any:
        """Store a checkpoint."""
        if self._closed:
            return checkpoint_config(*place_of(config), checkpoint["id"])
        made = await self._inner.aput(config, checkpoint, metadata, new_versions)
        self._remember(config, checkpoint)
        return made

    def put_writes(self, config: Any, writes: Any, task_id: str, task_path: str = "") -> None:
        """Store what a task wrote."""
        if not self._closed:
            self._inner.put_writes(config, writes, task_id, task_path)

    async def aput_writes(
        self, config: Any, writes: Any, task_id: str, task_path: str = ""
    ) -> None:
        """Store what a task wrote."""
        if not self._closed:
            await self._inner.aput_writes(config, writes, task_id, task_path)

    def _remember(self, config: Any, checkpoint: Any) -> None:
        if not config["configurable"].get("checkpoint_ns"):
            self.checkpoint_id = checkpoint["id"]

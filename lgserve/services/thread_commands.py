"""What commands of protocol v2 ask of a thread, beside starting runs on it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from lgserve import jsonio
from lgserve.core.clock import to_iso
from lgserve.core.errors import BadRequestError, CommandError, NotFoundError
from lgserve.core.models import EVERYTHING, Run, Scope, StreamEvent, Thread
from lgserve.core.protocol_frames import PAUSED, data_of, payload_of
from lgserve.services.protocol_logs import is_of_protocol

if TYPE_CHECKING:
    from lgserve.core.ports import Clock, RunStreams, Storage, Transaction
    from lgserve.core.principals import Principal
    from lgserve.services.thread_state import ThreadStateService

#: How long an answer waits for the run that asked to come to its end.
_SETTLE_SECONDS = 10.0
_STATUSES = {"pending": "running", "running": "running", "success": "completed",
             "interrupted": "interrupted"}  # fmt: skip
_ALL = 2**31


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadCommands:
    """Reads a thread as protocol v2 sees it."""

    storage: Storage
    streams: RunStreams
    state: ThreadStateService
    clock: Clock
    _answering: WeakValueDictionary[str, asyncio.Lock] = field(default_factory=WeakValueDictionary)

    async def pending_interrupts(self, thread_id: str, scope: Scope) -> set[str]:
        """Return the ids of the interrupts that wait for an answer.

        A client that was just asked answers before the run that asked has ended: that is awaited.
        """
        if await self._thread(thread_id, scope) is None:
            return set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_SETTLE_SECONDS):
                for run in await self._at_work(thread_id):
                    await self.streams.wait(run)
        thread = await self._thread(thread_id, scope)
        return set() if thread is None else _interrupts_of(thread)

    async def _at_work(self, thread_id: str) -> list[Run]:
        """Return the runs that will end as soon as they can."""
        now = to_iso(self.clock.now())
        runs = await self.storage.lookup(lambda tx: tx.runs.in_flight(thread_id))
        return [run for run in runs if run.due_at <= now]

    def answering(self, thread_id: str) -> asyncio.Lock:
        """Return what holds back a second answer until the first one's run is there."""
        return self._answering.setdefault(thread_id, asyncio.Lock())

    async def waits_for_input(self, thread_id: str, scope: Scope) -> set[str]:
        """Return the ids of the interrupts of a thread that is at rest."""
        thread = await self._thread(thread_id, scope)
        resting = thread is not None and thread.status == "interrupted"
        return _interrupts_of(thread) if thread is not None and resting else set()

    async def assistant_of(self, thread_id: str, scope: Scope) -> str:
        """Return the assistant that last ran on the thread.

        Raises:
            CommandError: none did.
        """
        thread = await self._thread(thread_id, scope)
        metadata = {} if thread is None else jsonio.loads(thread.metadata)
        found = metadata.get("assistant_id") or metadata.get("graph_id")
        if not isinstance(found, str):
            raise CommandError("no_such_run", "No assistant has run on this thread.")
        return found

    async def tree(self, thread_id: str, run_id: str | None, scope: Scope) -> dict[str, Any]:
        """Return the graphs of a run, or of the thread's latest one, and how each stands.

        Raises:
            CommandError: there is no such run.
        """

        def work(tx: Transaction) -> tuple[Run | None, list[StreamEvent]]:
            run = _run_of(tx, thread_id, run_id, scope)
            return run, [] if run is None else tx.events.after(run.run_id, 0, _ALL)

        run, events = await self.storage.read(work)
        if run is None:
            raise CommandError("no_such_run", "No active run is bound to this thread.")
        native = is_of_protocol(run)
        paused = any(event.name == PAUSED for event in events)
        status = _STATUSES.get(run.status, "failed")
        root = _node([], "interrupted" if paused and status == "completed" else status)
        root["graph_name"] = run.graph_id
        if native:
            _add_children(root, events)
        return root

    async def values(
        self,
        thread_id: str,
        namespace: Sequence[str],
        keys: Sequence[str] | None,
        scope: Scope,
        user: Principal | None,
    ) -> dict[str, Any]:
        """Return the state of a graph of the thread, and its checkpoint.

        Raises:
            CommandError: there is no such graph.
        """
        checkpoint = {"checkpoint_ns": "|".join(namespace)} if namespace else {}
        try:
            text = await self.state.get(
                thread_id, checkpoint, scope, subgraphs=False, select=(), user=user
            )
        except (NotFoundError, BadRequestError) as exc:
            if not namespace:
                raise
            raise CommandError("no_such_namespace", exc.message) from None
        state = jsonio.loads(text)
        if namespace and state["checkpoint_id"] is None:
            raise CommandError("no_such_namespace", f"Unknown namespace: {list(namespace)}")
        values = state["values"] if isinstance(state["values"], dict) else {}
        if keys is not None:
            values = {key: values[key] for key in keys if key in values}
        return {"values": values, **_reference(state["checkpoint"])}

    async def checkpoints(
        self,
        thread_id: str,
        namespace: Sequence[str],
        limit: int,
        before: str | None,
        scope: Scope,
        user: Principal | None,
    ) -> list[dict[str, Any]]:
        """Return checkpoints, newest first."""
        text = await self.state.history(
            thread_id,
            limit=limit + 1,
            before={"checkpoint_id": before} if before else None,
            metadata=None,
            checkpoint={"checkpoint_ns": "|".join(namespace)} if namespace else {},
            scope=scope,
            select=("next", "metadata", "created_at", "checkpoint_id", "parent_checkpoint_id"),
            user=user,
        )
        states = jsonio.loads(text)
        next_of = {state["checkpoint_id"]: state["next"] for state in states}
        return [_summary(state, next_of) for state in states[:limit]]

    async def has_checkpoint(self, thread_id: str, checkpoint_id: str, scope: Scope) -> bool:
        """Tell whether the thread has this checkpoint."""

        def work(tx: Transaction) -> bool:
            there = tx.threads.find(thread_id, scope) is not None
            return there and tx.threads.has_checkpoint(thread_id, "", checkpoint_id)

        return await self.storage.lookup(work)

    async def _thread(self, thread_id: str, scope: Scope) -> Thread | None:
        return await self.storage.lookup(lambda tx: tx.threads.find(thread_id, scope))


def _interrupts_of(thread: Thread) -> set[str]:
    by_task = {} if thread.interrupts is None else jsonio.loads(thread.interrupts)
    return {item["id"] for items in by_task.values() for item in items}


def _run_of(tx: Transaction, thread_id: str, run_id: str | None, scope: Scope) -> Run | None:
    if tx.threads.find(thread_id, scope) is None:
        return None
    if run_id is not None:
        found = tx.runs.find(run_id, EVERYTHING)
        return found if found is not None and found.thread_id == thread_id else None
    begun = tx.runs.find_begun(thread_id)
    newest = tx.runs.list_for_thread(thread_id, status=None, metadata=None, limit=1, offset=0)
    return begun or (newest[0] if newest else None)


def _node(namespace: Sequence[str], status: str) -> dict[str, Any]:
    return {"namespace": list(namespace), "status": status, "graph_name": ""}


def _add_children(root: dict[str, Any], events: Sequence[StreamEvent]) -> None:
    """Hang the subgraphs a log tells of under the graphs that called them."""
    nodes: dict[tuple[str, ...], dict[str, Any]] = {(): root}
    for event in events:
        if not event.name.startswith("lifecycle|"):
            continue
        data: Mapping[str, Any] = jsonio.loads(payload_of(data_of(event)))
        namespace = tuple(event.name.split("|")[1:])
        node = nodes.get(namespace)
        if node is None:
            node = nodes[namespace] = _node(namespace, data["event"])
            parent = nodes.get(namespace[:-1], root)
            parent.setdefault("children", []).append(node)
        node["status"] = data["event"]
        node["graph_name"] = data.get("graph_name") or node["graph_name"]


def _reference(checkpoint: Mapping[str, Any] | None) -> dict[str, Any]:
    if not checkpoint or not checkpoint.get("checkpoint_id"):
        return {}
    namespace = checkpoint.get("checkpoint_ns")
    return {
        "checkpoint": {
            "id": checkpoint["checkpoint_id"],
            **({"ns": namespace} if namespace else {}),
        }
    }


def _summary(state: Mapping[str, Any], next_of: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Return a checkpoint in brief; the node that made it is known if its parent is at hand."""
    metadata = state["metadata"] or {}
    parent = state["parent_checkpoint_id"]
    ran = next_of.get(parent, ()) if parent else ()
    made_by = {"node_name": ran[0]} if len(ran) == 1 else {}
    told = {name: metadata[name] for name in ("source", "run_id") if name in metadata}
    return {
        "id": state["checkpoint_id"],
        **({"parent_id": parent} if parent else {}),
        "timestamp": state["created_at"],
        "step": metadata.get("step", -1),
        **made_by,
        "metadata": told,
    }

"""A thread's state, seen through its graph: everything here that touches a graph is user code's
neighbour and runs on the user loop.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from langgraph.errors import InvalidUpdateError

from lgserve import jsonio
from lgserve.core.clock import to_iso
from lgserve.core.errors import (
    BadRequestError,
    ConflictError,
    GraphLoadError,
    GraphNotFoundError,
    NotFoundError,
)
from lgserve.core.models import EVERYTHING, Json, Run, Scope, Thread
from lgserve.core.principals import Principal
from lgserve.services.histories import for_history, states_of
from lgserve.services.state_view import (
    as_updates,
    empty_view,
    interrupts_by_task,
    selected,
    state_view,
    updated_view,
)
from lgserve.services.thread_holds import ThreadHolds
from lgserve.services.thread_references import (
    auth_members,
    graph_id_of,
    stored_user,
    thread_config,
)

if TYPE_CHECKING:
    from lgserve.core.ports import (
        Checkpointers,
        Clock,
        Graphs,
        RunStreams,
        Storage,
        Transaction,
        UserLoop,
    )

T = TypeVar("T")

_log = logging.getLogger("lgserve")

_STATE_UPDATE = b'event: state_update\r\ndata: {"state":%b,"thread_id":"%b"}\r\n'


@dataclass(frozen=True, slots=True, kw_only=True)
class StateUpdate:
    """Values to write to a thread's state, as if a node had returned them."""

    values: Any
    as_node: str | None
    checkpoint: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Standing:
    """Where a thread stands, as its row says it."""

    values: Json
    interrupts: Json
    has_next: bool


def _open_store(identity: str) -> Scope:
    del identity
    return EVERYTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadStateService:
    """Reads and updates of state and history."""

    storage: Storage
    streams: RunStreams
    graphs: Graphs
    checkpointers: Checkpointers
    store: Any
    user_loop: UserLoop
    clock: Clock
    holds: ThreadHolds = field(default_factory=ThreadHolds)
    #: The scope in which the code of a user finds the store, by the user's identity.
    store_scope: Callable[[str], Scope] = _open_store

    async def get(
        self,
        thread_id: str,
        checkpoint: Mapping[str, Any],
        scope: Scope,
        *,
        subgraphs: bool,
        select: Sequence[str],
        user: Principal | None = None,
    ) -> Json:
        """Return the latest state, or that of a checkpoint; a thread that has none is empty.

        `select` names the members to return; none names all.
        """
        thread = await self._thread(thread_id, scope)
        config = thread_config(thread_id, checkpoint)
        named = checkpoint.get("checkpoint_id")
        if graph_id_of(thread) is None:
            return _missing(named) if named else jsonio.dumps(selected(empty_view(), select))

        async def work() -> Json:
            async with self._graph(thread, config, "threads.read", user) as graph:
                snapshot = await _of_subgraph(graph.aget_state(config, subgraphs=subgraphs))
                if named and snapshot.created_at is None:
                    return _missing(named)
                return jsonio.dumps_wire(selected(state_view(snapshot), select))

        return await self.user_loop.run(work)

    async def history(
        self,
        thread_id: str,
        *,
        limit: int,
        before: Mapping[str, Any] | None,
        metadata: Mapping[str, Any] | None,
        checkpoint: Mapping[str, Any],
        scope: Scope,
        select: Sequence[str],
        user: Principal | None = None,
    ) -> Json:
        """Return states, newest first, as a JSON array; of each the selected members."""
        thread = await self._thread(thread_id, scope)
        if graph_id_of(thread) is None or limit <= 0:
            return Json(b"[]")
        config = thread_config(thread_id, checkpoint)
        earlier = thread_config(thread_id, before) if before else None

        async def work() -> Json:
            async with self._graph(thread, config, "threads.read", user) as graph:
                reading = for_history(graph, self.checkpointers.watched)
                states = states_of(reading, config, metadata=metadata, before=earlier, limit=limit)
                return await _of_subgraph(_encoded(states, select))

        return await self.user_loop.run(work)

    async def update(
        self, thread_id: str, update: StateUpdate, scope: Scope, user: Principal | None = None
    ) -> Json:
        """Write to the state of an idle thread; the new checkpoint becomes its latest.

        Raises:
            BadRequestError: no graph, unknown node, or values the graph does not take.
            ConflictError: the thread has runs in flight.
        """
        # A client that goes must not leave an update half-way.
        updating = self._update(thread_id, update, scope, user)
        return await asyncio.shield(asyncio.ensure_future(updating))

    async def _update(
        self, thread_id: str, update: StateUpdate, scope: Scope, user: Principal | None
    ) -> Json:
        async with self.holds.hold(thread_id):
            return await self._update_held(thread_id, update, scope, user)

    async def _update_held(
        self, thread_id: str, update: StateUpdate, scope: Scope, user: Principal | None
    ) -> Json:
        thread = await self._thread(thread_id, scope)
        graph_id = graph_id_of(thread)
        if graph_id is None:
            raise BadRequestError(
                f"Thread '{thread_id}' has no assigned graph ID. Run an assistant on it first,"
                " or set graph_id in its metadata."
            )
        busy = await self.storage.lookup(lambda tx: tx.runs.in_flight(thread_id))
        if busy:
            raise ConflictError(f"Thread {thread_id} has in-flight runs: {_named(busy)}")
        await self._check_checkpoint(thread_id, update.checkpoint)
        config = thread_config(thread_id, update.checkpoint)
        config["configurable"]["graph_id"] = graph_id  # goes into the checkpoint's metadata
        followed = self.streams.is_followed(thread_id)

        async def work() -> tuple[Json, _Standing, Json | None]:
            async with self._graph(thread, config, "threads.update", user) as graph:
                values = as_updates(update.values)
                new = await _user_errors(graph.aupdate_state(config, values, update.as_node))
                snapshot = await graph.aget_state(thread_config(thread_id, {}))
                return (
                    jsonio.dumps_wire(updated_view(new)),
                    _standing(snapshot),
                    jsonio.dumps_wire(state_view(snapshot)) if followed else None,
                )

        reply, standing, state = await self.user_loop.run(work)
        epoch = await self._settle(thread_id, standing, None)
        if state is not None:
            frame = _STATE_UPDATE % (state, thread_id.encode())
            self.streams.tell_thread(thread_id, epoch, "state_update", frame)
        return reply

    async def refresh(self, thread_id: str, scope: Scope, error: Json | None = None) -> None:
        """Make the thread's row say what its latest checkpoint says, and this error."""
        thread = await self.storage.lookup(lambda tx: tx.threads.find(thread_id, scope))
        if thread is None or graph_id_of(thread) is None:
            return
        config = thread_config(thread_id, {})

        async def work() -> _Standing:
            async with self._graph(thread, config, "threads.read") as graph:
                return _standing(await graph.aget_state(config))

        try:
            standing = await self.user_loop.run(work)
        except Exception as exc:  # noqa: BLE001 - graphs are user code; the row stays as it was
            _log.warning("the state of thread %s cannot be read: %r", thread_id, exc)
            return
        await self._settle(thread_id, standing, error)

    async def values(
        self, thread: Thread, checkpoint_id: str | None = None, user: Principal | None = None
    ) -> Json | None:
        """Return a thread's root values, at a checkpoint or the latest."""
        chosen = {"checkpoint_id": checkpoint_id} if checkpoint_id else {}
        config = thread_config(thread.thread_id, chosen)

        async def work() -> Json:
            async with self._graph(thread, config, "threads.read", user) as graph:
                return jsonio.dumps_wire((await graph.aget_state(config)).values)

        try:
            return await self.user_loop.run(work)
        except (GraphNotFoundError, GraphLoadError):
            return None  # the thread is still there, though nothing can read its state

    async def result_body(self, run: Run) -> Json:
        """Return what an ended run answered: the values and interrupts of its last checkpoint."""
        config = thread_config(run.thread_id, {"checkpoint_id": run.checkpoint_id})
        stored = jsonio.loads(run.kwargs)["config"]["configurable"]

        async def work() -> Json:
            async with self._open(run.graph_id, stored, config, "threads.read") as graph:
                snapshot = await graph.aget_state(config)
                values = snapshot.values
                if snapshot.interrupts:
                    shown = values if isinstance(values, dict) else {}
                    values = {**shown, "__interrupt__": snapshot.interrupts}
                return jsonio.dumps_wire(values)

        return await self.user_loop.run(work)

    def opened(
        self, thread: Thread, access_context: str, user: Principal | None
    ) -> AbstractAsyncContextManager[Any]:
        """Enter a thread's graph, attached to what is stored, on the user loop."""
        return self._graph(thread, thread_config(thread.thread_id, {}), access_context, user)

    def _graph(
        self,
        thread: Thread,
        config: Mapping[str, Any],
        access_context: str,
        user: Principal | None = None,
    ) -> AbstractAsyncContextManager[Any]:
        stored = jsonio.loads(thread.config).get("configurable", {})
        return self._open(graph_id_of(thread) or "", stored, config, access_context, user)

    @asynccontextmanager
    async def _open(
        self,
        graph_id: str,
        stored: Mapping[str, Any],
        config: Mapping[str, Any],
        access_context: str,
        user: Principal | None = None,
    ) -> AsyncIterator[Any]:
        """Enter a graph, attached to what is stored; `stored` is a thread's or a run's config.

        It is opened for the user, or for the one whose run it was.
        """
        user = user or stored_user(stored)
        configurable = {**stored, **config["configurable"], "graph_id": graph_id}
        merged = {"configurable": {**configurable, **auth_members(user)}}
        scope = self.store_scope("" if user is None else user.identity)
        store = self.store.for_scope(scope) if scope else self.store
        async with self.graphs.open(
            graph_id, merged, access_context=access_context, store=store, user=user
        ) as graph:
            yield graph.copy(update={"checkpointer": self.checkpointers.shared(), "store": store})

    async def _thread(self, thread_id: str, scope: Scope) -> Thread:
        found = await self.storage.lookup(lambda tx: tx.threads.find(thread_id, scope))
        if found is None:
            raise NotFoundError(f"Thread with ID {thread_id} not found")
        return found

    async def _check_checkpoint(self, thread_id: str, checkpoint: Mapping[str, Any]) -> None:
        """Refuse to go on from a checkpoint that is not there: LangGraph would start afresh."""
        named = checkpoint.get("checkpoint_id")
        namespace = checkpoint.get("checkpoint_ns") or ""
        if named and self.checkpointers.elsewhere:
            config = thread_config(thread_id, checkpoint)

            async def look() -> Any:
                return await self.checkpointers.shared().aget_tuple(config)

            if await self.user_loop.run(look) is None:
                _missing(named)
        elif named and not await self.storage.lookup(
            lambda tx: tx.threads.has_checkpoint(thread_id, namespace, named)
        ):
            _missing(named)

    async def _settle(self, thread_id: str, standing: _Standing, error: Json | None) -> int:
        """Record where the thread stands; return the place of that in its log."""
        now = to_iso(self.clock.now())

        def work(tx: Transaction) -> int:
            tx.threads.settle(
                thread_id,
                has_next=standing.has_next,
                values=standing.values,
                interrupts=standing.interrupts,
                error=error,
                now=now,
            )
            return tx.threads.advance_epoch(thread_id)

        return await self.storage.write(work)


def _standing(snapshot: Any) -> _Standing:
    return _Standing(
        values=jsonio.dumps_wire(snapshot.values),
        interrupts=jsonio.dumps_wire(interrupts_by_task(snapshot)),
        has_next=bool(snapshot.next),
    )


def _missing(checkpoint_id: str) -> NoReturn:
    raise NotFoundError(f"Checkpoint {checkpoint_id} not found")


async def _encoded(states: AsyncIterator[Any], select: Sequence[str]) -> Json:
    rows = [jsonio.dumps_wire(selected(state_view(state), select)) async for state in states]
    return Json(b"[%b]" % b",".join(rows))


async def _of_subgraph(read: Awaitable[T]) -> T:
    """Await a read of state; LangGraph refuses a namespace whose subgraph it does not know.

    It cannot show a state either that two commands wrote to in ways that exclude each other.
    """
    try:
        return await read
    except InvalidUpdateError as exc:
        raise BadRequestError(str(exc)) from exc
    except ValueError as exc:
        if not str(exc).startswith("Subgraph "):
            raise
        raise NotFoundError(str(exc)) from exc


def _named(runs: Sequence[Run]) -> str:
    return ", ".join(f"{run.run_id} ({run.status})" for run in runs)


async def _user_errors(update: Awaitable[T]) -> T:
    """Await an update; what the graph says of its arguments is a 400."""
    try:
        return await update
    except (InvalidUpdateError, ValueError, TypeError, KeyError) as exc:
        raise BadRequestError(str(exc)) from exc

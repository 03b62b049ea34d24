"""New threads with a state: supersteps that are carried out on one, or checkpoints it was given."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from langgraph.types import StateUpdate

from lgserve import jsonio
from lgserve.core.errors import BadRequestError, LgserveError
from lgserve.core.models import Thread
from lgserve.services.commands import to_command
from lgserve.services.state_view import interrupts_by_task
from lgserve.services.thread_references import graph_id_of, thread_config

if TYPE_CHECKING:
    from lgserve.core.principals import Principal
    from lgserve.services.thread_state import ThreadStateService

_log = logging.getLogger("lgserve")


@dataclass(frozen=True, slots=True, kw_only=True)
class SuperstepUpdate:
    """What one node is to have written in a superstep: values, or a command."""

    as_node: str
    values: Any = None
    command: Mapping[str, Any] | None = None


Supersteps = Sequence[Sequence[SuperstepUpdate]]


async def filled(
    state: ThreadStateService, thread: Thread, supersteps: Supersteps, user: Principal | None
) -> Thread:
    """Carry out supersteps on a thread that nobody sees yet; return it as it stands then.

    Only its checkpoints are written.

    Raises:
        BadRequestError: no graph, or updates that the graph does not take.
        GraphNotFoundError: the graph is not one of the project's.
    """
    graph_id = graph_id_of(thread)
    if graph_id is None:
        raise BadRequestError("supersteps need a graph: set graph_id in the thread's metadata")
    updates = [[_update(each) for each in superstep] for superstep in supersteps]
    latest = thread_config(thread.thread_id, {})
    config = {"configurable": {**latest["configurable"], "graph_id": graph_id}}

    async def work() -> dict[str, Any]:
        async with state.opened(thread, "threads.update", user) as graph:
            await _as_client_errors(graph.abulk_update_state(config, updates))
            return _columns(await graph.aget_state(latest))

    return replace(thread, **await state.user_loop.run(work))


async def standing(state: ThreadStateService, thread: Thread, user: Principal | None) -> Thread:
    """Return a thread that nobody sees yet as it stands by its checkpoints."""

    async def work() -> dict[str, Any]:
        async with state.opened(thread, "threads.read", user) as graph:
            return _columns(await graph.aget_state(thread_config(thread.thread_id, {})))

    try:
        return replace(thread, **await state.user_loop.run(work))
    except Exception as exc:  # noqa: BLE001 - graphs are user code; its checkpoints are there
        _log.warning("the state of thread %s cannot be read: %r", thread.thread_id, exc)
        return thread


def _update(each: SuperstepUpdate) -> StateUpdate:
    values: Any = to_command(each.command) if each.command else each.values
    return StateUpdate(values=values, as_node=each.as_node)


def _columns(snapshot: Any) -> dict[str, Any]:
    return {
        "values": jsonio.dumps_wire(snapshot.values),
        "interrupts": jsonio.dumps_wire(interrupts_by_task(snapshot)),
        "status": "interrupted" if snapshot.next else "idle",
    }


async def _as_client_errors(update: Awaitable[object]) -> None:
    """Await an update; whatever the graph says to it was caused by what was sent."""
    try:
        await update
    except LgserveError:
        raise
    except Exception as exc:  # reducers and writers are user code
        raise BadRequestError(str(exc) or type(exc).__name__) from exc

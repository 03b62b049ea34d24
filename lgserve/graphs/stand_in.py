"""Graphs to look at threads with when the project's own are not at hand: made from checkpoints.

A checkpoint names its channels and the nodes that have seen them. That is enough to say what the
values are, what is next, and what waits for an answer; not to run anything.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, NoReturn

from langchain_core.runnables import RunnablePassthrough
from langgraph.channels import EphemeralValue, LastValue
from langgraph.pregel import Pregel
from langgraph.pregel._read import PregelNode
from langgraph.types import Send

from lgserve.core.errors import BadRequestError, GraphNotFoundError

_BRANCH = "branch:to:"
_START = "__start__"
#: Where LangGraph keeps what is sent to nodes.
_TASKS = "__pregel_tasks"
_READING = "threads.read"


@dataclass(frozen=True, slots=True)
class StandIns:
    """See `lgserve.core.ports.Graphs`; there is none but for reading threads."""

    saver: Callable[[], Any]

    def ids(self) -> tuple[str, ...]:
        """Return nothing."""
        return ()

    def description(self, graph_id: str) -> NoReturn:
        """Know of no graph."""
        raise GraphNotFoundError(f"Graph '{graph_id}' is not loaded here")

    def is_static(self, graph_id: str) -> bool:
        """Tell that nothing is worth keeping."""
        del graph_id
        return False

    @asynccontextmanager
    async def open(
        self, graph_id: str, config: Mapping[str, Any], *, access_context: str, **_: Any
    ) -> AsyncIterator[Any]:
        """Enter a stand-in for the graph of the thread that the config names."""
        if access_context != _READING:
            raise BadRequestError(f"Graph '{graph_id}' is not loaded here: a server has to run")
        found = config["configurable"]
        thread = {"thread_id": found["thread_id"], "checkpoint_ns": ""}
        latest = await self.saver().aget_tuple({"configurable": thread})
        yield stand_in(graph_id, latest.checkpoint if latest else {})


def stand_in(name: str, checkpoint: Mapping[str, Any]) -> Any:
    """Return a graph with the channels and the nodes of a checkpoint; its nodes do nothing."""
    values = checkpoint.get("channel_values", {})
    channels = {*checkpoint.get("channel_versions", {}), *values}
    nodes = _nodes(channels, checkpoint.get("versions_seen", {}), values.get(_TASKS) or ())
    inner = {_trigger(node) for node in nodes}
    shown = sorted(found for found in channels - inner if not found.startswith("__"))
    return Pregel(
        nodes={
            node: PregelNode(
                channels=[_trigger(node)], triggers=[_trigger(node)], bound=RunnablePassthrough()
            )
            for node in sorted(nodes)
        },
        channels={
            **{channel: EphemeralValue(Any, guard=False) for channel in inner},
            **{channel: LastValue(Any) for channel in shown},
        },
        input_channels=_START,
        output_channels=shown,
        stream_channels=shown,
        name=name,
    )


def _nodes(channels: set[str], seen: Mapping[str, Any], sent: Sequence[Any]) -> set[str]:
    """Return the nodes that are triggered, that have run, and that something was sent to."""
    triggered = {found.removeprefix(_BRANCH) for found in channels if found.startswith(_BRANCH)}
    ran = {node for node in seen if not node.startswith("__")}
    return {_START, *triggered, *ran, *(send.node for send in sent if isinstance(send, Send))}


def _trigger(node: str) -> str:
    return _START if node == _START else f"{_BRANCH}{node}"

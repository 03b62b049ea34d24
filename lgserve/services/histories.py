"""A graph made for reading its past: of each checkpoint it looks only at nodes that may be next.

LangGraph asks of every node of the graph whether a past checkpoint triggers it; most of the cost of
a long history is that. A checkpoint says which channels its step updated, and when it executes,
LangGraph too looks at no nodes but those that these channels trigger.
"""

from __future__ import annotations

from collections.abc import Callable, KeysView, Mapping, Sequence
from typing import Any

from langgraph.checkpoint.base import Checkpoint, CheckpointTuple


class _Nodes(dict[str, Any]):
    """The nodes of a graph; its keys are those that the checkpoint at hand may trigger."""

    def __init__(self, nodes: Mapping[str, Any], by_trigger: Mapping[str, Sequence[str]]) -> None:
        super().__init__(nodes)
        self._by_trigger = by_trigger
        self._chosen: dict[str, Any] | None = None

    def look_at(self, checkpoint: Checkpoint) -> None:
        """Choose the nodes, in the graph's order; all, if it is not known what was updated."""
        updated = checkpoint.get("updated_channels")
        if not updated:
            self._chosen = None
            return
        names = {name for channel in updated for name in self._by_trigger.get(channel, ())}
        self._chosen = {name: None for name in self if name in names}

    def keys(self) -> KeysView[str]:  # type: ignore[override]
        """Return the names of the chosen nodes."""
        return super().keys() if self._chosen is None else self._chosen.keys()


class _Looked(CheckpointTuple):
    """A checkpoint that tells when it is looked at: the nodes it triggers are asked for next."""

    nodes: _Nodes

    @property
    def checkpoint(self) -> Checkpoint:
        """The checkpoint."""
        self.nodes.look_at(self[1])
        return self[1]


def for_history(graph: Any, watched: Callable[[Callable[[CheckpointTuple], Any]], Any]) -> Any:
    """Return a graph of which only the history may be read.

    `watched` makes a saver whose lists are of what a function makes of each checkpoint.
    """
    nodes = _Nodes(graph.nodes, graph.trigger_to_nodes)

    def look(found: CheckpointTuple) -> CheckpointTuple:
        looked = _Looked(*found)
        looked.nodes = nodes
        return looked

    reading = graph.copy(update={"checkpointer": watched(look)})
    reading.nodes = nodes
    return reading

"""A graph made for reading its past: of each checkpoint it looks only at what may matter there.

For each past checkpoint LangGraph asks of every node whether it is triggered, and makes every
channel, most of which are empty: most of the cost of a long history. But a checkpoint says which
channels its step updated, and when it executes, LangGraph too looks at no nodes but those that
these channels trigger.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any

from langgraph.channels import EphemeralValue
from langgraph.checkpoint.base import Checkpoint, CheckpointTuple

#: States that LangGraph makes at once: what it has not used yet is not in the processor's cache.
_PAGE = 50

_ByName = dict[str, Any]


class _Chosen(dict[str, Any]):
    """Nodes or channels of a graph; whoever goes through them meets those that were chosen."""

    chosen: _ByName | None = None

    def choose(self, names: Iterable[str]) -> _ByName:
        """Choose, in the graph's order, and return the chosen."""
        wanted = set(names)
        self.chosen = {name: self[name] for name in self if name in wanted}
        return self.chosen

    def keys(self) -> Any:
        """Return the names of the chosen."""
        return super().keys() if self.chosen is None else self.chosen.keys()

    def items(self) -> Any:
        """Return the chosen, by name."""
        return super().items() if self.chosen is None else self.chosen.items()


class _Sight:
    """What of a graph matters at the checkpoint at hand."""

    def __init__(self, graph: Any) -> None:
        self.nodes = _Chosen(graph.nodes)
        self.channels = _Chosen(graph.channels)
        self._by_trigger: Mapping[str, Iterable[str]] = graph.trigger_to_nodes
        self._lasting = {
            name for name, channel in graph.channels.items() if type(channel) is not EphemeralValue
        }
        self._lasting.update(_names(graph.stream_channels_asis))
        self._at: CheckpointTuple | None = None

    def move(self, found: CheckpointTuple) -> None:
        """Look at another checkpoint; at all of the graph, if it is not known what was updated."""
        if found is self._at:
            return
        self._at = found
        checkpoint = found[1]
        updated = checkpoint.get("updated_channels")
        if not updated:
            self.nodes.chosen = self.channels.chosen = None
            return
        nodes = self.nodes.choose(
            name for each in updated for name in self._by_trigger.get(each, ())
        )
        triggers = [each for node in nodes.values() for each in node.triggers]
        written = [write[1] for write in found[4] or ()]
        stored = checkpoint["channel_values"]
        self.channels.choose([*self._lasting, *updated, *triggers, *written, *stored])


class _Looked(CheckpointTuple):
    """A checkpoint that tells when it is looked at."""

    sight: _Sight

    @property
    def checkpoint(self) -> Checkpoint:
        """The checkpoint."""
        self.sight.move(self)
        return self[1]


def for_history(graph: Any, watched: Callable[[Callable[[CheckpointTuple], Any]], Any]) -> Any:
    """Return a graph of which only the history may be read.

    `watched` makes a saver whose lists are of what a function makes of each checkpoint.
    """
    sight = _Sight(graph)

    def look(found: CheckpointTuple) -> CheckpointTuple:
        looked = _Looked(*found)
        looked.sight = sight
        return looked

    reading = graph.copy(update={"checkpointer": watched(look)})
    reading.nodes, reading.channels = sight.nodes, sight.channels
    return reading


async def states_of(
    reading: Any, config: Any, *, metadata: Any, before: Any, limit: int
) -> AsyncIterator[Any]:
    """Yield the states of a history, newest first, a page in memory at a time."""
    while limit > 0:
        size, count = min(limit, _PAGE), 0
        async for state in reading.aget_state_history(
            config, filter=metadata, before=before, limit=size
        ):
            before, count = state.config, count + 1
            yield state
        limit = limit - count if count == size else 0


def _names(channels: str | Iterable[str]) -> Iterable[str]:
    return (channels,) if isinstance(channels, str) else channels

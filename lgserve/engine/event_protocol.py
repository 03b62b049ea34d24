"""LangGraph's v3 events to the events of protocol v2, as frames for a run's log. Pure.

What LangGraph says stays recognisable: state is state, a custom event is what the writer got.
Interrupts leave the state and become requests for input, each once; checkpoints and tasks are shown
without what belongs to the request that made the run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from langchain_core.messages import BaseMessage

from lgserve import jsonio
from lgserve.core.protocol_frames import frame, frame_name, params_of, request_of
from lgserve.engine.event_messages import events_of_message
from lgserve.engine.stream_modes import Frame, public_checkpoint
from lgserve.services.protocol_messages import plain_message, with_plain_messages

#: The channel through which `lgserve.engine.event_run` passes what LangGraph keeps for itself.
TASKS = "lgserve.tasks"
_NAMED = "custom:"
#: How a graph's part may stand, by LangGraph's name for it.
_STATUSES = {"drained": "interrupted"}
_CHECKPOINT_METADATA = ("source", "step", "parents")


def with_interrupts(mode: str, params: Mapping[str, Any]) -> Any:
    """Return what a mode would have brought: interrupts then stand in the values."""
    interrupts = params.get("interrupts")
    if mode != "values" or not interrupts:
        return params["data"]
    values = params["data"]
    plain = values if isinstance(values, dict) else jsonio.loads(jsonio.dumps_wire(values))
    return {**(plain if isinstance(plain, dict) else {}), "__interrupt__": interrupts}


class EventTranslator:
    """Translates the events of one run, in order."""

    def __init__(self) -> None:
        self._asked: set[str] = set()
        self._names: dict[tuple[str, ...], str] = {}
        #: The message that a model is saying, by the run of that model.
        self._speaking: dict[str, str] = {}
        self._translators: dict[str, Callable[[_Event], Iterator[Frame]]] = {
            "values": self._values,
            "updates": self._updates,
            "messages": self._messages,
            "tools": _tools,
            "custom": _as_it_is,
            "checkpoints": _checkpoint,
            "lifecycle": self._lifecycle,
            _NAMED + TASKS: _task,
        }

    def frames(self, event: Mapping[str, Any]) -> Iterator[Frame]:
        """Yield the frames of an event; none if clients do not see it."""
        method = event["method"]
        translate = self._translators.get(method)
        if translate is not None:
            yield from translate(_Event(event["params"]))
        elif method.startswith(_NAMED):
            named = {"name": method.removeprefix(_NAMED), "payload": event["params"]["data"]}
            yield _Event(event["params"]).frame("custom", named)

    def _values(self, event: _Event) -> Iterator[Frame]:
        yield from self._requests(event, event.interrupts)
        yield event.frame("values", with_plain_messages(event.data))

    def _updates(self, event: _Event) -> Iterator[Frame]:
        """Tell what nodes returned; what interrupted them is told as requests."""
        data = event.data
        if isinstance(data, Mapping) and "__interrupt__" in data:
            yield from self._requests(event, data["__interrupt__"])
            data = {node: data[node] for node in data if node != "__interrupt__"}
            if not data:
                return
        yield event.frame("updates", with_plain_messages(data))

    def _requests(self, event: _Event, interrupts: Sequence[Any]) -> Iterator[Frame]:
        """Ask for input, once for each interrupt, where it was met first."""
        for item in interrupts:
            if item.id not in self._asked:
                self._asked.add(item.id)
                ident, value = jsonio.dumps_wire(item.id), jsonio.dumps_wire(item.value)
                yield event.encoded("input", request_of(ident, value))

    def _messages(self, event: _Event) -> Iterator[Frame]:
        """Tell what models say as they say it, and what nodes return whole."""
        said, metadata = event.data
        if isinstance(said, BaseMessage):
            parts = events_of_message(said)
        elif said.get("role") == "tool":
            return
        else:
            parts = iter((said,))
        speaker = str(metadata.get("run_id", ""))
        for part in parts:
            yield event.frame("messages", self._identified(part, speaker, metadata))

    def _identified(
        self, part: Mapping[str, Any], speaker: str, metadata: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return a part with its message's id: of two that are said at once, too."""
        told = dict(part)
        if told.get("event") == "message-start":
            self._speaking[speaker] = str(told.get("id") or told.get("message_id") or speaker)
            node = metadata.get("langgraph_node")
            if node is not None:
                told["metadata"] = {**(told.get("metadata") or {}), "langgraph_node": node}
        told["id"] = self._speaking.get(speaker, speaker)
        if told.get("event") in ("message-finish", "error"):
            self._speaking.pop(speaker, None)
        return told

    def _lifecycle(self, event: _Event) -> Iterator[Frame]:
        """Tell of a subgraph: under its own namespace, always with its name."""
        data = dict(event.data)
        namespace = tuple(data["namespace"])
        data["event"] = _STATUSES.get(data["event"], data["event"])
        if "graph_name" in data:
            self._names[namespace] = data["graph_name"]
        elif namespace in self._names:
            data["graph_name"] = self._names[namespace]
        yield event.under(namespace).frame("lifecycle", data)


class _Event:
    """The params of one event, and the frames they become."""

    __slots__ = ("_namespace", "data", "interrupts", "timestamp")

    def __init__(self, params: Mapping[str, Any]) -> None:
        self._namespace: Sequence[str] = params["namespace"]
        self.timestamp: int = params["timestamp"]
        self.data: Any = params["data"]
        self.interrupts: Sequence[Any] = params.get("interrupts") or ()

    def under(self, namespace: Sequence[str]) -> _Event:
        """Return the event in another namespace."""
        moved = {"namespace": namespace, "timestamp": self.timestamp, "data": self.data}
        return _Event(moved)

    def frame(self, channel: str, data: Any) -> Frame:
        """Return a frame of this place and time."""
        return self.encoded(channel, jsonio.dumps_wire(data))

    def encoded(self, channel: str, data: bytes) -> Frame:
        """Return a frame of data that are encoded already."""
        namespace = jsonio.dumps_wire(list(self._namespace))
        return frame(
            frame_name(channel, self._namespace), params_of(namespace, self.timestamp, data)
        )


def _as_it_is(event: _Event) -> Iterator[Frame]:
    yield event.frame("custom", event.data)


def _tools(event: _Event) -> Iterator[Frame]:
    """Tell of a tool's call; a message it returned is shown as state shows messages."""
    data = dict(event.data)
    if isinstance(data.get("output"), BaseMessage):
        data["output"] = plain_message(data["output"].model_dump())
    if "delta" in data and not isinstance(data["delta"], str):
        data["delta"] = jsonio.dumps_wire(data["delta"]).decode()
    yield event.frame("tools", data)


def _task(event: _Event) -> Iterator[Frame]:
    """Tell of a task that begins or has ended: the tap wraps its params."""
    inner = _Event(event.data)
    task = dict(inner.data)
    if isinstance(task.get("error"), BaseException):
        task["error"] = repr(task["error"])
    yield inner.frame("tasks", task)


def _checkpoint(event: _Event) -> Iterator[Frame]:
    """Tell of a checkpoint: its id to fork from, and the state it holds."""
    shown = public_checkpoint(event.data)
    metadata = event.data.get("metadata") or {}
    shown["metadata"] = {name: metadata[name] for name in _CHECKPOINT_METADATA if name in metadata}
    brief = {
        "id": _checkpoint_id(shown["config"]),
        "parent_id": _checkpoint_id(shown["parent_config"]),
        "step": metadata.get("step"),
        "source": metadata.get("source"),
    }
    yield event.frame("checkpoints", {**{k: v for k, v in brief.items() if v is not None}, **shown})


def _checkpoint_id(config: Mapping[str, Any] | None) -> str | None:
    return None if config is None else config["configurable"].get("checkpoint_id")

"""LangGraph's chunks to the API's events, a mode at a time.

An event is a name and the encoded data, following the reference server's wire format (core.md,
section 4). Frames are encoded once, here; everybody downstream copies bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from langchain_core.messages import BaseMessage, BaseMessageChunk, message_chunk_to_message

from lgserve import jsonio
from lgserve.core.event_names import LANGGRAPH_MODE
from lgserve.services.state_view import reference

Frame = tuple[str, bytes]


def langgraph_modes(requested: Sequence[str]) -> list[str]:
    """Return the modes to ask LangGraph for: `values` and `updates` always, for the result."""
    wanted = [LANGGRAPH_MODE.get(mode, mode) for mode in requested if mode != "events"]
    return list(dict.fromkeys([*wanted, "values", "updates"]))


def frame(name: str, data: bytes) -> Frame:
    """Return an event: its name, and its `event:` and `data:` lines."""
    return name, b"event: %b\r\ndata: %b\r\n" % (_one_line(name), data)


def _one_line(text: str) -> bytes:
    """Keep a name from ending its line: it may hold a node's name."""
    return text.encode("utf-8", "replace").replace(b"\r", b" ").replace(b"\n", b" ")


class ChunkEncoder:
    """Encodes the chunks of one run in the modes its client asked for."""

    def __init__(self, requested: Sequence[str]) -> None:
        self._requested = frozenset(requested)
        self._accumulated: dict[str, BaseMessage] = {}
        self._metadata_text: tuple[Any, bytes] = (None, b"")
        self._encoders: dict[str, Callable[[str, Any], Iterator[Frame]]] = {
            "checkpoints": self._checkpoint,
            "debug": self._debug,
            "messages": self._message_tuple
            if "messages-tuple" in self._requested
            else self._message,
        }

    def encode(self, namespace: Sequence[str], mode: str, chunk: Any) -> Iterator[Frame]:
        """Yield the events of a chunk; none if its mode was only asked for internally."""
        if mode not in self._requested and not (
            mode == "messages" and "messages-tuple" in self._requested
        ):
            return
        suffix = f"|{'|'.join(namespace)}" if namespace else ""
        encoder = self._encoders.get(mode)
        if encoder is not None:
            yield from encoder(suffix, chunk)
        else:
            yield frame(mode + suffix, jsonio.dumps_wire(chunk))

    def skip(self, mode: str, chunk: Any) -> None:
        """Note a chunk that nobody reads: who joins later gets messages from their start."""
        if mode == "messages" and "messages" in self._requested:
            message, _ = chunk
            self._accumulate(message.id or "", message)

    def _checkpoint(self, suffix: str, chunk: Any) -> Iterator[Frame]:
        yield frame("checkpoints" + suffix, jsonio.dumps_wire(public_checkpoint(chunk)))

    def _debug(self, suffix: str, chunk: Any) -> Iterator[Frame]:
        if chunk.get("type") == "checkpoint":
            chunk = {**chunk, "payload": debug_checkpoint(chunk["payload"])}
        yield frame("debug" + suffix, jsonio.dumps_wire(chunk))

    def _message_tuple(self, suffix: str, chunk: Any) -> Iterator[Frame]:
        message, metadata = chunk
        text = jsonio.dumps_wire(message)
        yield frame("messages" + suffix, b"[%b,%b]" % (text, self._encode_metadata(metadata)))

    def _encode_metadata(self, metadata: Any) -> bytes:
        """Encode a message's metadata; all tokens of a call share one object."""
        known, text = self._metadata_text
        if known is not metadata:
            text = jsonio.dumps_wire(metadata)
            self._metadata_text = (metadata, text)
        return text

    def _message(self, suffix: str, chunk: Any) -> Iterator[Frame]:
        """Send a message as it grows: metadata once, then the message so far each time."""
        del suffix  # this mode has no namespaces
        message, metadata = chunk
        message_id = message.id or ""
        if message_id not in self._accumulated:
            body = {message_id: {"metadata": metadata}}
            yield frame("messages/metadata", jsonio.dumps_wire(body))
        grown = self._accumulate(message_id, message)
        if isinstance(grown, BaseMessageChunk):
            whole = message_chunk_to_message(grown)
            yield frame("messages/partial", jsonio.dumps_wire([whole]))
        else:
            yield frame("messages/complete", jsonio.dumps_wire([message]))

    def _accumulate(self, message_id: str, message: BaseMessage) -> BaseMessage:
        """Return the message so far."""
        known = self._accumulated.get(message_id)
        if isinstance(known, BaseMessageChunk) and isinstance(message, BaseMessageChunk):
            message = known + message
        self._accumulated[message_id] = message
        return message


_PUBLIC_CONFIGURABLE = ("thread_id", "checkpoint_ns", "checkpoint_id", "checkpoint_map")


def public_config(config: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return a config's checkpoint reference only: the rest belongs to the request."""
    if not config:
        return None
    configurable = config.get("configurable", {})
    kept = {key: configurable[key] for key in _PUBLIC_CONFIGURABLE if key in configurable}
    return {"configurable": kept}


def public_checkpoint(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Return a checkpoint event without request internals."""
    shown = dict(payload)
    shown["config"] = public_config(payload.get("config"))
    shown["parent_config"] = public_config(payload.get("parent_config"))
    shown["tasks"] = [_public_task(task) for task in payload.get("tasks", ())]
    return shown


def _public_task(task: Mapping[str, Any]) -> dict[str, Any]:
    state = task.get("state")
    shown_state = public_config(state) if isinstance(state, Mapping) and state else state
    return {**task, "state": shown_state}


def debug_checkpoint(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Return a debug checkpoint: as `public_checkpoint`, with the references clients read."""
    shown = public_checkpoint(payload)
    shown["tasks"] = [_debug_task(task) for task in shown["tasks"]]
    shown["checkpoint"] = reference(shown["config"])
    shown["parent_checkpoint"] = reference(shown["parent_config"])
    return shown


def _debug_task(task: Mapping[str, Any]) -> dict[str, Any]:
    """Return a task; one whose node is a subgraph refers to that subgraph's checkpoint."""
    if not task.get("state"):
        return dict(task)
    rest = {name: task[name] for name in task if name != "state"}
    return {**rest, "checkpoint": reference(task["state"])}

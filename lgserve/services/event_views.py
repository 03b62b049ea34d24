"""A run's log as events of protocol v2, told at read time. Pure.

Logs of runs that were started through protocol v2 hold its events already and get the envelope;
logs of other runs hold frames of stream modes, of which values, updates, custom events, tasks and
checkpoints can be told. How the run began and ended is told from the run itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from lgserve import jsonio
from lgserve.core.event_names import event_base
from lgserve.core.models import EVENTS_OF_RUN, Run, StreamEvent
from lgserve.core.protocol_frames import (
    PAUSED,
    data_of,
    params_of,
    payload_of,
    request_of,
)
from lgserve.services.protocol_logs import is_of_protocol
from lgserve.services.protocol_messages import with_plain_messages

#: Numbers that one frame of another protocol may take: requests for input stand before values.
_SPREAD = 32
_PLAIN = frozenset({"tasks", "custom"})
_METHODS = {"input": "input.requested"}
_INTERRUPT = b"__interrupt__"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolEvent:
    """One event of a thread: its number, its stable id, its params as encoded once."""

    seq: int
    event_id: str
    channel: str
    namespace: tuple[str, ...]
    params: bytes

    @property
    def method(self) -> str:
        """What the event is called."""
        return _METHODS.get(self.channel, self.channel)

    @property
    def custom_name(self) -> str | None:
        """The name a custom event carries in its data, if it has one."""
        data = jsonio.loads(payload_of(self.params))
        name = data.get("name") if isinstance(data, dict) else None
        return name if isinstance(name, str) else None

    def encode(self) -> bytes:
        """Return the event as clients get it."""
        return b'{"type":"event","event_id":"%b","seq":%d,"method":"%b","params":%b}' % (
            self.event_id.encode(),
            self.seq,
            self.method.encode(),
            self.params,
        )


class RunView:
    """Tells one run; `base` is the number before its first event."""

    def __init__(self, run: Run, base: int) -> None:
        self._run = run
        self._base = base
        self._native = is_of_protocol(run)
        self._last = 0
        #: The last frame of which something was told, and its last part.
        self._part = (0, 0)
        self._paused = False
        self._asked: set[str] = set()
        #: Whether its values were among what was told.
        self.told_values = False

    @property
    def needs_values(self) -> bool:
        """Whether the run's last values have to be told at its end: its own modes did not."""
        return not self._native and not self.told_values

    def event(self, event: StreamEvent) -> Iterator[ProtocolEvent]:
        """Yield what is told of a frame."""
        self._last = event.seq
        base = event_base(event.name)
        if base == "metadata":
            yield self._lifecycle("running", self._run.epoch)
        elif base == PAUSED:
            self._paused = True
        elif base != "error":
            yield from self._native_event(event) if self._native else self._foreign(event, base)

    def end(self, run: Run, status: str, values: bytes | None) -> Iterator[ProtocolEvent]:
        """Yield what is told at the end of a run; `values` if they have not been told."""
        moment = _milliseconds(run.updated_at)
        if values is not None:
            self._last += 1
            yield from self._values((), values, moment)
        self._last += 1
        told, error = self._outcome(run, status)
        event = self._lifecycle(told, moment, error)
        yield replace(event, event_id=f"{run.epoch + 1}-0")

    def _outcome(self, run: Run, status: str) -> tuple[str, str | None]:
        """Return how the root graph stands, and what failed."""
        if status in ("error", "timeout"):
            error = jsonio.loads(run.error) if run.error is not None else {}
            message = error.get("message") or error.get("error")
            return "failed", message or ("The run timed out." if status == "timeout" else status)
        if status == "success":
            return ("interrupted" if self._paused else "completed"), None
        return "interrupted", None

    def _native_event(self, event: StreamEvent) -> Iterator[ProtocolEvent]:
        channel, _, rest = event.name.partition("|")
        namespace = tuple(rest.split("|")) if rest else ()
        yield self._told(channel, namespace, data_of(event))

    def _foreign(self, event: StreamEvent, base: str) -> Iterator[ProtocolEvent]:
        """Tell a frame of a stream mode."""
        _, _, rest = event.name.partition("|")
        namespace = tuple(rest.split("|")) if rest else ()
        data, moment = data_of(event), self._run.epoch
        if base == "values" and event.name.split("|", 1)[0] == "values":
            yield from self._values(namespace, data, moment)
        elif base == "updates":
            yield from self._updates(namespace, data, moment)
        elif base == "checkpoints":
            yield self._told(base, namespace, _params(namespace, moment, _checkpoint(data)))
        elif base in _PLAIN:
            yield self._told(base, namespace, _params(namespace, moment, data))

    def _values(
        self, namespace: tuple[str, ...], data: bytes, moment: int
    ) -> Iterator[ProtocolEvent]:
        values = jsonio.loads(data)
        self.told_values = self.told_values or not namespace
        if isinstance(values, dict) and "__interrupt__" in values:
            yield from self._requests(namespace, values.pop("__interrupt__"), moment)
        told = jsonio.dumps_wire(with_plain_messages(values))
        yield self._told("values", namespace, _params(namespace, moment, told), last=True)

    def _updates(
        self, namespace: tuple[str, ...], data: bytes, moment: int
    ) -> Iterator[ProtocolEvent]:
        if _INTERRUPT in data:
            updates = jsonio.loads(data)
            if isinstance(updates, dict) and "__interrupt__" in updates:
                yield from self._requests(namespace, updates.pop("__interrupt__"), moment)
                if not updates:
                    return
                data = jsonio.dumps_wire(updates)
        yield self._told("updates", namespace, _params(namespace, moment, data), last=True)

    def _requests(
        self, namespace: tuple[str, ...], interrupts: Any, moment: int
    ) -> Iterator[ProtocolEvent]:
        """Tell of interrupts, each once; no frame of a stream mode has more than its numbers."""
        self._paused = True
        fresh = [item for item in interrupts or () if item["id"] not in self._asked]
        for item in fresh[: _SPREAD - 2]:
            self._asked.add(item["id"])
            asked = request_of(jsonio.dumps(item["id"]), jsonio.dumps(item["value"]))
            yield self._told("input", namespace, _params(namespace, moment, asked))

    def _lifecycle(self, status: str, moment: int, error: str | None = None) -> ProtocolEvent:
        data = {"event": status, "graph_name": self._run.graph_id}
        if error is not None:
            data["error"] = error
        return self._told("lifecycle", (), _params((), moment, jsonio.dumps_wire(data)))

    def _told(
        self, channel: str, namespace: tuple[str, ...], params: bytes, *, last: bool = False
    ) -> ProtocolEvent:
        """Number an event; several that come from one frame are told apart by a last figure."""
        part = 0
        if not self._native:
            part = _SPREAD - 1 if last else self._part_after_last()
        self._part = (self._last, part)
        spread = 1 if self._native else _SPREAD
        return ProtocolEvent(
            seq=self._base + self._last * spread + part,
            event_id=f"{self._run.epoch}-{self._last}" + (f".{part}" if part else ""),
            channel=channel,
            namespace=namespace,
            params=params,
        )

    def _part_after_last(self) -> int:
        frame, part = self._part
        return min(part + 1, _SPREAD - 2) if frame == self._last else 0


def number_in(run: Run, base: int, frame: int, part: int) -> int:
    """Return the number of an event by the figures of its id; frame 0 is the end of the run."""
    if frame == 0:
        return base + EVENTS_OF_RUN - 1
    return base + frame * (1 if is_of_protocol(run) else _SPREAD) + part


def _params(namespace: tuple[str, ...], moment: int, data: bytes) -> bytes:
    return params_of(jsonio.dumps_wire(list(namespace)), moment, data)


def _checkpoint(data: bytes) -> bytes:
    """Put the checkpoint's id in front, as protocol v2 has it."""
    shown: dict[str, Any] = jsonio.loads(data)
    config: Mapping[str, Any] = (shown.get("config") or {}).get("configurable") or {}
    metadata = shown.get("metadata") or {}
    brief = {"id": config.get("checkpoint_id"), **metadata}
    kept = {name: brief[name] for name in ("id", "step", "source") if brief.get(name) is not None}
    return jsonio.dumps_wire({**kept, **shown})


def _milliseconds(moment: str) -> int:
    return int(datetime.fromisoformat(moment).timestamp() * 1000)

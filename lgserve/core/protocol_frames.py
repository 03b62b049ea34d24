"""How an event of protocol v2 stands in a run's log, and how it is taken out again. Pure.

A frame's name is the channel, with the namespace behind `|` as in the other protocol; its data are
the event's `params`, with `data` as their last member. So both protocols are served from one log
by copying bytes: protocol v2 adds the envelope, the other one takes what `data` holds.
"""

from __future__ import annotations

from collections.abc import Sequence

from lgserve.core.event_names import event_base
from lgserve.core.models import StreamEvent

#: A member of a run's kwargs: its log is written for protocol v2.
FLAG = "event_streaming"
#: The name of the frame that says that a run ended with work left to do.
PAUSED = "paused"

_DATA = b',"data":'
_TIME = b',"timestamp":'
_PAYLOAD = b',"payload":'
_VALUE = b',"value":'
#: Channels that the other protocol has too.
_SHARED = frozenset({"values", "updates", "custom", "tasks", "checkpoints"})
_OF_EVERY_RUN = frozenset({"metadata", "error"})


def frame_name(channel: str, namespace: Sequence[str]) -> str:
    """Return the name of an event's frame, on one line whatever nodes are called."""
    name = "|".join((channel, *namespace))
    return name.replace("\r", " ").replace("\n", " ")


def frame(name: str, params: bytes) -> tuple[str, bytes]:
    """Return an event for a log."""
    return name, b"event: %b\r\ndata: %b\r\n" % (name.encode("utf-8", "replace"), params)


def params_of(namespace: bytes, timestamp: int, data: bytes) -> bytes:
    """Return an event's params from encoded parts."""
    return b'{"namespace":%b%b%d%b%b}' % (namespace, _TIME, timestamp, _DATA, data)


def data_of(event: StreamEvent) -> bytes:
    """Return what stands in a frame's data line."""
    start = event.frame.index(b"\r\ndata: ") + 8
    return event.frame[start : event.frame.rindex(b"\r\n")]


def payload_of(params: bytes) -> bytes:
    """Return the `data` of encoded params."""
    timed = params.index(_TIME)
    return params[params.index(_DATA, timed) + len(_DATA) : -1]


def request_of(interrupt_id: bytes, value: bytes) -> bytes:
    """Return what asks for an answer; `value` is what clients of SDK 0.4 read."""
    return b'{"interrupt_id":%b%b%b%b%b}' % (interrupt_id, _PAYLOAD, value, _VALUE, value)


def _as_update(event: StreamEvent) -> bytes:
    """Return what asks for an answer as the other protocol shows an interrupt."""
    asked = payload_of(data_of(event)).removeprefix(b'{"interrupt_id":')
    interrupt_id, _, twice = asked.partition(_PAYLOAD)
    value = twice[: (len(twice) - len(_VALUE) - 1) // 2]
    return b'{"__interrupt__":[{"value":%b,"id":%b}]}' % (value, interrupt_id)


def in_other_protocol(event: StreamEvent) -> StreamEvent | None:
    """Return an event of a run of protocol v2 for a reader of the other one; None: it has none."""
    base = event_base(event.name)
    if base in _OF_EVERY_RUN:
        return event
    if base == "input":
        name, data = event.name.replace("input", "updates", 1), _as_update(event)
    elif base in _SHARED:
        name, data = event.name, payload_of(data_of(event))
    else:
        return None
    shown, text = frame(name, data)
    return StreamEvent(seq=event.seq, name=shown, frame=text)

"""Identifiers: sortable UUIDv7 for what the server makes, uuid5 for system assistants."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from random import SystemRandom
from uuid import UUID, uuid4, uuid5

#: The reference derives a system assistant's id from its graph id in this namespace.
SYSTEM_ASSISTANT_NAMESPACE = UUID("6ba7b821-9dad-11d1-80b4-00c04fd430c8")

_random = SystemRandom()
_lock = threading.Lock()
_last = 0


def new_id() -> str:
    """Return a UUIDv7 that sorts after every other one this process has made."""
    global _last  # one counter a process is what makes the order total
    with _lock:
        # 48 bits of milliseconds and 12 bits of fraction: later calls never get a smaller value.
        _last = max(_last + 1, (time.time_ns() << 12) // 1_000_000)
        stamp = _last
    head = (stamp >> 12) << 16 | 0x7000 | (stamp & 0xFFF)
    text = f"{head:016x}{0x8000_0000_0000_0000 | _random.getrandbits(62):016x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def new_random_id() -> str:
    """Return a UUIDv4, as the reference gives to assistants and copied threads."""
    return str(uuid4())


def system_assistant_id(graph_id: str) -> str:
    """Return the id of the assistant every graph has from the start."""
    return str(uuid5(SYSTEM_ASSISTANT_NAMESPACE, graph_id))


def is_system_assistant(assistant_id: str, graph_ids: Iterable[str]) -> bool:
    """Tell whether the id is that of a graph's own assistant."""
    return any(assistant_id == system_assistant_id(graph_id) for graph_id in graph_ids)


def canonical(text: str) -> str:
    """Return the canonical form of a UUID, and anything else as it stands."""
    return parse_uuid(text) or text


def parse_uuid(text: str) -> str | None:
    """Return the canonical form of a UUID, or None if `text` is not one."""
    try:
        return str(UUID(text))
    except (ValueError, AttributeError, TypeError):
        return None

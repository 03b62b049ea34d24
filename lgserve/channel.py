"""What a parent and its child processes say to each other: JSON lines, some with a descriptor.

The end of a process closes its end, which the other one reads as the end: so a channel is a
lifeline too. Messages are small; whoever reads never waits for anything else, so that a write
never waits long.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import pickle
import socket
import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Any

_CHUNK = 65_536
_MOST_DESCRIPTORS = 64


@dataclass(frozen=True, slots=True)
class Message:
    """What was said; a descriptor that comes with it belongs to who reads it."""

    kind: str
    fields: dict[str, Any] = field(default_factory=dict)
    descriptor: int | None = None

    def drop(self) -> None:
        """Close the descriptor, if there is one: nobody wants it."""
        if self.descriptor is not None:
            os.close(self.descriptor)


class Channel:
    """One end; any thread may send, one thread receives."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._sending = threading.Lock()
        self._received = b""
        self._descriptors: deque[int] = deque()

    @classmethod
    def pair(cls) -> tuple[Channel, socket.socket]:
        """Return an end for this process, and one to give to another."""
        ours, theirs = socket.socketpair()
        return cls(ours), theirs

    def fileno(self) -> int:
        """Return the descriptor, to wait for something to read."""
        return self._socket.fileno()

    def send(self, kind: str, *, descriptor: int | None = None, **fields: Any) -> bool:
        """Say something; False if nobody is there to hear it."""
        line = json.dumps(
            {"kind": kind, "with": descriptor is not None, "fields": fields}, default=str
        )
        data = memoryview(line.encode() + b"\n")
        with self._sending:
            try:
                if descriptor is not None:
                    data = data[socket.send_fds(self._socket, [data], [descriptor]) :]
                self._socket.sendall(data)
            except (OSError, ValueError):
                return False
        return True

    def receive(self) -> Message | None:
        """Wait for a message; None when the other end is closed."""
        while (found := self.buffered()) is None:
            if not self._read():
                return None
        return found

    def buffered(self) -> Message | None:
        """Return a message that has come already."""
        line, found, rest = self._received.partition(b"\n")
        if not found:
            return None
        self._received = rest
        said = json.loads(line)
        descriptor = self._descriptors.popleft() if said["with"] else None
        return Message(said["kind"], said["fields"], descriptor)

    def close(self) -> None:
        """Close this end; who waits to receive wakes up."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        while self._descriptors:
            os.close(self._descriptors.popleft())

    def abandon(self) -> None:
        """Close this process's copy of an end that another process goes on using."""
        self._socket.close()

    def _read(self) -> bool:
        try:
            data, descriptors, _, _ = socket.recv_fds(self._socket, _CHUNK, _MOST_DESCRIPTORS)
        except OSError:
            return False
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)  # noqa: FBT003 - its signature
            self._descriptors.append(descriptor)
        self._received += data
        return len(data) > 0


def packed(value: object) -> str:
    """Return a value as text that a message can carry."""
    return base64.b64encode(pickle.dumps(value)).decode()


def unpacked(text: str) -> object:
    """Return a packed value; only of a message of one's own parent."""
    return pickle.loads(base64.b64decode(text))  # noqa: S301 - written by our own parent

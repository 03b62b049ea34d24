"""Waiting on a terminal, where a key may end the wait."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

#: Waits so many seconds, and says whether the person wants to leave.
Wait = Callable[[float], bool]


@contextmanager
def leaving_by(key: str) -> Iterator[Wait]:
    """Yield a way to wait that a key ends at once; without a terminal, it sleeps."""
    if sys.platform == "win32" or not sys.stdin.isatty():
        yield _sleep
        return
    import termios
    import tty

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor)
    try:
        yield lambda seconds: _wait_for(key, seconds)
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _sleep(seconds: float) -> bool:
    time.sleep(max(seconds, 0.0))
    return False


def _wait_for(key: str, seconds: float) -> bool:
    import os
    import select

    end = time.monotonic() + seconds
    while True:
        left = max(end - time.monotonic(), 0.0)
        ready, _, _ = select.select([sys.stdin], [], [], left)
        if not ready:
            return False
        typed = os.read(sys.stdin.fileno(), 64)
        if key.encode() in typed:
            return True
        if not typed:  # nobody types there any more
            return _sleep(end - time.monotonic())

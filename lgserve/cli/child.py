"""The process that `lgserve dev` starts for each version of the code; see `lgserve.supervisor`."""

from __future__ import annotations

import ctypes
import json
import os
import pickle
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import IO, Any

import lgserve
from lgserve.cli.errors import CliError, report
from lgserve.cli.serving import serve_here
from lgserve.core.errors import LgserveError
from lgserve.supervisor import CANNOT_SERVE, Order

_PR_SET_PDEATHSIG = 1


def child_command() -> list[str]:
    """Return the command that starts a child; the supervisor appends its descriptors."""
    # -P: the current folder is the user's, and a `queue.py` in it must not shadow the library's.
    root = str(Path(lgserve.__file__).parent.parent)
    start = f"import sys; sys.path.append({root!r}); from lgserve.cli.child import main; main()"
    return [sys.executable, "-P", "-c", start]


def main() -> None:
    """Serve as the parent orders, and end with it."""
    listener, order_out, report_in, parent = map(int, sys.argv[-4:])
    for descriptor in (listener, order_out, report_in):
        os.set_inheritable(descriptor, False)  # a process the user's code starts must not keep them
    _die_with(parent)
    # Ctrl-C reaches the whole foreground group; this process stops when its parent tells it to.
    # It stays in that group, because no other may read the terminal (`breakpoint()` does).
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    pipe = os.fdopen(order_out, "rb")
    order = _read_order(pipe)
    threading.Thread(target=_end_with, args=(pipe,), name="lifeline", daemon=True).start()
    sys.exit(_serve(order, socket.socket(fileno=listener), report_in))


def _serve(order: Order, listener: socket.socket, report_in: int) -> int:
    def announce(facts: dict[str, Any]) -> None:
        os.write(report_in, json.dumps(facts, default=str).encode() + b"\n")

    try:
        return serve_here(order, listener, announce)
    except LgserveError as exc:
        report(CliError(exc.message, code="E_CANNOT_SERVE"))
        return CANNOT_SERVE


def _read_order(pipe: IO[bytes]) -> Order:
    size = int.from_bytes(pipe.read(8), "big")
    order = pickle.loads(pipe.read(size))  # noqa: S301 - written by our parent on its own pipe
    if not isinstance(order, Order):
        raise TypeError(f"expected an order, not {type(order).__name__}")
    return order


def _die_with(parent: int) -> None:
    """Have the kernel end this process with its parent, where it can (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before the kernel knew
            os._exit(1)


def _end_with(pipe: IO[bytes]) -> None:
    """End this process when the parent's end of the pipe closes; what was acknowledged is saved."""
    pipe.read()
    os._exit(1)

"""The process that `lgserve dev` starts for each version of the code; see `lgserve.supervisor`."""

from __future__ import annotations

import atexit
import os
import signal
import socket
import sys
import threading
import traceback
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import lgserve
from lgserve.channel import Channel, unpacked
from lgserve.children import Order
from lgserve.cli.errors import CliError, report
from lgserve.cli.serving import leave_when_told, serve_here
from lgserve.core.errors import LgserveError
from lgserve.fork_server import (
    Forked,
    die_with,
    forget_shadowed,
    name_process,
    newest_module,
    serve,
    third_party_modules,
)
from lgserve.overlap import NotTakenOverError, Place
from lgserve.supervisor import CANNOT_SERVE


def child_command() -> list[str]:
    """Return the command that starts a child; the supervisor appends its descriptors."""
    return _command("main")


def fork_server_command() -> list[str]:
    """Return the command that starts a fork server; the supervisor appends its descriptors."""
    return _command("fork_main")


def _command(function: str) -> list[str]:
    # -P: the current folder is the user's, and a `queue.py` in it must not shadow the library's.
    root = str(Path(lgserve.__file__).parent.parent)
    start = f"import sys; sys.path.append({root!r}); from lgserve.cli import child"
    return [sys.executable, "-P", "-c", f"{start}; child.{function}()"]


def main() -> None:
    """Serve as the parent orders, and end with it."""
    leave_when_told()
    listener, descriptor, parent = map(int, sys.argv[-3:])
    for inherited in (listener, descriptor):
        os.set_inheritable(inherited, False)  # a process the user's code starts must not keep them
    die_with(parent)
    name_process("lgserve")
    # Ctrl-C reaches the whole foreground group; this process stops when its parent tells it to.
    # It stays in that group, because no other may read the terminal (`breakpoint()` does).
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    end = socket.socket(fileno=descriptor)
    sys.exit(_serve(Forked(listener, end, frozenset(), newest_module())))


def fork_main() -> None:
    """Fork children that serve, as the parent orders."""
    serve(_serve_forked)


def _serve_forked(forked: Forked) -> NoReturn:
    """Serve, and end without taking down what is shared with the fork server, page by page."""
    status = 1
    try:
        status = _serve(forked)
    except Exception:  # noqa: BLE001 - the boundary of the process: told as Python would
        traceback.print_exc()
    finally:
        atexit._run_exitfuncs()  # noqa: SLF001 - those of the user's code
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _serve(forked: Forked) -> int:
    channel = Channel(forked.channel)
    order = _read_order(channel)
    project = order.settings.project
    forget_shadowed(forked.preloaded, (project.root, *project.import_paths))
    place = Place(channel, order)
    threading.Thread(target=_end_with_parent, args=(place,), name="lifeline", daemon=True).start()
    server = socket.socket(fileno=forked.listener)
    try:
        return serve_here(order, server, partial(_announce, channel, forked.newest), place)
    except NotTakenOverError as exc:
        channel.send("failed", message=exc.message, details=exc.details)
    except LgserveError as exc:
        if order.takeover:
            channel.send("failed", message=exc.message, details={})
        else:
            report(CliError(exc.message, code="E_CANNOT_SERVE"))
    return CANNOT_SERVE


def _announce(channel: Channel, newest: str, facts: dict[str, Any]) -> None:
    channel.send("ready", **facts, modules=third_party_modules(newest))


def _read_order(channel: Channel) -> Order:
    message = channel.receive()
    if message is None:
        os._exit(1)
    order = unpacked(message.fields["order"])
    if not isinstance(order, Order):
        raise TypeError(f"expected an order, not {type(order).__name__}")
    return order


def _end_with_parent(place: Place) -> None:
    """End this process when the parent's end closes; what was acknowledged is saved."""
    place.listen()
    os._exit(1)

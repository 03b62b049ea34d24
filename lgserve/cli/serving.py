"""Running the server in this process: what `--no-reload`, `serve` and a supervised child share."""

from __future__ import annotations

import dataclasses
import importlib.util
import logging
import signal
import socket
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lgserve import logs
from lgserve.children import Order
from lgserve.cli.errors import CliError, say
from lgserve.settings import export_environment

if TYPE_CHECKING:
    from lgserve.overlap import Place


def serve_here(
    order: Order,
    listener: socket.socket,
    announce: Callable[[dict[str, Any]], None],
    place: Place | None = None,
    stopping: Callable[[], None] = lambda: None,
) -> int:
    """Serve until a signal; `announce` gets the fields of the server's startup report.

    A `place` is that of a child among the processes of its parent.
    """
    settings = order.settings
    logs.configure(
        format=settings.log_format,  # type: ignore[arg-type]
        level=settings.log_level,
        access=settings.access_log,  # type: ignore[arg-type]
        color=order.color,
    )
    # Before the imports below: langchain reads some of these when it is imported.
    export_environment(settings.project)
    if order.debug_port is not None:
        _listen_for_debugger(order.debug_port, wait=order.wait_for_client)
    from lgserve.server import run_server  # two seconds of imports, only where it serves

    try:
        return run_server(
            settings,
            listener,
            lambda report: announce(dataclasses.asdict(report)),
            place,
            stopping=stopping,
            folder_held=order.folder_held,
        )
    finally:
        logging.shutdown()


def leave_when_told() -> None:
    """End cleanly at SIGTERM, until the server listens to signals: there is nothing to drain."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))


def require_debugger() -> None:
    """Refuse `--debug-port` where there is no debugpy."""
    if importlib.util.find_spec("debugpy") is None:
        raise CliError(
            "--debug-port needs debugpy, which is not installed",
            code="E_NO_DEBUGPY",
            hint=f"{sys.executable} -m pip install debugpy",
        )


def _listen_for_debugger(port: int, *, wait: bool) -> None:
    import debugpy  # type: ignore[import-not-found,unused-ignore]  # optional, for --debug-port

    debugpy.listen(("127.0.0.1", port))
    say(f"debugger: listening on 127.0.0.1:{port}" + (", waiting for a client" if wait else ""))
    if wait:
        debugpy.wait_for_client()

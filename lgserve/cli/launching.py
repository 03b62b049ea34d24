"""What `dev` and `serve` do alike: say what is unusual, leave word, serve in this process."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from lgserve.cli.announcing import Announcer
from lgserve.cli.binding import is_loopback
from lgserve.cli.errors import usage_error
from lgserve.cli.serving import serve_here
from lgserve.cli.state_file import removed_at_end
from lgserve.settings import Settings
from lgserve.supervisor import Order


def say_first(announcer: Announcer, settings: Settings, note: str | None, *, verbose: bool) -> None:
    """Say what is unusual about this start."""
    project = settings.project
    for warning in project.warnings:
        announcer.warn(warning)
    if project.ignored_keys and verbose:
        announcer.note(
            f"{', '.join(project.ignored_keys)}: for building images, without effect here"
        )
    if is_open_door(settings):
        announcer.warn(
            f"whoever can reach {settings.host} can use these graphs: there is no authentication"
        )
    if note:
        announcer.note(note)


def is_open_door(settings: Settings) -> bool:
    """Tell whether other machines could use the graphs without saying who they are."""
    return settings.auth.type == "none" and not is_loopback(settings.host)


def refuse_open_door(settings: Settings, *, insecure_no_auth: bool) -> None:
    """Refuse to let other machines in without authentication, unless that is asked for."""
    if is_open_door(settings) and not insecure_no_auth:
        raise usage_error(
            f"--host {settings.host} would let other machines in without authentication",
            "set lgserve.auth in the config, put a proxy that authenticates in front of 127.0.0.1,"
            " or say --insecure-no-auth",
        )


def serve_in_process(
    order: Order, listener: socket.socket, announcer: Announcer, exit_after_seconds: float | None
) -> int:
    """Serve here, until a signal or the end of the time given."""
    with removed_at_end(order.settings.project.root), _ending_after(exit_after_seconds):
        return serve_here(order, listener, lambda report: announcer.ready(report, reloaded=False))


@contextmanager
def _ending_after(seconds: float | None) -> Iterator[None]:
    """Send this process SIGTERM after some time."""
    if seconds is None:
        yield
        return
    timer = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGTERM))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()

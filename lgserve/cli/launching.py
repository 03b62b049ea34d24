"""What `dev` and `serve` do alike: say what is unusual, leave word, serve in this process."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from lgserve.children import Order
from lgserve.cli.announcing import Announcer
from lgserve.cli.binding import is_loopback
from lgserve.cli.errors import CliError, usage_error
from lgserve.cli.serving import leave_when_told, serve_here
from lgserve.cli.state_file import removed_at_end
from lgserve.core.errors import ConfigurationError, StorageError
from lgserve.data_folder import held
from lgserve.settings import Settings


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
    leave_when_told()
    with removed_at_end(order.settings.project.root), _ending_after(exit_after_seconds):
        return serve_here(
            order,
            listener,
            lambda report: announcer.ready(report, reloaded=False),
            stopping=announcer.stopping,
        )


class FolderHold:
    """Holds the data folder for a parent's children, and the next one if the config changes it."""

    def __init__(self) -> None:
        self._held = ExitStack()
        self._folders: set[Path] = set()

    def __enter__(self) -> FolderHold:
        return self

    def __exit__(self, *_error: object) -> None:
        self._held.close()

    def take(self, settings: Settings) -> None:
        """Hold the folder of these settings, too."""
        folder = settings.data
        if folder is None or folder in self._folders:
            return
        try:
            self._held.enter_context(held(folder))
        except StorageError as exc:
            if not self._folders:
                raise CliError(exc.message, code="E_CANNOT_SERVE") from exc
            raise ConfigurationError(exc.message) from exc
        self._folders.add(folder)


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

"""Taking the port, before anything slow is imported."""

from __future__ import annotations

import contextlib
import errno
import socket

from lgserve.cli.errors import CliError

_BACKLOG = 1024
_NEXT_PORTS = 50


def bind(host: str, port: int, *, explicit: bool) -> tuple[socket.socket, str | None]:
    """Listen; a busy port that nobody asked for makes way for the next free one, with a note."""
    try:
        return _listen(host, port), None
    except OSError as exc:
        if exc.errno != errno.EADDRINUSE:
            raise _cannot_listen(host, port, exc) from exc
        if explicit:
            raise _busy(port) from exc
    for other in range(port + 1, min(port + _NEXT_PORTS, 65536)):
        with contextlib.suppress(OSError):
            return _listen(host, other), f"port {port} is in use, so this is port {other}"
    raise _busy(port)


def is_loopback(host: str) -> bool:
    """Say whether only this machine can reach an address."""
    return host in ("localhost", "::1") or host.startswith("127.")


def _listen(host: str, port: int) -> socket.socket:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    # A name such as localhost has two families; clients that were told 127.0.0.1 need IPv4.
    family, _, _, _, address = min(found, key=lambda entry: entry[0] != socket.AF_INET)
    return socket.create_server(address[:2], family=family, backlog=_BACKLOG)


def _busy(port: int) -> CliError:
    return CliError(
        f"port {port} is in use",
        code="E_PORT_IN_USE",
        hint=f"`lsof -i :{port}` shows by whom · --port 0 takes a free one",
    )


def _cannot_listen(host: str, port: int, exc: OSError) -> CliError:
    reason = "no such address" if isinstance(exc, socket.gaierror) else exc.strerror
    return CliError(f"cannot listen on {host}:{port} ({reason})", code="E_BIND")

"""The process that serves a database to a command with --db; see `lgserve.cli.database_link`.

It is told on its stdin what to serve, says on its stdout where, and ends when its stdin does.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from pathlib import Path
from typing import Any


def main() -> None:
    """Serve as told until the other end is gone."""
    order = json.loads(sys.stdin.readline())
    # What libraries print must not stand where the answer is expected.
    answer = os.dup(1)
    os.dup2(2, 1)
    from lgserve.core.errors import LgserveError

    try:
        asyncio.run(_serve(order, answer))
    except BrokenPipeError:
        return  # the command was stopped before it had an answer
    except LgserveError as exc:
        _say(answer, {"error": exc.message})
    except Exception as exc:  # noqa: BLE001 - the boundary: the command tells of it
        _say(answer, {"error": f"the database cannot be served: {exc!r}"})


async def _serve(order: dict[str, Any], answer: int) -> None:
    from lgserve import logs
    from lgserve.database_server import DatabaseServer

    logs.configure(format="json", level="error", access="off", color=False)
    listener = socket.create_server(("127.0.0.1", 0))
    server = DatabaseServer(Path(order["folder"]), listener, order["key"], writing=order["writing"])
    async with server.serving() as url:
        _say(answer, {"url": url})
        await asyncio.to_thread(sys.stdin.read)


def _say(answer: int, facts: dict[str, Any]) -> None:
    os.write(answer, (json.dumps(facts) + "\n").encode())

"""A process with a supervisor in it: events go to stdout, changes come by stdin."""

from __future__ import annotations

import json
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lgserve.core.errors import ConfigurationError
from lgserve.settings import ServerFlags, Settings, load_settings
from lgserve.supervisor import Order, Supervisor
from lgserve.watching import watch_files


def emit(event: str, **fields: Any) -> None:
    sys.stdout.write(json.dumps({"event": event, **fields}) + "\n")
    sys.stdout.flush()


class Printing:
    def ready(self, report: dict[str, Any], *, reloaded: bool) -> None:
        emit("ready", reloaded=reloaded, **report)

    def changed(self, paths: Sequence[Path]) -> None:
        emit("changed", paths=[path.name for path in paths])

    def not_reloaded(self, error: ConfigurationError) -> None:
        emit("not_reloaded", error=error.message)

    def died(self, status: int) -> None:
        emit("died", status=status)

    def stopping(self) -> None:
        emit("stopping")

    def not_watching(self, reason: str) -> None:
        emit("not_watching", reason=reason)


def watch_stdin(
    settings: Settings, stop: threading.Event, tell: Callable[[Sequence[Path]], None]
) -> None:
    for line in sys.stdin:
        if line.strip() == "break":
            raise OSError("no watches are left")
        tell([settings.project.root / line.strip()])


def main() -> None:
    root, child, watch = Path(sys.argv[1]), sys.argv[2], sys.argv[3]

    def load() -> Settings:
        return load_settings(ServerFlags(config=root, fresh=True, grace_seconds=1))

    listener = socket.create_server(("127.0.0.1", 0))
    emit("listening", port=listener.getsockname()[1])
    supervisor = Supervisor(
        listener=listener,
        command=[sys.executable, child],
        order=Order(settings=load(), color=False),
        reload_settings=load,
        watch=watch_files if watch == "files" else watch_stdin,
        talk=Printing(),
        exit_after_seconds=float(sys.argv[4]) if len(sys.argv) > 4 else None,
    )
    sys.exit(supervisor.run())


if __name__ == "__main__":
    main()

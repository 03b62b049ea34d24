"""Stands in for the server in test_supervisor; the project's file `behaviour` says how it acts."""

from __future__ import annotations

import json
import os
import pickle
import signal
import socket
import sys
import threading

from lgserve.supervisor import CANNOT_SERVE


def main() -> None:
    listener, order_out, report_in, _ = map(int, sys.argv[-4:])
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    pipe = os.fdopen(order_out, "rb")
    settings = pickle.loads(pipe.read(int.from_bytes(pipe.read(8), "big"))).settings
    behaviour = (settings.project.root / "behaviour").read_text()
    if behaviour == "cannot serve":
        sys.exit(CANNOT_SERVE)
    if behaviour == "crash":
        sys.exit(9)
    if behaviour == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    report = {"pid": os.getpid(), "behaviour": behaviour, "fresh": settings.fresh}
    threading.Thread(target=lambda: (pipe.read(), os._exit(1)), daemon=True).start()
    with socket.socket(fileno=listener) as server:
        os.write(report_in, json.dumps(report).encode() + b"\n")
        while True:
            client, _ = server.accept()
            client.sendall(behaviour.encode())
            client.close()


main()

"""Stands in for the server in test_supervisor; the project's file `behaviour` says how it acts."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading

from lgserve.channel import Channel, unpacked
from lgserve.children import Order
from lgserve.supervisor import CANNOT_SERVE


def main() -> None:
    listener, descriptor, _ = map(int, sys.argv[-3:])
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    channel = Channel(socket.socket(fileno=descriptor))
    message = channel.receive()
    assert message is not None
    order = unpacked(message.fields["order"])
    assert isinstance(order, Order)
    settings = order.settings
    behaviour = (settings.project.root / "behaviour").read_text()
    if behaviour == "cannot serve":
        sys.exit(CANNOT_SERVE)
    if behaviour == "crash":
        sys.exit(9)
    if behaviour == "broken":
        channel.send("failed", message="agent: SyntaxError", details={"graphs": {}})
        sys.exit(CANNOT_SERVE)
    if behaviour == "hangs":
        (settings.project.root / "hung").touch()
        signal.pause()
    if behaviour == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with socket.socket(fileno=listener) as server:
        channel.send(
            "ready", pid=os.getpid(), behaviour=behaviour, fresh=settings.fresh,
            takeover=order.takeover, owner=str(os.getpid()), modules=[],
        )  # fmt: skip
        threading.Thread(target=listen, args=(channel, behaviour), daemon=True).start()
        while True:
            client, _ = server.accept()
            client.sendall(behaviour.encode())
            client.close()


def listen(channel: Channel, behaviour: str) -> None:
    """Leave when another one serves, or with the parent."""
    while (message := channel.receive()) is not None:
        if message.kind == "retire" and behaviour != "deaf":
            channel.send("retired")
            channel.send("leaving")
            os._exit(0)
    os._exit(1)


main()

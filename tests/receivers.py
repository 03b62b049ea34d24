"""Receivers of webhooks for tests: real servers on loopback that note what comes."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_SECONDS = 20.0


@dataclass(frozen=True)
class Received:
    """A request, as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


@dataclass
class Receiver:
    """What came, and what is answered to it."""

    url: str = ""
    #: The status of each answer, by its place; the last one goes on.
    statuses: list[int] = field(default_factory=lambda: [200])
    #: Headers of every answer.
    answer_headers: dict[str, str] = field(default_factory=dict)
    #: What every answer says.
    body: bytes = b"ok"
    #: Called before an answer is given.
    before: Callable[[], object] = lambda: None
    received: list[Received] = field(default_factory=list)
    lock: threading.Condition = field(default_factory=threading.Condition)

    def wait_for(self, count: int, seconds: float = _SECONDS) -> list[Received]:
        """Return what has come once it is so many."""
        with self.lock:
            assert self.lock.wait_for(lambda: len(self.received) >= count, seconds), (
                f"{len(self.received)} of {count} came within {seconds} s"
            )
            return list(self.received)

    def take(self, item: Received) -> int:
        with self.lock:
            self.received.append(item)
            number = len(self.received)
            self.lock.notify_all()
        return self.statuses[min(number, len(self.statuses)) - 1]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        del request, client_address  # who calls may go, which is what some tests are about


@contextmanager
def receiver(host: str = "127.0.0.1", port: int = 0) -> Iterator[Receiver]:
    """Run a receiver."""
    held = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status = held.take(Received(self.path, headers, body))
            held.before()
            self.send_response(status)
            for name, value in held.answer_headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(held.body)))
            self.end_headers()
            self.wfile.write(held.body)

        def log_message(self, *_: Any) -> None:
            pass

    server = _Server((host, port), Handler)
    held.url = f"http://{host}:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield held
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def eventually(check: Callable[[], Any], seconds: float = _SECONDS) -> Any:
    """Return what a check gives once that is true."""
    deadline = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.01)
    return found

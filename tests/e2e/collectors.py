"""A collector of traces for tests: OTLP over HTTP on the loopback, in a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

_SECONDS = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A span as it arrived."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    kind: int
    failed: bool
    status: str
    attributes: Mapping[str, Any]
    events: Mapping[str, Mapping[str, Any]]
    resource: Mapping[str, Any]


@dataclass(slots=True)
class Collector:
    """What was sent to it; answers as `answer` says."""

    url: str = ""
    status: int = 200
    spans: list[Received] = field(default_factory=list)
    requests: int = 0
    #: Not set: nobody is answered.
    answering: threading.Event = field(default_factory=threading.Event)

    @property
    def environment(self) -> dict[str, str]:
        """What makes a server send here."""
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": self.url, "OTEL_BSP_SCHEDULE_DELAY": "100"}

    def wait_for(self, *names: str) -> dict[str, Received]:
        """Wait until there are spans of these names, and return the newest of each name."""
        self.wait_until(lambda: set(names) <= {span.name for span in self.spans}, names)
        return {span.name: span for span in self.spans}

    def wait_until(self, done: Callable[[], bool], what: object) -> None:
        """Wait for something to have arrived."""
        deadline = time.monotonic() + _SECONDS
        while not done():
            if time.monotonic() > deadline:
                there = [span.name for span in self.spans]
                raise AssertionError(f"{what} did not arrive, but {there}")
            time.sleep(0.02)

    def take(self, body: bytes) -> None:
        """Read an export."""
        request = ExportTraceServiceRequest.FromString(body)
        for group in request.resource_spans:
            resource = _attributes(group.resource.attributes)
            for scope in group.scope_spans:
                self.spans += [_received(span, resource) for span in scope.spans]


def _received(span: Any, resource: Mapping[str, Any]) -> Received:
    return Received(
        name=span.name,
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        kind=span.kind,
        failed=span.status.code == 2,
        status=span.status.message,
        attributes=_attributes(span.attributes),
        events={event.name: _attributes(event.attributes) for event in span.events},
        resource=resource,
    )


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(item) for item in value.array_value.values]
    return getattr(value, kind)


@contextmanager
def collecting() -> Iterator[Collector]:
    """Receive traces."""
    collector = Collector()
    collector.answering.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            collector.requests += 1
            collector.answering.wait(60)
            assert self.path == "/v1/traces"
            if collector.status == 200:
                collector.take(body)
            self.send_response(collector.status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    collector.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield collector
    finally:
        collector.answering.set()
        server.shutdown()
        thread.join(10)
        server.server_close()

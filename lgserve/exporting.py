"""How spans leave: in batches, by a thread of their own, whatever becomes of them there.

Needs the extra `otel`. A collector that is down, slow or wrong costs runs nothing, and the log two
lines: one when spans begin to be lost, one when they arrive again.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from typing import Any
from urllib.parse import urlsplit

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from lgserve.core.errors import ConfigurationError

#: How long a server that stops waits for its last spans to arrive.
_FLUSH_SECONDS = 2.0
#: The same, if none has arrived lately.
_GIVE_UP_SECONDS = 0.2
#: What says, every few seconds, that the queue of spans is full.
_QUEUE_LOGGER = "opentelemetry.sdk._shared_internal"
_HTTP = "http/protobuf"

_log = logging.getLogger("lgserve")


class SpanSink:
    """A provider of tracers, and whether what they record arrives."""

    def __init__(self, environment: Mapping[str, str], service: str) -> None:
        self._exporters = [_Careful(name, environment) for name in exporter_names(environment)]
        own = Resource.create()
        if str(own.attributes.get(SERVICE_NAME, "")).startswith("unknown_service"):
            own = own.merge(Resource({SERVICE_NAME: service}))
        self.provider = TracerProvider(resource=own, shutdown_on_exit=False)
        for exporter in self._exporters:
            self.provider.add_span_processor(BatchSpanProcessor(exporter))

    @property
    def working(self) -> bool:
        """Whether the last spans arrived, as far as any have been sent."""
        return all(exporter.working for exporter in self._exporters)

    @property
    def places(self) -> str:
        """Where spans go, for the log."""
        return ", ".join(exporter.place for exporter in self._exporters)

    def close(self) -> None:
        """Send what is left, for a short time at most."""
        ending = threading.Thread(
            target=self.provider.shutdown, name="lgserve-traces-end", daemon=True
        )
        ending.start()
        ending.join(_FLUSH_SECONDS if self.working else _GIVE_UP_SECONDS)
        if ending.is_alive() and self.working:
            _log.warning("%s did not take the last spans in time", self.places)


def share(provider: TracerProvider) -> None:
    """Let the tracers of user code and of libraries record here, unless they go elsewhere."""
    if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        trace.set_tracer_provider(provider)


def foreign_provider() -> TracerProvider | None:
    """Return what whoever started this process set up: `opentelemetry-instrument`, say."""
    found = trace.get_tracer_provider()
    return found if isinstance(found, TracerProvider) else None


def exporter_names(environment: Mapping[str, str]) -> list[str]:
    """Return what `OTEL_TRACES_EXPORTER` names; without it, OTLP."""
    named = environment.get("OTEL_TRACES_EXPORTER", "") or "otlp"
    return list(dict.fromkeys(name.strip() for name in named.split(",") if name.strip()))


def _make(name: str, environment: Mapping[str, str]) -> Any:
    if name == "otlp":
        protocol = (
            environment.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")
            or environment.get("OTEL_EXPORTER_OTLP_PROTOCOL")
            or _HTTP
        )
        if protocol == _HTTP:
            return OTLPSpanExporter()
        name = f"otlp_proto_{protocol.replace('/', '_')}"
    for entry in entry_points(group="opentelemetry_traces_exporter", name=name):
        return entry.load()()
    hint = " (or use OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf)" if "otlp" in name else ""
    raise ConfigurationError(f'no package with the exporter "{name}" is installed{hint}')


class _Careful(SpanExporter):
    """An exporter that never raises, and says once what is wrong."""

    def __init__(self, name: str, environment: Mapping[str, str]) -> None:
        self._inner = _make(name, environment)
        self.place = _place(name, self._inner)
        self.working = True
        self._lost = 0
        self._heard = _Listener(type(self._inner).__module__)
        logging.getLogger(_QUEUE_LOGGER).addFilter(self._tolerates)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send spans, or lose them."""
        with self._heard as said:
            try:
                result = self._inner.export(spans)
            except Exception as exc:  # noqa: BLE001 - whatever an exporter raises, spans are lost
                said.append(repr(exc))
                result = SpanExportResult.FAILURE
        if result is SpanExportResult.SUCCESS:
            self._arrived()
        else:
            self._failed(len(spans), said)
        return SpanExportResult.SUCCESS if result is SpanExportResult.SUCCESS else result

    def shutdown(self) -> None:
        """Give up what is being sent."""
        with self._heard:
            self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Do nothing: nothing is held here."""
        del timeout_millis
        return True

    def _arrived(self) -> None:
        if not self.working:
            _log.info("traces arrive at %s again; %d spans were lost", self.place, self._lost)
        self.working, self._lost = True, 0

    def _failed(self, count: int, said: Sequence[str]) -> None:
        self._lost += count
        if self.working:
            reason = said[0] if said else "no reason is known"
            _log.warning("traces are lost: %s takes none (%s)", self.place, reason)
        self.working = False

    def _tolerates(self, record: logging.LogRecord) -> bool:
        """Tell whether it is news that spans are lost."""
        return self.working or "Queue full" not in record.msg


class _Listener:
    """Hears what an exporter logs while it sends, so that its log stays silent."""

    def __init__(self, logger: str) -> None:
        self._here = threading.local()
        logging.getLogger(logger).addFilter(self._take)

    def __enter__(self) -> list[str]:
        self._here.said = []
        said: list[str] = self._here.said
        return said

    def __exit__(self, *_: object) -> None:
        self._here.said = None

    def _take(self, record: logging.LogRecord) -> bool:
        said = getattr(self._here, "said", None)
        if said is None:
            return True
        said.append(record.getMessage().strip())
        return False


def _place(name: str, exporter: Any) -> str:
    """Name where an exporter sends to, without a password."""
    endpoint = getattr(exporter, "_endpoint", None)
    if not isinstance(endpoint, str):
        return f"the exporter {name}"
    parts = urlsplit(endpoint)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()

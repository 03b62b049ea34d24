"""Tracing's part of the composition root: on if OpenTelemetry's own variables ask for it.

Nothing of OpenTelemetry is imported before. What is wrong with it is said, and never ends a server
or a run.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lgserve import __version__
from lgserve.engine.executor import unwatched

if TYPE_CHECKING:
    from aiohttp.typedefs import Middleware

    from lgserve.core.models import Run
    from lgserve.engine.executor import RunWatch

#: Each of them asks for traces.
_ASKING = (
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_TRACES_EXPORTER",
)  # fmt: skip
_CONTENTS = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
_WITH_CONTENTS = ("true", "1", "span_only", "span_and_event")
_SERVICE = "lgserve"

_log = logging.getLogger("lgserve")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracing:
    """What tracing adds to the parts of a server: nothing, if it is off."""

    middlewares: Sequence[Middleware] = ()
    watch: Callable[[Run, Mapping[str, Any]], AbstractContextManager[RunWatch]] = unwatched
    #: The headers that put a call of user code into the trace it is made in.
    headers: Callable[[], Mapping[str, str]] = dict
    #: Whether it is on and spans arrive, as far as is known.
    working: Callable[[], bool] = bool
    share: Callable[[], object] = bool
    end: Callable[[], object] = bool

    def loaded(self) -> None:
        """Hear that the project's modules are imported: those who wanted to set up tracing have."""
        self.share()

    async def close(self) -> None:
        """Send the last spans, for a short time at most."""
        await asyncio.to_thread(self.end)


def asked_by(environment: Mapping[str, str]) -> str | None:
    """Return the variable that asks for traces; None if there shall be none."""
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return None
    if environment.get("OTEL_TRACES_EXPORTER", "").strip().lower() == "none":
        return None
    return next((name for name in _ASKING if environment.get(name, "").strip()), None)


def open_tracing(environment: Mapping[str, str], prefix: str, *, mask_errors: bool) -> Tracing:
    """Return what traces, if the environment asks for it and it can be had."""
    name = asked_by(environment)
    if name is None:
        return Tracing()
    try:
        return _open(environment, prefix, mask_errors=mask_errors)
    except ImportError as exc:
        fix = 'pip install "lgserve[otel]"'
        _log.warning(
            "%s is set, but OpenTelemetry is not installed: %s (%s); nothing is traced",
            name, fix, exc,
        )  # fmt: skip
    except Exception as exc:  # noqa: BLE001 - a server is worth more than its traces
        _log.warning("%s is set, but nothing can be traced: %s", name, exc)
    return Tracing()


def _open(environment: Mapping[str, str], prefix: str, *, mask_errors: bool) -> Tracing:
    from opentelemetry.propagate import inject

    from lgserve.api.tracing import traced
    from lgserve.engine.tracing import RunTracer
    from lgserve.exporting import SpanSink, foreign_provider, share

    sink: SpanSink | None = None
    provider = foreign_provider()
    if provider is None:
        sink = SpanSink(environment, _SERVICE)
        provider = sink.provider
        _log.info("traces go to %s", sink.places)
    tracer = provider.get_tracer("lgserve", __version__)
    contents = environment.get(_CONTENTS, "").strip().lower() in _WITH_CONTENTS
    runs = RunTracer(tracer=tracer, mask_errors=mask_errors, contents=contents)
    own = provider

    def headers() -> dict[str, str]:
        found: dict[str, str] = {}
        inject(found)
        return found

    return Tracing(
        middlewares=(traced(tracer, prefix),),
        watch=runs.watch,
        headers=headers,
        working=lambda: sink is None or sink.working,
        share=lambda: share(own),
        end=lambda: None if sink is None else sink.close(),
    )

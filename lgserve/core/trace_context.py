"""Where the work that goes on now stands in a distributed trace, as W3C Trace Context writes it.

A request that is traced sets it; a run that the request creates keeps it with its kwargs, so that
the run goes on with the trace whenever, and in whichever process, it is executed.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar

#: `traceparent`, and `tracestate` if there is one; None where nothing is traced.
CURRENT: ContextVar[Mapping[str, str] | None] = ContextVar("lgserve_trace", default=None)

#: A member of a run's kwargs: the place in a trace that the run belongs to.
KEPT = "trace_context"


def current() -> Mapping[str, str] | None:
    """Return the place in a trace of what goes on now."""
    return CURRENT.get()

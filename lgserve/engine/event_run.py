"""A graph's v3 events, whether or not it was compiled for them; and a clean stop half-way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from langchain_core._api import suppress_langchain_beta_warning
from langgraph.stream import ProtocolEvent, StreamChannel, StreamTransformer

from lgserve.engine.event_protocol import TASKS

#: What a run of protocol v2 streams itself: its API has no stream modes.
_OWNED = ("stream_mode", "subgraphs")


class _Tap(StreamTransformer):
    """Makes any graph tell everything, tasks included, which LangGraph folds into lifecycles."""

    required_stream_modes: ClassVar[tuple[str, ...]] = (
        "values", "updates", "messages", "custom", "tasks", "checkpoints", "tools",
    )  # fmt: skip

    def __init__(self, scope: tuple[str, ...] = ()) -> None:
        super().__init__(scope)
        self._tasks: StreamChannel[Any] | None = None if scope else StreamChannel(TASKS)

    def init(self) -> dict[str, Any]:
        return {} if self._tasks is None else {TASKS: self._tasks}

    def process(self, event: ProtocolEvent) -> bool:
        if self._tasks is not None and event["method"] == "tasks":
            self._tasks.push(event["params"])
        return True


async def stream_events(
    graph: Any,
    given: Any,
    config: dict[str, Any],
    options: Mapping[str, Any],
    take: Callable[[Mapping[str, Any]], None],
) -> None:
    """Run a graph and pass on each of its events; returns, or raises, once it has stopped.

    Cancelling stops the graph first, nodes and subgraphs included.
    """
    rest = {name: value for name, value in options.items() if name not in _OWNED}
    with suppress_langchain_beta_warning():
        run = await graph.astream_events(given, config, version="v3", transformers=[_Tap], **rest)

    async def read() -> None:
        async for event in run:
            take(event)

    reading = asyncio.ensure_future(read())
    try:
        await asyncio.shield(reading)
    finally:
        if not reading.done():
            await run.abort()
            await asyncio.wait((reading,))
        elif not reading.cancelled() and reading.exception() is not None:
            await run.abort()

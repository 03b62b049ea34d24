"""What is counted of runs: a few calls a run, none an event."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage

from lgserve import jsonio, metrics
from lgserve.core.models import Json

#: Classes of errors that are told apart; user code can make classes without end.
_MOST_TYPES = 100
_OTHER = "other"
_types: set[str] = set()


def count_start(graph_id: str, queue_seconds: float) -> None:
    """Count a run that begins to execute."""
    metrics.AGENT_INVOCATIONS.labels(graph_id).inc()
    metrics.RUN_QUEUE_WAIT_SECONDS.observe(queue_seconds)


def count_end(graph_id: str, seconds: float, error: Json | None) -> None:
    """Count a run that has ended, and its error if it had one."""
    metrics.RUN_DURATION_SECONDS.labels(graph_id).observe(seconds)
    if error is not None:
        metrics.AGENT_ERRORS.labels(graph_id, _type(error)).inc()


def _type(error: Json) -> str:
    name = str(jsonio.loads(error).get("error"))
    if name not in _types:
        if len(_types) >= _MOST_TYPES:
            return _OTHER
        _types.add(name)
    return name


class TokenUsage:
    """Counts the tokens of the messages that one run adds to its state, each message once.

    Read from the chunks LangGraph makes for every run anyway: what each node added (`updates`),
    against what was there before (the first `values`). A message that streams is counted when its
    node ends, whole. Models whose answer never reaches the state are not seen; a callback would
    see them, but at a price for every token of every run.
    """

    def __init__(self, graph_id: str) -> None:
        self._graph_id = graph_id
        self._before: Any = None
        #: Messages that are counted or were there before, by id; kept alive, for some have none.
        self._known: dict[str | int, AIMessage] | None = None

    def notice(self, namespace: Sequence[str], mode: str, chunk: Any) -> None:
        """Look at a chunk of the modes `values` and `updates`."""
        if mode == "values":
            if self._before is None and not namespace:
                self._before = chunk
        elif mode == "updates" and isinstance(chunk, Mapping) and not _is_repeated(chunk):
            for update in chunk.values():
                self._count(update)

    def _count(self, update: Any) -> None:
        for message in _messages(update):
            usage = message.usage_metadata
            if usage and self._is_new(message):
                for kind in ("input", "output"):
                    tokens = usage.get(f"{kind}_tokens")
                    if isinstance(tokens, int) and tokens > 0:
                        metrics.AGENT_TOKENS.labels(self._graph_id, kind).inc(tokens)

    def _is_new(self, message: AIMessage) -> bool:
        if self._known is None:
            self._known = {_key(old): old for old in _messages(self._before)}
            self._before = ()
        key = _key(message)
        if key in self._known:
            return False
        self._known[key] = message
        return True


def _is_repeated(chunk: Mapping[str, Any]) -> bool:
    """Tell whether LangGraph shows again what a task did in an earlier run."""
    metadata = chunk.get("__metadata__")
    return isinstance(metadata, Mapping) and bool(metadata.get("cached"))


def _key(message: AIMessage) -> str | int:
    return message.id or id(message)


def _messages(update: Any) -> Iterator[AIMessage]:
    """Yield a model's messages in a state, an update, or several updates of one node."""
    for part in update if isinstance(update, list | tuple) else (update,):
        if isinstance(part, AIMessage):
            yield part
        elif isinstance(part, Mapping):
            for value in part.values():
                if isinstance(value, AIMessage):
                    yield value
                elif isinstance(value, list | tuple):
                    yield from (item for item in value if isinstance(item, AIMessage))

"""What clients are told of an exception in user code, and the log of where it was raised."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from types import FrameType
from typing import Any

from langgraph.errors import EmptyInputError, GraphBubbleUp, InvalidUpdateError, TaskNotFound

from lgserve.core.errors import LgserveError

#: Messages of other classes may hold secrets and are masked, as the reference does.
_SHOWN = (
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    RuntimeError,
    RecursionError,
    TimeoutError,
    InvalidUpdateError,
    GraphBubbleUp,
    EmptyInputError,
    TaskNotFound,
    LgserveError,
)
_MASK = "An internal error occurred"
#: LangGraph's functions that execute a node; `task` is what they execute.
_EXECUTING = ("run_with_retry", "arun_with_retry")
_MOST_KEYS = 20
_LONGEST_KEY = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedTask:
    """The node that raised an exception."""

    #: Its name; the nodes around it, outermost first, if it is one of a subgraph.
    path: tuple[str, ...]
    #: The names of what it was given; None if that has none.
    input_keys: tuple[str, ...] | None

    @property
    def node(self) -> str:
        """The node as people read it: `outer > inner`."""
        return " > ".join(self.path)


def error_object(exc: BaseException, *, mask: bool) -> dict[str, str]:
    """Return `{"error": class, "message": text}`; `mask` hides the text of unlisted classes."""
    shown = not mask or isinstance(exc, _SHOWN) or _is_http_error(exc)
    return {"error": type(exc).__name__, "message": str(exc) if shown else _MASK}


def _is_http_error(exc: BaseException) -> bool:
    """Tell whether it is an `HTTPException`: each framework has its own, none is imported here."""
    return any(kind.__name__ == "HTTPException" for kind in type(exc).__mro__)


def failed_task(exc: BaseException) -> FailedTask | None:
    """Find the node that raised an exception; None if it was not raised in a node."""
    tasks = list(_tasks(exc))
    if not tasks:
        return None
    return FailedTask(
        path=tuple(str(task.name) for task in tasks), input_keys=_keys(tasks[-1].input)
    )


def _tasks(exc: BaseException) -> Iterator[Any]:
    """Yield the tasks on the way to an exception, outermost first, each once."""
    seen: set[str] = set()
    for frame, _ in traceback.walk_tb(exc.__traceback__):
        task = _task_of(frame)
        if task is not None and task.id not in seen:
            seen.add(task.id)
            yield task


def _task_of(frame: FrameType) -> Any:
    code = frame.f_code
    if code.co_name not in _EXECUTING or "langgraph" not in code.co_filename:
        return None
    return frame.f_locals.get("task")


def _keys(given: Any) -> tuple[str, ...] | None:
    """Name what a node was given, not what it holds: that may be long, or a secret."""
    if isinstance(given, Mapping):
        names = [str(name) for name in given]
    elif is_dataclass(given):
        names = [item.name for item in fields(given)]
    elif isinstance(known := getattr(type(given), "model_fields", None), Mapping):
        names = list(known)
    else:
        return None
    shown = tuple(name[:_LONGEST_KEY] for name in names[:_MOST_KEYS])
    return (*shown, "…") if len(names) > _MOST_KEYS else shown

"""What clients are told of an exception in user code."""

from __future__ import annotations

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


def error_object(exc: BaseException, *, mask: bool) -> dict[str, str]:
    """Return `{"error": class, "message": text}`; `mask` hides the text of unlisted classes."""
    shown = not mask or isinstance(exc, _SHOWN) or _is_http_error(exc)
    return {"error": type(exc).__name__, "message": str(exc) if shown else _MASK}


def _is_http_error(exc: BaseException) -> bool:
    """Tell whether it is an `HTTPException`: each framework has its own, none is imported here."""
    return any(kind.__name__ == "HTTPException" for kind in type(exc).__mro__)

"""Reading a list page by page: no server gives all of it at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")


def how_many(shown: int, total: int, offset: int, again: str) -> str:
    """Say how many of all are shown, and how to see the next ones: `again`, from an offset."""
    more = f" · next: {again}--offset {offset + shown}" if shown and offset + shown < total else ""
    return f"{shown} of {total}{more}"


def paged(
    read: Callable[[int, int], Sequence[T]], *, size: int, offset: int = 0, limit: int | None = None
) -> Iterator[T]:
    """Yield what `read(limit, offset)` returns, page after page, up to a page that is not full."""
    left = limit
    while left is None or left > 0:
        asked = size if left is None else min(left, size)
        page = read(asked, offset)
        yield from page
        if len(page) < asked:
            return
        offset += asked
        left = None if left is None else left - asked

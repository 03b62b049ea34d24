"""Lists of checkpoints, a page at a time."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import CheckpointTuple, get_checkpoint_id
from langgraph.checkpoint.serde.base import SerializerProtocol

from lgserve.storage.checkpoint_reader import CheckpointQuery, CheckpointReader, Page

#: Checkpoints read at a time when many are listed.
_PAGE = 100


class CheckpointPages:
    """Where a listing stands; read page after page until it is `ended`."""

    def __init__(
        self, serde: SerializerProtocol, query: CheckpointQuery, limit: int | None
    ) -> None:
        self._reader = CheckpointReader(serde)
        self._query = query
        self._left = limit
        self._after: tuple[str, str, str] | None = None
        self.ended = limit is not None and limit <= 0

    def next(self, connection: sqlite3.Connection) -> Sequence[CheckpointTuple]:
        """Read the next page."""
        size = _PAGE if self._left is None else min(_PAGE, self._left)
        page: Page = self._reader.page(connection, self._query, self._after, size)
        if self._left is not None:
            self._left -= len(page.tuples)
        self._after = page.after
        self.ended = page.after is None or self._left == 0
        return page.tuples


def query_of(
    config: RunnableConfig | None,
    metadata: dict[str, Any] | None,
    before: RunnableConfig | None,
) -> CheckpointQuery:
    """Return what a saver is asked to list."""
    before_id = get_checkpoint_id(before) if before else None
    if config is None:
        return CheckpointQuery(before_id=before_id, metadata=metadata)
    return CheckpointQuery(
        thread_id=str(config["configurable"]["thread_id"]),
        checkpoint_ns=config["configurable"].get("checkpoint_ns"),
        checkpoint_id=get_checkpoint_id(config) or None,
        before_id=before_id,
        metadata=metadata,
    )

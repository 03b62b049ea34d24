"""What each operation of the API is: its name, what it takes and what it answers.

`lgserve.api.openapi` makes the document of it. Names are those that the field's clients and
generators know. A route without an entry fails `tests/api/test_openapi.py`.
"""

from __future__ import annotations

from collections.abc import Mapping

from lgserve.api.operations import assistants, runs, store, streaming, system, threads
from lgserve.api.operations.table import Answer, Operation, Route

__all__ = ["OPERATIONS", "TAGS", "Answer", "Operation", "Route"]

#: All operations this server can have, in the order in which the document shows them.
OPERATIONS: Mapping[Route, Operation] = {
    **assistants.OPERATIONS,
    **threads.OPERATIONS,
    **runs.OPERATIONS,
    **streaming.OPERATIONS,
    **store.OPERATIONS,
    **system.OPERATIONS,
}

#: What the document says of each tag.
TAGS: Mapping[str, str] = {
    "Assistants": "An assistant is a graph with a configuration of its own, in versions.",
    "Threads": "A thread keeps the state that its runs share, with its whole history.",
    "Thread Runs": "Runs of an assistant on a thread.",
    "Stateless Runs": "Runs without a thread of the client's.",
    "Streaming": "Protocol v2: commands to a thread, and the events of it.",
    "Store": "Items that threads share, by namespace and key.",
    "System": "The server itself.",
}

"""What each operation of the API is: its name, what it takes and what it answers.

`lgserve.api.openapi` makes the document of it. Names are those that the field's clients and
generators know. A route without an entry fails `tests/api/test_openapi.py`.
"""

from __future__ import annotations

from collections.abc import Mapping

from lgserve.api.operations import (
    a2a,
    assistants,
    crons,
    mcp,
    runs,
    store,
    streaming,
    system,
    threads,
    webhooks,
)
from lgserve.api.operations.table import Answer, Operation, Route

__all__ = ["OPERATIONS", "TAGS", "Answer", "Operation", "Route"]

#: All operations this server can have, in the order in which the document shows them.
OPERATIONS: Mapping[Route, Operation] = {
    **assistants.OPERATIONS,
    **threads.OPERATIONS,
    **runs.OPERATIONS,
    **crons.OPERATIONS,
    **streaming.OPERATIONS,
    **store.OPERATIONS,
    **webhooks.OPERATIONS,
    **mcp.OPERATIONS,
    **a2a.OPERATIONS,
    **system.OPERATIONS,
}

#: What the document says of each tag.
TAGS: Mapping[str, str] = {
    "Assistants": "An assistant is a graph with a configuration of its own, in versions.",
    "Threads": "A thread keeps the state that its runs share, with its whole history.",
    "Thread Runs": "Runs of an assistant on a thread.",
    "Stateless Runs": "Runs without a thread of the client's.",
    "Crons": "Runs that recur by a schedule.",
    "Streaming": "Protocol v2: commands to a thread, and the events of it.",
    "Store": "Items that threads share, by namespace and key.",
    "Webhooks": "What runs told the addresses that were named to them, and whether it arrived.",
    "MCP": "The assistants as tools of the Model Context Protocol.",
    "A2A": "The assistants as agents of the Agent2Agent protocol.",
    "System": "The server itself.",
}

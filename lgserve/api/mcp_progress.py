"""Progress of calls of tools, told from the events of their runs. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lgserve import jsonio
from lgserve.api.mcp_tools import Object

#: The events of a run that tell of its progress.
MODES = ("updates", "custom")


def data_of(frame: bytes) -> Any:
    """Return the value that a frame of a run's log has."""
    return jsonio.loads(frame.partition(b"\r\ndata: ")[2].removesuffix(b"\r\n"))


@dataclass(slots=True)
class Progress:
    """Tells of a run's steps, or of what its graph says itself: `{"progress": 3, "total": 9}`.

    Numbers only grow. Once a graph has told of its progress, its steps are not counted any more.
    """

    token: str | int
    _last: float | None = None
    _told_by_graph: bool = False

    def notices(self, events: Sequence[tuple[str, Any]]) -> list[Object]:
        """Return the notifications for events: their names and values."""
        found = [self._notice(name, data) for name, data in events]
        return [notice for notice in found if notice is not None]

    def _notice(self, name: str, data: Any) -> Object | None:
        if name == "custom" and isinstance(data, dict) and _is_number(data.get("progress")):
            return self._own(data)
        if self._told_by_graph or name not in MODES:
            return None
        nodes = [each for each in data if each != "__interrupt__"] if name == "updates" else []
        if name == "updates" and not nodes:
            return None
        message = ", ".join(nodes) or (data if isinstance(data, str) else None)
        self._last = (self._last or 0) + 1
        return self._told({"progress": self._last}, message or jsonio.dumps(data).decode())

    def _own(self, data: Mapping[str, Any]) -> Object | None:
        value = data["progress"]
        self._told_by_graph = True
        if self._last is not None and value <= self._last:
            return None
        self._last = value
        total = {"total": data["total"]} if _is_number(data.get("total")) else {}
        message = data.get("message")
        return self._told(
            {"progress": value, **total}, message if isinstance(message, str) else None
        )

    def _told(self, members: Object, message: str | None) -> Object:
        told = {"progressToken": self.token, **members}
        if message is not None:
            told["message"] = message
        return {"jsonrpc": "2.0", "method": "notifications/progress", "params": told}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)

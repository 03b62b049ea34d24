"""How the events of a run are written: text as a model writes it, lines, or JSON."""

from __future__ import annotations

import json
from typing import Any

from lgserve.cli.errors import say
from lgserve.cli.events import Event
from lgserve.cli.output import Output, write

_MODEL_TYPES = ("ai", "AIMessageChunk", "AIMessage")


class EventWriter:
    """Writes events one by one; `finish` writes what must be written as a whole."""

    def __init__(self, out: Output) -> None:
        self._out = out
        self._all: list[dict[str, Any]] = []
        self._texts: dict[str, str] = {}
        self._message_id = ""
        self._open_line = False
        self.error: str | None = None

    def show(self, event: Event) -> None:
        """Write an event, or keep it for the end."""
        if event.event == "error":
            self.error = error_text(event.data)
        if self._out.format == "jsonl":
            write(json.dumps(event.to_json(), ensure_ascii=False, separators=(",", ":")) + "\n")
        elif self._out.format != "table":
            self._all.append(event.to_json())
        elif event.event.startswith("messages"):
            self._show_text(event)
        elif event.event not in ("metadata", "error"):
            self._end_line()
            write(f"{event.event}\t{printable(json.dumps(event.data, ensure_ascii=False))}\n")

    def finish(self) -> None:
        """Write the rest."""
        self._end_line()
        if self._out.format in ("json", "yaml"):
            self._out.value(self._all)

    def _show_text(self, event: Event) -> None:
        """Write what is new of a message; `messages/partial` repeats what was there before."""
        whole = event.event.startswith(("messages/partial", "messages/complete"))
        if event.event.startswith("messages/metadata") or not isinstance(event.data, list):
            return
        for message in event.data if whole else event.data[:1]:
            if not isinstance(message, dict) or message.get("type") not in _MODEL_TYPES:
                continue
            message_id, text = str(message.get("id")), text_of(message.get("content"))
            before = self._texts.get(message_id, "")
            fresh = text.removeprefix(before) if whole else text
            if fresh and message_id != self._message_id:
                self._end_line()
                self._message_id = message_id
            self._texts[message_id] = text if whole else before + text
            write(printable(fresh))
            self._open_line = self._open_line or bool(fresh)

    def _end_line(self) -> None:
        if self._open_line:
            write("\n")
        self._open_line = False


def text_of(content: Any) -> str:
    """Return the text of a message's content, which may be a list of blocks."""
    if isinstance(content, str):
        return content
    blocks = content if isinstance(content, list) else []
    return "".join(
        block if isinstance(block, str) else str(block.get("text") or "")
        for block in blocks
        if isinstance(block, str | dict)
    )


def error_text(error: Any) -> str:
    """Write the error of a run."""
    if isinstance(error, dict) and "error" in error:
        return f"{error['error']}: {error.get('message', '')}"
    return error if isinstance(error, str) else json.dumps(error, ensure_ascii=False)


def tell_of_interrupts(out: Output, interrupts: Any, answer: str) -> None:
    """Say what a run waits for, and how to answer."""
    if out.quiet or not isinstance(interrupts, list):
        return
    for item in interrupts:
        value = item.get("value") if isinstance(item, dict) else item
        say(f"waits for: {printable(json.dumps(value, ensure_ascii=False))}")
    if interrupts:
        say(f"answer: {answer}")


def printable(text: str) -> str:
    """Keep escape sequences out of the terminal; lines and tabs may stay."""
    return "".join(
        char if char.isprintable() or char in "\n\t" else "\N{REPLACEMENT CHARACTER}"
        for char in text
    )

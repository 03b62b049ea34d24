"""What `lgserve chat` shows of one run: the words as they come, tools dimmed, what it waits for."""

from __future__ import annotations

import json
from typing import Any

from lgserve.cli.errors import say
from lgserve.cli.events import Event
from lgserve.cli.output import Output, write
from lgserve.cli.showing_events import error_text, printable, text_of

_MODEL_TYPES = ("ai", "AIMessageChunk", "AIMessage")
_TOOL_TYPES = ("tool", "ToolMessageChunk", "ToolMessage")
_SHOWN = 300


class Turn:
    """Takes the events of a run; with `silent` nothing is shown, and all is kept."""

    def __init__(self, out: Output, *, silent: bool) -> None:
        self._out = out
        self._silent = silent
        self._message = ""
        self._calls: dict[tuple[str, int], dict[str, str]] = {}
        self._open_line = False
        self.answer = ""
        self.tools: list[dict[str, Any]] = []
        self.interrupts: list[Any] = []
        self.error: str | None = None
        self.run_id: str | None = None

    def take(self, event: Event) -> None:
        """Show an event."""
        name, data = event.event.partition("|")[0], event.data
        if name == "metadata" and isinstance(data, dict):
            self.run_id = data.get("run_id") or self.run_id
        elif name == "error":
            self.error = error_text(data)
        elif name == "messages" and isinstance(data, list) and data and isinstance(data[0], dict):
            self._take_message(data[0])
        elif name in ("updates", "values") and isinstance(data, dict):
            self._take_interrupts(data.get("__interrupt__"))

    def finish(self) -> None:
        """Show the rest."""
        self._show_calls()
        self._end_line()

    def _take_interrupts(self, found: Any) -> None:
        known = [_id_of(item) for item in self.interrupts]
        fresh = found if isinstance(found, list) else []
        self.interrupts += [item for item in fresh if _id_of(item) not in known]

    def _take_message(self, message: dict[str, Any]) -> None:
        kind, name = message.get("type"), str(message.get("id"))
        if name != self._message:
            self.finish()
            self._message = name
        if kind in _MODEL_TYPES:
            self._take_words(text_of(message.get("content")))
            self._take_calls(name, message)
        elif kind in _TOOL_TYPES:
            self._aside(f"  ↳ {_cut(text_of(message.get('content')))}")

    def _take_words(self, text: str) -> None:
        if not text:
            return
        if self.answer and not self._open_line:
            self.answer += "\n"
        self.answer += text
        self._open_line = True
        if not self._silent:
            write(printable(text))

    def _take_calls(self, name: str, message: dict[str, Any]) -> None:
        """Gather the pieces of calls; a message that comes whole has the calls whole."""
        pieces = message.get("tool_call_chunks") or ()
        for number, piece in enumerate(pieces):
            call = self._calls.setdefault(
                (name, piece.get("index") or number), {"name": "", "args": ""}
            )
            call["name"] += piece.get("name") or ""
            call["args"] += piece.get("args") or ""
        if not pieces:
            for number, whole in enumerate(message.get("tool_calls") or ()):
                args = json.dumps(whole.get("args"), ensure_ascii=False)
                self._calls.setdefault(
                    (name, number), {"name": whole.get("name", ""), "args": args}
                )

    def _show_calls(self) -> None:
        calls, self._calls = self._calls, {}
        for call in calls.values():
            if call["name"]:
                self.tools.append({"name": call["name"], "args": _loaded(call["args"])})
                self._aside(f"  ⚙ {call['name']}({_cut(call['args'])})")

    def _aside(self, text: str) -> None:
        self._end_line()
        if not self._silent and not self._out.quiet:
            shown = printable(text)
            say(f"\x1b[2m{shown}\x1b[0m" if self._out.color else shown)

    def _end_line(self) -> None:
        if self._open_line and not self._silent:
            write("\n")
        self._open_line = False


def value_of(interrupt: Any) -> Any:
    """Return what an interrupt asks."""
    return interrupt.get("value") if isinstance(interrupt, dict) else interrupt


def question_of(interrupt: Any) -> str:
    """Write what an interrupt asks: its question, if it has one in words."""
    value = value_of(interrupt)
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, dict):
        asked = next(
            (value[k] for k in ("question", "message") if isinstance(value.get(k), str)), ""
        )
        rest = {k: v for k, v in value.items() if v != asked}
        told = json.dumps(rest, ensure_ascii=False) if rest else ""
        return printable(f"{asked}  {told}".strip())
    return printable(json.dumps(value, ensure_ascii=False))


def answer_to(interrupts: list[Any], answers: list[Any]) -> Any:
    """Return what a run is resumed with: one answer, or one for each id."""
    if len(answers) == 1:
        return answers[0]
    return {_id_of(item): answer for item, answer in zip(interrupts, answers, strict=True)}


def _id_of(interrupt: Any) -> Any:
    found = interrupt.get("id") if isinstance(interrupt, dict) else None
    return found if found is not None else json.dumps(interrupt, sort_keys=True)


def _loaded(args: str) -> Any:
    try:
        return json.loads(args) if args else {}
    except ValueError:
        return args


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…"

"""An answer as it grows: of all that a run's models say, the text that is new. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from lgserve.core.a2a_parts import text_of

_CHUNK = "AIMessageChunk"


class Delta(NamedTuple):
    """New text; it stands in the place of all before unless it is to be appended."""

    text: str
    append: bool


class GrowingAnswer:
    """Follows one message at a time: the next one takes the place of the one before."""

    def __init__(self) -> None:
        #: What has been said of the message that is followed.
        self._pieces: list[str] = []
        self._followed: str | None = None
        self._ended = False
        #: What others said meanwhile, and whether they have ended, by the ids of their messages.
        self._others: dict[str, tuple[str, bool]] = {}
        self._passed: set[str] = set()

    @property
    def text(self) -> str:
        """What a client that has put all deltas together has."""
        return "".join(self._pieces)

    def hear(self, message: Mapping[str, Any]) -> list[Delta]:
        """Return what a message, or a piece of one, adds."""
        kind = message.get("type")
        text = text_of(message.get("content"))
        name = str(message.get("id") or "")
        if kind not in (_CHUNK, "ai") or name in self._passed:
            return []
        ended = kind == "ai" or message.get("chunk_position") == "last"
        if name == self._followed:
            self._ended = self._ended or ended
            return [*self._said(text, append=True), *self._go_on()]
        before, _ = self._others.get(name, ("", False))
        self._others[name] = (before + text, ended)
        return self._go_on()

    def _said(self, text: str, *, append: bool) -> list[Delta]:
        if not text:
            return []
        self._pieces.append(text)
        return [Delta(text, append)]

    def _go_on(self) -> list[Delta]:
        """Turn to the next message that has said something, if the one before has ended."""
        found: list[Delta] = []
        while self._followed is None or self._ended:
            name = next((each for each, (text, _) in self._others.items() if text), None)
            if name is None:
                break
            if self._followed is not None:
                self._passed.add(self._followed)
            text, self._ended = self._others.pop(name)
            self._followed, self._pieces = name, []
            found = self._said(text, append=False)
        return found

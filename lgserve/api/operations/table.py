"""The columns of the table of operations, and the answers that several of them have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

Route: TypeAlias = tuple[str, str]

JSON, EVENTS = "application/json", "text/event-stream"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer: the type of its JSON, or text of a media type, or nothing."""

    about: str
    shape: Any = None
    media: tuple[str, ...] = ()
    #: Whether `select` can leave out members.
    selectable: bool = False
    #: Names of `lgserve.api.parameters.HEADERS`.
    headers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of one path."""

    name: str
    summary: str
    tag: str
    answers: Mapping[int, Answer]
    #: The type of the body, if there is one.
    body: Any = None
    body_required: bool = True
    #: Names of `lgserve.api.parameters.PARAMETERS`.
    parameters: tuple[str, ...] = ()
    #: Statuses of errors besides those that every body, every secured route and every start can
    #: give (`lgserve.api.openapi`).
    errors: tuple[int, ...] = ()
    about: str = ""


def json_answer(
    shape: Any, about: str, *headers: str, selectable: bool = False
) -> Mapping[int, Answer]:
    """Return the answers of an operation that gives JSON."""
    answer = Answer(about=about, shape=shape, media=(JSON,), headers=headers, selectable=selectable)
    return {200: answer}


DONE: Mapping[int, Answer] = {204: Answer(about="Done.")}
PAGE_HEADERS = ("X-Pagination-Total", "X-Pagination-Next")
#: Parameters of what creates something, and of what starts a run.
CREATING = ("Idempotency-Key",)
STARTING = ("Idempotency-Key", "X-Request-Id")

"""Interrupts as questions to the user of an MCP client, and the answers. Pure.

An interrupt is a form with one text, unless its value has a `requestedSchema` of its own. A text
that is a JSON object or array is taken as that: so an approval can be answered too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lgserve import jsonio
from lgserve.api.json_schema import first_error
from lgserve.api.mcp_tools import Object, question
from lgserve.core.models import Json

_ANSWER = "answer"
_FORM = {
    "type": "object",
    "properties": {_ANSWER: {"type": "string", "title": "Answer"}},
    "required": [_ANSWER],
}
_OWN_FORM = "requestedSchema"

Interrupt = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What a client sent for the interrupts of a thread."""

    #: What the user did not want to answer.
    declined: str | None = None
    missing: bool = False
    #: A sentence about the first answer that is not of the form that was asked for.
    wrong: str | None = None
    given: Object = field(default_factory=dict)


def waiting(interrupts: Json | None) -> list[Interrupt]:
    """Return the interrupts of a thread, by whatever task."""
    by_task = jsonio.loads(interrupts or b"{}")
    return [each for some in by_task.values() for each in some]


def asking(interrupts: Sequence[Interrupt], state: str) -> Object:
    """Return the result that asks the client's user for what the graph asks."""
    return {
        "resultType": "input_required",
        "inputRequests": {each["id"]: _form(each.get("value")) for each in interrupts},
        "requestState": state,
    }


def _form(value: Any) -> Object:
    params = {"mode": "form", "message": question(value), "requestedSchema": _schema(value)}
    return {"method": "elicitation/create", "params": params}


def _schema(value: Any) -> Object:
    return _own_form(value) or _FORM


def _own_form(value: Any) -> Object | None:
    found = value.get(_OWN_FORM) if isinstance(value, dict) else None
    is_form = isinstance(found, dict) and found.get("type") == "object" and "properties" in found
    return found if is_form else None


def answers(responses: Any, interrupts: Sequence[Interrupt]) -> Answers:
    """Return what a client answered; of what nobody asked nothing is kept."""
    found = responses if isinstance(responses, dict) else {}
    given: Object = {}
    for each in interrupts:
        response = found.get(each["id"])
        action = response.get("action") if isinstance(response, dict) else None
        if action in ("decline", "cancel"):
            return Answers(declined=question(each.get("value")))
        content = response.get("content") if isinstance(response, dict) else None
        if action != "accept" or not isinstance(content, dict):
            return Answers(missing=True)
        wrong = first_error(content, _schema(each.get("value")), "content")
        if wrong is not None:
            return Answers(wrong=f"params.inputResponses['{each['id']}']: {wrong}")
        given[each["id"]] = _answer(content, each.get("value"))
    return Answers(given=given)


def _answer(content: Object, value: Any) -> Any:
    if _own_form(value) is not None:
        return content
    said = content[_ANSWER]
    if isinstance(said, str) and said.strip()[:1] in ("{", "["):
        try:
            return jsonio.loads(said)
        except jsonio.InvalidJsonError:
            return said
    return said

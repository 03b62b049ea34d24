"""`lgserve assistants schemas`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, get_args

import typer

from lgserve.cli.commands.assistants.fields import AssistantId
from lgserve.cli.context import Session, open_session
from lgserve.cli.errors import CliError, ExitCode
from lgserve.cli.lazy import new_app
from lgserve.cli.lookup import find_assistant_id
from lgserve.cli.options import command
from lgserve.cli.output import Column, Noun

Part = Literal["input", "output", "state", "config", "context"]

#: Of more alternatives, only so many are named.
_NAMED = 4

_MEMBERS = Noun(
    id_field="name",
    columns=(
        Column(name="schema", path="schema"),
        Column(name="name", path="name"),
        Column(name="type", path="type"),
        Column(name="required", path="required"),
        Column(name="about", path="about"),
    ),
    fields=("schema", "name", "type", "required", "about"),
)

app = new_app("schemas", "Show what its graph takes and returns.")


@command(app, "schemas", shared=open_session)
def show_schemas(
    session: Session,
    assistant: AssistantId,
    part: Annotated[
        Part | None, typer.Argument(metavar="[PART]", help=f"One of {', '.join(get_args(Part))}.")
    ] = None,
) -> None:
    """Show the members of a graph's schemas; -o json writes the JSON Schemas.

    Example: lgserve assistants schemas agent input -o json
    """
    assistant_id = find_assistant_id(session.client, assistant)
    found = session.client.get(f"/assistants/{assistant_id}/schemas")
    if part is not None and found.get(f"{part}_schema") is None:
        raise CliError(
            f"{assistant} has no {part} schema", code="E_NOT_FOUND", exit_code=ExitCode.NOT_FOUND
        )
    if session.out.format in ("json", "jsonl", "yaml") and not session.out.fields:
        session.out.value(found[f"{part}_schema"] if part else found)
        return
    parts = (part,) if part else get_args(Part)
    rows = [row for name in parts for row in _rows(name, found.get(f"{name}_schema"))]
    session.out.rows(_MEMBERS, rows)


def _rows(part: str, schema: Any) -> Iterator[dict[str, Any]]:
    if not isinstance(schema, Mapping):
        return
    required = schema.get("required") or ()
    for name, member in (schema.get("properties") or {}).items():
        yield {
            "schema": part,
            "name": name,
            "type": _type(member),
            "required": "yes" if name in required else "",
            "about": member.get("description") or "",
        }


def _type(member: Mapping[str, Any]) -> str:
    """Write a JSON Schema as briefly as a type."""
    if reference := member.get("$ref"):
        return str(reference).rpartition("/")[2]
    if choices := member.get("anyOf") or member.get("oneOf"):
        names = list(dict.fromkeys(_type(choice) for choice in choices))
        more = f" | … ({len(names)})" if len(names) > _NAMED else ""
        return " | ".join(names[:_NAMED]) + more
    if "enum" in member:
        return " | ".join(str(value) for value in member["enum"])
    if member.get("type") == "array":
        return f"list of {_type(member.get('items') or {})}"
    return str(member.get("type") or "any")

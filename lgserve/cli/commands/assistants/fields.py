"""The options that say what an assistant is."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

import typer

from lgserve.cli.arguments import read_json
from lgserve.cli.errors import usage_error
from lgserve.cli.options import parse_pairs

AssistantId: TypeAlias = Annotated[
    str,
    typer.Argument(metavar="ID", help="Its id, 6 first characters of it, its graph or name."),
]
Name: TypeAlias = Annotated[str | None, typer.Option("--name", help="Its name.")]
Description: TypeAlias = Annotated[
    str | None, typer.Option("--description", help="What it is for.")
]
ConfigOf: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--config",
        help="The whole config as JSON or @file, or of configurable: key=text, key:=json.",
    ),
]
ContextOf: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--context", help="The whole context as JSON or @file; or key=text, key:=json."),
]


def described(
    name: str | None,
    description: str | None,
    config: list[str] | None,
    context: list[str] | None,
    metadata: list[str] | None,
) -> dict[str, Any]:
    """Return the members of a body that were given."""
    given: dict[str, Any] = {"name": name, "description": description}
    if config is not None:
        given["config"] = _object("--config", config, ("configurable",))
    if context is not None:
        given["context"] = _object("--context", context, ())
    if metadata is not None:
        given["metadata"] = parse_pairs("--metadata", metadata)
    return {key: value for key, value in given.items() if value is not None}


def _object(option: str, given: list[str], below: tuple[str, ...]) -> dict[str, Any]:
    """Read one JSON object, or pairs; pairs stand below the names in `below`."""
    if len(given) == 1 and (given[0] == "-" or given[0][:1] in ("@", "{", "[")):
        read = read_json(given[0], option)
        if not isinstance(read, dict):
            raise usage_error(f"{option} is not a JSON object")
        return read
    value = parse_pairs(option, given)
    for name in reversed(below):
        value = {name: value}
    return value

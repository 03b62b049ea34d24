"""`lgserve openapi`: the document that describes a server's API."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from lgserve.cli.context import Session, open_session
from lgserve.cli.errors import CliError
from lgserve.cli.files import write_file
from lgserve.cli.lazy import new_app
from lgserve.cli.options import command
from lgserve.cli.output import write

app = new_app("openapi", "Write the OpenAPI document of a server.")


@command(app, "openapi", shared=open_session)
def write_openapi(
    session: Session,
    as_yaml: Annotated[bool, typer.Option("--yaml", help="As YAML.")] = False,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="Write to this file; .yaml is YAML.")
    ] = None,
) -> None:
    """Write the OpenAPI document of a server: its operations, what they take and answer.

    Example: lgserve openapi -f openapi.yaml
    """
    document = session.client.get("/openapi.json")
    if not isinstance(document, dict) or not isinstance(document.get("paths"), dict):
        raise CliError(
            f"{session.client.connection.url}/openapi.json is no OpenAPI document",
            code="E_NOT_AN_API",
            hint="is this the address of a LangGraph server? --url and LGSERVE_URL set it",
        )
    suffix = file.suffix.lower() if file else ""
    text = _text(
        document, as_yaml=as_yaml or session.out.format == "yaml" or suffix in (".yaml", ".yml"),
        lines=session.out.format != "jsonl",
    )  # fmt: skip
    if file is None:
        write(text)
        return
    write_file(file, text)
    session.out.note(f"wrote {file}: {_operations(document)} operations")


def _text(document: dict[str, Any], *, as_yaml: bool, lines: bool) -> str:
    if as_yaml:
        import yaml  # only for those who ask for it

        return str(yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=100))
    return json.dumps(document, indent=2 if lines else None, ensure_ascii=False) + "\n"


def _operations(document: dict[str, Any]) -> int:
    methods = ("get", "put", "post", "delete", "patch", "head", "options")
    return sum(name in methods for path in document["paths"].values() for name in path)

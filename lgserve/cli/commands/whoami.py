"""`lgserve whoami`: what commands would talk to, as whom, and who said so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from lgserve.cli.context import Session, open_session
from lgserve.cli.environment import ClientEnvironment
from lgserve.cli.lazy import new_app
from lgserve.cli.options import command
from lgserve.cli.output import Column, Noun

_VALUES = Noun(
    id_field="name",
    columns=(
        Column(name="name", path="name"),
        Column(name="value", path="value"),
        Column(name="source", path="source"),
    ),
    fields=("name", "value", "source"),
)
_DEFAULT = "the default"

app = new_app("whoami", "Show what commands would talk to, and why.")


@command(app, "whoami", shared=open_session)
def show_values(session: Session, ctx: typer.Context) -> None:
    """Show every value of the connection and who set it; nothing is sent, secrets are left out.

    Example: LGSERVE_URL=http://127.0.0.1:3000 lgserve whoami
    """
    session.out.rows(_VALUES, list(_values(session, ctx)))


def _values(session: Session, ctx: typer.Context) -> Iterator[dict[str, Any]]:
    environment, connection = ClientEnvironment.read(), session.client.connection
    yield _row("url", connection.url, connection.url_source)
    key = "(set)" if connection.api_key else "(none)"
    yield _row("api_key", key, connection.api_key_source or _DEFAULT)
    for name, _ in connection.headers:
        yield _row(f"header {name}", "(set)", "--header")
    yield _row("timeout", f"{connection.timeout_seconds:g} s", _flag(ctx, "timeout"))
    yield _row(
        "output", session.out.format, _flag(ctx, "output", LGSERVE_OUTPUT=environment.output)
    )
    yield _row("color", "on" if session.out.color else "off", _color(ctx, environment))
    yield _row("time", session.out.times or _times(session), _flag(ctx, "time"))
    yield _row("questions", *_questions(environment))
    yield _row(
        "config", environment.config or "searched upward from here",
        "LGSERVE_CONFIG" if environment.config else _DEFAULT,
    )  # fmt: skip


def _row(name: str, value: str, source: str) -> dict[str, Any]:
    return {"name": name, "value": value, "source": source}


def _flag(ctx: typer.Context, name: str, **variables: str | None) -> str:
    """Say whether a flag, a variable or nobody has set a value."""
    source = ctx.get_parameter_source(name)
    if source is not None and source.name == "COMMANDLINE":
        return f"--{name}"
    return next((variable for variable, value in variables.items() if value), _DEFAULT)


def _color(ctx: typer.Context, environment: ClientEnvironment) -> str:
    if (source := _flag(ctx, "color")) != _DEFAULT:
        return source
    if environment.no_color:
        return "NO_COLOR"
    if environment.force_color:
        return "FORCE_COLOR or CLICOLOR_FORCE"
    return "TERM=dumb" if environment.dumb_terminal else "whether stdout is a terminal"


def _times(session: Session) -> str:
    return "relative" if session.out.terminal else "iso"


def _questions(environment: ClientEnvironment) -> tuple[str, str]:
    if environment.unattended:
        return "never asked", "CI or AI_AGENT"
    return "asked on a terminal", _DEFAULT

"""The options of `lgserve auth key`, and the database in which the keys are.

Keys are made and revoked on the file itself, whether or not a server has it open: there is no
endpoint that could give a key to a stranger. A running server heeds the change at once.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from lgserve.cli.context import default_format
from lgserve.cli.environment import ClientEnvironment, ColorChoice
from lgserve.cli.errors import CliError, ExitCode
from lgserve.cli.output import Column, Format, Noun, Output, TimeStyle
from lgserve.core.clock import SystemClock, to_iso
from lgserve.core.principals import ApiKey
from lgserve.settings import ServerFlags, Settings, load_settings
from lgserve.storage.api_keys import SqliteApiKeys
from lgserve.storage.schema import migrate

#: Seconds to wait for a server that is writing.
_BUSY_SECONDS = 10.0

KEY = Noun(
    id_field="key_id",
    columns=(
        Column(name="id", path="key_id"),
        Column(name="owner", path="owner"),
        Column(name="name", path="name"),
        Column(name="status", path="status"),
        Column(name="created", path="created_at", kind="time"),
        Column(name="expires", path="expires_at", kind="time"),
    ),
    fields=("key_id", "owner", "name", "status", "created_at", "expires_at", "revoked_at"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySession:
    """What a command about keys works with."""

    keys: SqliteApiKeys
    settings: Settings
    out: Output
    now: datetime
    #: The command line, for the hint that repeats it.
    arguments: tuple[str, ...]

    def row(self, key: ApiKey) -> dict[str, Any]:
        """Return a key as it is shown: never the key itself, nor its hash."""
        status = "revoked" if key.revoked_at else "valid"
        if status == "valid" and not key.is_valid(to_iso(self.now)):
            status = "expired"
        return {
            "key_id": key.key_id,
            "owner": key.owner,
            "name": key.name,
            "status": status,
            "created_at": key.created_at,
            "expires_at": key.expires_at,
            "revoked_at": key.revoked_at,
        }


@contextmanager
def open_keys(
    ctx: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", help="Config file or its folder. [env: LGSERVE_CONFIG]"),
    ] = None,
    data: Annotated[
        str | None, typer.Option("--data", help="Folder of the database, as of the server.")
    ] = None,
    output: Annotated[
        Format | None, typer.Option("--output", "-o", help="How to write. [env: LGSERVE_OUTPUT]")
    ] = None,
    fields: Annotated[str | None, typer.Option("--fields", help="Only these fields: a,b.c")] = None,
    color: Annotated[ColorChoice, typer.Option("--color", help="Colour.")] = "auto",
    time: Annotated[
        TimeStyle | None,
        typer.Option("--time", help="How to write times; relative on a terminal, else iso."),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No notes on stderr.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,  # noqa: ARG001 - read where errors are reported
) -> Iterator[KeySession]:
    """Open the keys of a project."""
    environment = ClientEnvironment.read()
    out = Output(
        format=output or default_format(environment),
        fields=tuple(name.strip() for name in (fields or "").split(",") if name.strip()),
        color=environment.wants_color(color, sys.stdout),
        terminal=sys.stdout.isatty(),
        times=time,
        quiet=quiet,
    )
    settings = load_settings(ServerFlags(config=config, data=data))
    with closing(_open(settings.database)) as connection:
        yield KeySession(
            keys=SqliteApiKeys(connection),
            settings=settings,
            out=out,
            now=SystemClock().now(),
            arguments=ctx.obj or (),
        )


def _open(database: Path | None) -> sqlite3.Connection:
    if database is None:
        raise CliError(
            "a server whose data is :memory: keeps no keys",
            code="E_NO_DATABASE",
            exit_code=ExitCode.PROJECT,
            hint="name a folder with --data, or write keys under lgserve.auth.keys in the config",
        )
    try:
        database.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(database, isolation_level=None, timeout=_BUSY_SECONDS)
        connection.execute("PRAGMA journal_mode = WAL").fetchall()
        migrate(connection)
    except (OSError, sqlite3.Error) as exc:
        raise CliError(f"cannot open the database {database}: {exc}", code="E_DATABASE") from exc
    return connection

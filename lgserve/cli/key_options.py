"""The options of `lgserve auth key`, and the database in which the keys are.

Keys are made and revoked on the file itself, whether or not a server has it open: there is no
endpoint that could give a key to a stranger. A running server heeds the change at once.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from lgserve.cli.environment import ClientEnvironment
from lgserve.cli.errors import CliError, ExitCode
from lgserve.cli.output import Column, Noun, Output
from lgserve.cli.shared_options import (
    Color,
    Config,
    Debug,
    Fields,
    OutputFormat,
    Quiet,
    Times,
    settle_output,
)
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
    config: Config = None,
    data: Annotated[
        str | None, typer.Option("--data", help="Folder of the database, as of the server.")
    ] = None,
    output: OutputFormat = None,
    fields: Fields = None,
    color: Color = "auto",
    time: Times = None,
    quiet: Quiet = False,
    debug: Debug = False,  # noqa: ARG001 - read where errors are reported
) -> Iterator[KeySession]:
    """Open the keys of a project."""
    out = settle_output(
        ClientEnvironment.read(), output=output, fields=fields, color=color, quiet=quiet, time=time
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

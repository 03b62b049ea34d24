"""Which server a command talks to, and how it writes what it learns."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from lgserve.cli.client import ApiClient, Connection
from lgserve.cli.environment import ClientEnvironment
from lgserve.cli.errors import CliError, usage_error
from lgserve.cli.options import parse_seconds
from lgserve.cli.output import Output
from lgserve.cli.shared_options import (
    Color,
    Debug,
    Fields,
    OutputFormat,
    Quiet,
    Times,
    settle_output,
)
from lgserve.cli.state_file import find_state

DEFAULT_URL = "http://127.0.0.1:2024"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """What an admin command works with."""

    client: ApiClient
    out: Output
    #: The command line, for the hint that repeats it.
    arguments: tuple[str, ...] = ()


@contextmanager
def open_session(
    ctx: typer.Context,
    url: Annotated[
        str | None, typer.Option("--url", help="Server address. [env: LGSERVE_URL]")
    ] = None,
    api_key: Annotated[
        str | None,
        typer.Option("--api-key", help="API key. [env: LGSERVE_API_KEY, LANGGRAPH_API_KEY]"),
    ] = None,
    header: Annotated[
        list[str] | None, typer.Option("--header", "-H", help="A header to send, K:V. Repeatable.")
    ] = None,
    timeout: Annotated[
        str, typer.Option("--timeout", help="How long to wait for an answer.")
    ] = "30s",
    db: Annotated[
        Path | None,
        typer.Option("--db", help="In place of a server: a database file, or its folder."),
    ] = None,
    output: OutputFormat = None,
    fields: Fields = None,
    color: Color = "auto",
    time: Times = None,
    quiet: Quiet = False,
    debug: Debug = False,  # noqa: ARG001 - read where errors are reported
) -> Iterator[Session]:
    """Settle on a server and on how to write."""
    environment = ClientEnvironment.read()
    found = find_connection(environment, url, api_key, header or [], timeout)
    out = settle_output(
        environment, output=output, fields=fields, color=color, quiet=quiet, time=time
    )
    with ExitStack() as stack:
        if db is not None:
            found = stack.enter_context(_database(db, found, out))
        client = ApiClient(found)
        stack.callback(client.close)
        yield Session(client=client, out=out, arguments=tuple(ctx.find_root().obj or ()))


@contextmanager
def _database(file: Path, found: Connection, out: Output) -> Iterator[Connection]:
    """Serve a database in place of the server that was found, for as long as the block lasts."""
    if found.url_source == "--url":
        raise usage_error("--url and --db exclude each other")
    from lgserve.cli.database_link import linked  # starts a process, only for those who ask for it

    with linked(file) as link:
        if link.held_by is not None:
            out.note(f"a server has this database (pid {link.held_by}): it is only read")
        try:
            yield replace(
                found, url=link.url, url_source="--db", api_key=link.key, api_key_source="--db"
            )
        except CliError as exc:
            if exc.status in (400, 404, 422) and "graph" in exc.message.lower():
                exc.hint = "a database has no graphs: ask a server that runs, such as `lgserve dev`"
            raise


def find_connection(
    environment: ClientEnvironment,
    url: str | None,
    api_key: str | None,
    headers: list[str],
    timeout: str,
) -> Connection:
    """Choose the server: flag, environment, the running server of this folder, the default."""
    address, source = _find_url(environment, url)
    key_source = "--api-key" if api_key else None
    if environment.api_key_name and not api_key:
        key_source = f"{environment.api_key_name} (environment)"
    return Connection(
        url=address.rstrip("/"),
        url_source=source,
        api_key=api_key or environment.api_key,
        api_key_source=key_source,
        headers=tuple(_header(line) for line in headers),
        timeout_seconds=parse_seconds(timeout),
    )


def _find_url(environment: ClientEnvironment, url: str | None) -> tuple[str, str]:
    if url:
        return url, "--url"
    if environment.url:
        return environment.url, "LGSERVE_URL"
    if found := find_state(Path.cwd()):
        server, file = found
        return server.url, str(file)
    return DEFAULT_URL, "the default"


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon or not name.strip():
        raise usage_error(f"--header {line!r} has no name and value", "write K:V")
    return name.strip().lower(), value.strip()

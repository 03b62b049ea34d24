"""The options that `dev` and `serve` share, and what both do before a server starts."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from lgserve.cli.environment import ClientEnvironment
from lgserve.cli.errors import CliError, ExitCode, usage_error
from lgserve.cli.options import parse_seconds
from lgserve.cli.shared_options import Color, Config, Debug
from lgserve.core.errors import ConfigurationError, LgserveError
from lgserve.settings import ServerFlags, Settings, load_settings


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """What the shared options of `dev` and `serve` said."""

    flags: ServerFlags
    color: bool
    verbose: bool
    exit_after_seconds: float | None
    started: float


@contextmanager
def server_options(
    config: Config = None,
    host: Annotated[str | None, typer.Option("--host", help="Address to listen on.")] = None,
    port: Annotated[
        int | None,
        typer.Option("--port", "-p", min=0, max=65535, help="Port; 0 takes a free one. [2024]"),
    ] = None,
    public_url: Annotated[
        str | None, typer.Option("--public-url", help="Address clients reach the server at.")
    ] = None,
    data: Annotated[
        str | None, typer.Option("--data", help="Folder of the database, or :memory:.")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start with an empty database.")] = False,
    n_jobs_per_worker: Annotated[
        int | None, typer.Option("--n-jobs-per-worker", min=1, help="Runs at once. [64]")
    ] = None,
    env_file: Annotated[
        list[Path] | None,
        typer.Option("--env-file", help="More variables for the graphs. Repeatable."),
    ] = None,
    grace: Annotated[
        str | None, typer.Option("--grace", help="Time runs may finish in at the stop. [5s]")
    ] = None,
    strict_blocking: Annotated[
        bool, typer.Option("--strict-blocking", help="Fail runs that block the event loop.")
    ] = False,
    cors: Annotated[
        list[str] | None, typer.Option("--cors", help="Origin that may call. Repeatable. [*]")
    ] = None,
    log_format: Annotated[
        str | None, typer.Option("--log-format", help="auto, pretty or json.")
    ] = None,
    server_log_level: Annotated[
        str | None, typer.Option("--server-log-level", help="debug, info, warning, error. [info]")
    ] = None,
    access_log: Annotated[
        str | None, typer.Option("--access-log", help="Requests to log: off, errors, all. [errors]")
    ] = None,
    exit_after: Annotated[
        str | None, typer.Option("--exit-after", help="Stop after this time, for tests.")
    ] = None,
    color: Color = "auto",
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say more.")] = False,
    debug: Debug = False,  # noqa: ARG001 - read where errors are reported
) -> Iterator[ServerOptions]:
    """Collect what the command line says about the server."""
    yield ServerOptions(
        flags=ServerFlags(
            config=config,
            host=host,
            port=port,
            public_url=public_url,
            data=data,
            fresh=fresh or None,
            n_jobs_per_worker=n_jobs_per_worker,
            env_files=tuple(env_file or ()),
            grace_seconds=grace,
            strict_blocking=strict_blocking or None,
            cors_allow_origins=tuple(cors or ()),
            log_format=log_format,
            log_level=server_log_level or ("debug" if verbose else None),
            access_log=access_log,
        ),
        color=ClientEnvironment.read().wants_color(color, sys.stderr),
        verbose=verbose,
        exit_after_seconds=parse_seconds(exit_after) if exit_after else None,
        started=time.monotonic(),
    )


def translate(exc: Exception) -> CliError | None:
    """Name the errors of the server for the command line."""
    if isinstance(exc, ConfigurationError):
        # A wrong flag is wrong usage; a wrong file is a wrong project.
        if exc.message.startswith("--"):
            return usage_error(exc.message, exc.hint)
        return CliError(exc.message, code="E_CONFIG", exit_code=ExitCode.PROJECT, hint=exc.hint)
    if isinstance(exc, LgserveError):
        return CliError(exc.message, code="E_CANNOT_SERVE")
    return None


def load(flags: ServerFlags, path: Path | None) -> Settings:
    """Read the settings of the project in a folder, or of a config file."""
    if path is None:
        return load_settings(flags)
    if path.is_dir():
        return load_settings(flags, start=path.resolve())
    if not path.exists():
        raise usage_error(f"{path} does not exist", "name the project's folder or its config file")
    if flags.config is not None:
        raise usage_error(f"both {path} and --config {flags.config} name a config file")
    return load_settings(replace(flags, config=path))

"""`lgserve dev`: serve the graphs of a folder, and reload on a change."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from lgserve.children import Order
from lgserve.cli.announcing import Announcer, Launch
from lgserve.cli.binding import bind
from lgserve.cli.child import child_command, fork_server_command
from lgserve.cli.errors import usage_error
from lgserve.cli.launching import FolderHold, refuse_open_door, say_first, serve_in_process
from lgserve.cli.lazy import new_app
from lgserve.cli.options import command
from lgserve.cli.server_options import ServerOptions, load, server_options, translate
from lgserve.cli.serving import require_debugger
from lgserve.cli.state_file import removed_at_end
from lgserve.settings import ServerFlags, Settings
from lgserve.supervisor import Supervisor
from lgserve.watching import watch_files


class _Debugging(NamedTuple):
    port: int | None
    wait: bool


app = new_app("dev", "Serve the graphs of this folder, and reload on a change.")


@command(app, "dev", shared=server_options, translate=translate)
def dev(
    options: ServerOptions,
    path: Annotated[
        Path | None, typer.Argument(help="The project's folder or config file. [.]")
    ] = None,
    reload: Annotated[
        bool | None, typer.Option("--reload/--no-reload", help="Take up changed code. [on]")
    ] = None,
    reload_dir: Annotated[
        list[Path] | None, typer.Option("--reload-dir", help="Folder to watch. Repeatable.")
    ] = None,
    reload_include: Annotated[
        list[str] | None, typer.Option("--reload-include", help="File names to watch. [*.py]")
    ] = None,
    reload_exclude: Annotated[
        list[str] | None, typer.Option("--reload-exclude", help="Names not to watch.")
    ] = None,
    debug_port: Annotated[
        int | None, typer.Option("--debug-port", min=1, max=65535, help="Port for a debugger.")
    ] = None,
    wait_for_client: Annotated[
        bool, typer.Option("--wait-for-client", help="Start when the debugger is connected.")
    ] = False,
    studio_url: Annotated[
        str | None, typer.Option("--studio-url", help="Show a link into this Studio.")
    ] = None,
    no_browser: Annotated[  # noqa: ARG001 - lgserve opens none
        bool, typer.Option("--no-browser", help="Open no browser (it never does).")
    ] = False,
    allow_blocking: Annotated[
        bool, typer.Option("--allow-blocking", help="Let runs block their loop (the default).")
    ] = False,
    insecure_no_auth: Annotated[
        bool,
        typer.Option("--insecure-no-auth", help="Let other machines in without authentication."),
    ] = False,
    tunnel: Annotated[bool, typer.Option("--tunnel", hidden=True)] = False,
    ssl_certfile: Annotated[Path | None, typer.Option("--ssl-certfile", hidden=True)] = None,
    ssl_keyfile: Annotated[Path | None, typer.Option("--ssl-keyfile", hidden=True)] = None,
) -> None:
    """Serve the graphs of this folder, and reload on a change.

    Takes the options of `langgraph dev`, and serves a plain langgraph.json as it is.
    """
    _refuse_unserved(tunnel=tunnel, ssl=bool(ssl_certfile or ssl_keyfile))
    _check_debugging(debug_port, wait_for_client=wait_for_client)
    if allow_blocking and options.flags.strict_blocking:
        raise usage_error("--allow-blocking and --strict-blocking exclude each other")
    flags = replace(
        options.flags,
        reload=reload,
        reload_dirs=tuple(reload_dir or ()),
        reload_include=tuple(reload_include or ()),
        reload_exclude=tuple(reload_exclude or ()),
    )
    debugging = _Debugging(debug_port, wait_for_client)
    load_settings = partial(_load, flags, path, insecure_no_auth=insecure_no_auth)
    raise typer.Exit(_start(options, load_settings, debugging, studio_url))


def _load(flags: ServerFlags, path: Path | None, *, insecure_no_auth: bool) -> Settings:
    settings = load(flags, path)
    refuse_open_door(settings, insecure_no_auth=insecure_no_auth)
    if "mask_errors" not in settings.origins:  # who develops is who asks
        settings = replace(settings, mask_errors=False)
    return settings


def _start(
    options: ServerOptions,
    load_settings: Callable[[], Settings],
    debugging: _Debugging,
    studio_url: str | None,
) -> int:
    """Take the port, say what is unusual, and serve."""
    settings = load_settings()
    order = Order(
        settings=settings,
        color=options.color,
        debug_port=debugging.port,
        wait_for_client=debugging.wait,
    )
    launch = Launch(
        title="development server",
        settings=settings,
        reload=settings.reload,
        started=options.started,
        studio_url=studio_url,
    )
    listener, note = bind(settings.host, settings.port, explicit="port" in settings.origins)
    announcer = Announcer(launch, color=options.color)
    say_first(announcer, settings, note, verbose=options.verbose)
    with listener:
        if settings.reload:
            return _supervise(order, listener, announcer, options, load_settings)
        return serve_in_process(order, listener, announcer, options.exit_after_seconds)


def _supervise(
    order: Order,
    listener: socket.socket,
    announcer: Announcer,
    options: ServerOptions,
    load_settings: Callable[[], Settings],
) -> int:
    """Serve by a child process, replaced on a change; "in memory" must outlive a child."""
    first = order.settings

    def reload_settings() -> Settings:
        settings = load_settings()
        if (settings.host, settings.port) != (first.host, first.port):
            announcer.note("another host or port is taken at the next start")
        settings = _with_data(Path(folder), settings)
        hold.take(settings)
        return settings

    with (
        removed_at_end(first.project.root),
        tempfile.TemporaryDirectory(prefix="lgserve-") as folder,
        FolderHold() as hold,
    ):
        settings = _with_data(Path(folder), first)
        hold.take(settings)
        return Supervisor(
            listener=listener,
            command=child_command(),
            fork_command=fork_server_command(),
            order=replace(order, settings=settings, folder_held=True),
            reload_settings=reload_settings,
            watch=watch_files,
            talk=announcer,
            exit_after_seconds=options.exit_after_seconds,
        ).run()


def _with_data(folder: Path, settings: Settings) -> Settings:
    return settings if settings.data is not None else replace(settings, data=folder)


def _refuse_unserved(*, tunnel: bool, ssl: bool) -> None:
    """Say what to use instead of the options of `langgraph dev` that lgserve does not have."""
    if tunnel:
        raise usage_error(
            "--tunnel is not offered",
            "run a tunnel of your choice beside it, such as "
            "`cloudflared tunnel --url http://127.0.0.1:2024`",
        )
    if ssl:
        raise usage_error(
            "--ssl-certfile and --ssl-keyfile are not offered yet",
            "put a proxy with TLS in front, such as "
            "`caddy reverse-proxy --from localhost --to 127.0.0.1:2024`",
        )


def _check_debugging(port: int | None, *, wait_for_client: bool) -> None:
    if wait_for_client and port is None:
        raise usage_error("--wait-for-client needs --debug-port")
    if port is not None:
        require_debugger()

"""`lgserve serve`: serve the graphs of a folder for production; one process, no reload."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from lgserve.cli.announcing import Announcer, Launch
from lgserve.cli.binding import bind
from lgserve.cli.launching import refuse_open_door, say_first, serve_in_process
from lgserve.cli.lazy import new_app
from lgserve.cli.options import command
from lgserve.cli.server_options import ServerOptions, load, server_options, translate
from lgserve.supervisor import Order

app = new_app("serve", "Serve the graphs of this folder, for production.")


@command(app, "serve", shared=server_options, translate=translate)
def serve(
    options: ServerOptions,
    path: Annotated[
        Path | None, typer.Argument(help="The project's folder or config file. [.]")
    ] = None,
    insecure_no_auth: Annotated[
        bool,
        typer.Option("--insecure-no-auth", help="Let other machines in without authentication."),
    ] = False,
) -> None:
    """Serve the graphs of this folder, for production.

    Listens on 127.0.0.1 unless --host says otherwise.
    """
    settings = load(replace(options.flags, production=True), path)
    refuse_open_door(settings, insecure_no_auth=insecure_no_auth)
    launch = Launch(
        title="production server", settings=settings, reload=False, started=options.started
    )
    listener, note = bind(settings.host, settings.port, explicit=True)
    announcer = Announcer(launch, color=options.color)
    say_first(announcer, settings, note, verbose=options.verbose)
    order = Order(settings=settings, color=options.color)
    with listener:
        status = serve_in_process(order, listener, announcer, options.exit_after_seconds)
    raise typer.Exit(status)

"""`lgserve auth key list`."""

from __future__ import annotations

from typing import Annotated

import typer

from lgserve.cli.key_options import KEY, KeySession, open_keys
from lgserve.cli.lazy import new_app
from lgserve.cli.options import command
from lgserve.cli.server_options import translate

app = new_app("list", "List keys.")


@command(app, "list", shared=open_keys, translate=translate)
def list_keys(
    session: KeySession,
    owner: Annotated[
        str | None, typer.Option("--owner", help="Only the keys of one owner.")
    ] = None,
) -> None:
    """List keys, the newest first; those in the config are not among them."""
    session.out.rows(KEY, [session.row(key) for key in session.keys.search(owner)])

"""`lgserve auth key create`."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from lgserve.auth.api_key import new_key
from lgserve.cli.errors import usage_error
from lgserve.cli.key_options import KEY, KeySession, open_keys
from lgserve.cli.lazy import new_app
from lgserve.cli.options import command, parse_seconds
from lgserve.cli.server_options import translate

app = new_app("create", "Make a key.")


@command(app, "create", shared=open_keys, translate=translate)
def create_key(
    session: KeySession,
    owner: Annotated[str, typer.Argument(help="Who the key is for: all it makes is theirs.")],
    name: Annotated[str | None, typer.Option("--name", help="What the key is used for.")] = None,
    expires: Annotated[
        str | None, typer.Option("--expires", help="How long it is valid: 12h, 30d. [for good]")
    ] = None,
) -> None:
    """Make a key for an owner. It is shown now and never again."""
    if not owner.strip():
        raise usage_error("the owner has no name")
    until = None if expires is None else session.now + timedelta(seconds=parse_seconds(expires))
    key, text = new_key(owner.strip(), name, session.now, until)
    session.keys.insert(key)
    session.out.item(
        KEY,
        {**session.row(key), "key": text},
        [("key", text), ("id", key.key_id), ("owner", key.owner)],
    )
    session.out.note("the key is not shown again: keep it where it is safe")
    if session.settings.auth.type != "api_keys":
        session.out.note("no server asks for it yet: say `lgserve: {auth: {type: api_keys}}`")

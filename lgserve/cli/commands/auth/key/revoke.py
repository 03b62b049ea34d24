"""`lgserve auth key revoke`."""

from __future__ import annotations

from typing import Annotated

import typer

from lgserve.cli.confirming import Yes, confirm, need_yes
from lgserve.cli.errors import CliError, ExitCode, usage_error
from lgserve.cli.key_options import KEY, KeySession, open_keys
from lgserve.cli.lazy import new_app
from lgserve.cli.options import command
from lgserve.cli.server_options import translate
from lgserve.core.clock import to_iso
from lgserve.core.principals import ApiKey

app = new_app("revoke", "Revoke a key.")


@command(app, "revoke", shared=open_keys, translate=translate)
def revoke_key(
    session: KeySession,
    key_id: Annotated[str, typer.Argument(metavar="ID", help="The key's id, or its beginning.")],
    yes: Yes = False,
) -> None:
    """Make a key open nothing from now on; a running server heeds it at once."""
    need_yes(yes=yes, arguments=session.arguments, what="a revoked key is never valid again")
    key = _find(session, key_id)
    confirm(f"revoke the key {key.key_id} of {key.owner}?", yes=yes, if_not="nothing was revoked")
    if not session.keys.revoke(key.key_id, to_iso(session.now)):
        session.out.note("it was revoked before")
    revoked = session.keys.find(key.key_id) or key
    row = session.row(revoked)
    session.out.item(KEY, row, [("id", key.key_id), ("owner", key.owner), ("status", "revoked")])


def _find(session: KeySession, text: str) -> ApiKey:
    found = [key for key in session.keys.search(None) if key.key_id.startswith(text)]
    if len(found) > 1:
        ids = ", ".join(key.key_id for key in found)
        raise usage_error(f"{text} is the beginning of several keys", ids)
    if not found or not text:
        raise CliError(
            f"there is no key {text}",
            code="E_NOT_FOUND",
            exit_code=ExitCode.NOT_FOUND,
            hint="lgserve auth key list",
        )
    return found[0]

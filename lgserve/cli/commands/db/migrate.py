"""`lgserve db migrate`."""

from __future__ import annotations

from typing import Annotated

import typer

from lgserve.cli.database import NAME, DbOption, exclusively, find_folder, opened, schema_of
from lgserve.cli.errors import CliError
from lgserve.cli.lazy import new_app
from lgserve.cli.options import command
from lgserve.cli.output import Noun
from lgserve.cli.project_options import ProjectSession, open_project

_MIGRATED = Noun(id_field="path", columns=(), fields=("path", "from", "to", "done"))

app = new_app("migrate", "Bring the database to the newest schema.")


@command(app, "migrate", shared=open_project)
def bring_up(
    session: ProjectSession,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be done.")
    ] = False,
    db: DbOption = None,
) -> None:
    """Bring the database to the newest schema, which a server does as well when it starts.

    Example: lgserve db backup before.db && lgserve db migrate
    """
    from lgserve.core.errors import StorageError
    from lgserve.storage.schema import migrate, newest_version

    folder = find_folder(db, session.config)
    file, newest = folder / NAME, newest_version()
    with opened(file) as connection:
        found = schema_of(connection, file)
    if found > newest:
        raise CliError(
            f"{file} has schema {found}, this lgserve knows {newest}",
            code="E_STORAGE",
            hint="use a newer lgserve",
        )
    done = found < newest and not dry_run
    if done:
        with exclusively(folder), opened(file, writing=True) as connection:
            try:
                migrate(connection)
            except StorageError as exc:
                raise CliError(exc.message, code="E_STORAGE") from exc
    item = {"path": str(file), "from": found, "to": newest, "done": done}
    told = f"{found} → {newest}" if found < newest else f"{found}, the newest"
    session.out.item(_MIGRATED, item, [("database", str(file)), ("schema", told)])
    if found < newest and dry_run:
        session.out.note("nothing was done (--dry-run)")

"""`lgserve db check`."""

from __future__ import annotations

from lgserve.cli.database import NAME, DbOption, find_folder, opened, problems_of, schema_of
from lgserve.cli.errors import CliError, ExitCode
from lgserve.cli.lazy import new_app
from lgserve.cli.options import command
from lgserve.cli.output import Noun
from lgserve.cli.project_options import ProjectSession, open_project

_SOUND = Noun(id_field="path", columns=(), fields=("path", "schema", "problems"))

app = new_app("check", "Check the database.")


@command(app, "check", shared=open_project)
def check_database(session: ProjectSession, db: DbOption = None) -> None:
    """Check that the database is sound: every page, index and reference; exit with 8 if not.

    Example: lgserve db check
    """
    file = find_folder(db, session.config) / NAME
    with opened(file) as connection:
        schema, problems = schema_of(connection, file), problems_of(connection)
    if problems:
        raise CliError(
            f"{file} is damaged", code="E_UNSOUND", exit_code=ExitCode.UNSOUND,
            hint="put a backup in its place: lgserve db restore FILE", details="\n".join(problems),
        )  # fmt: skip
    item = {"path": str(file), "schema": schema, "problems": problems}
    session.out.item(_SOUND, item, [("database", str(file)), ("found", "nothing wrong")])

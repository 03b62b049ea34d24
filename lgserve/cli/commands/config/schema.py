"""`lgserve config schema`."""

from __future__ import annotations

from lgserve.cli.config_schema import config_schema
from lgserve.cli.lazy import new_app
from lgserve.cli.options import command
from lgserve.cli.project_options import ProjectSession, open_project

app = new_app("schema", "Write the JSON Schema of the config.")


@command(app, "schema", shared=open_project)
def write_schema(session: ProjectSession) -> None:
    """Write the JSON Schema of langgraph.yaml and langgraph.json, for editors."""
    session.out.value(config_schema())

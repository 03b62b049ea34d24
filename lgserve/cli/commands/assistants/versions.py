"""`lgserve assistants versions`."""

from __future__ import annotations

from typing import Any

from lgserve.cli.commands.assistants.fields import AssistantId
from lgserve.cli.commands.assistants.list import ASSISTANTS
from lgserve.cli.context import Session, open_session
from lgserve.cli.lazy import new_app
from lgserve.cli.lookup import find_assistant
from lgserve.cli.options import command, parse_pairs
from lgserve.cli.output import Column, Noun
from lgserve.cli.paging import paged
from lgserve.cli.shared_options import Everything, Limit, Metadata, Offset

_PAGE = 100

VERSIONS = Noun(
    id_field="version",
    columns=(
        Column(name="version", path="version", kind="number"),
        Column(name="latest", path="mark"),
        Column(name="graph", path="graph_id"),
        Column(name="name", path="name"),
        Column(name="created", path="created_at", kind="time"),
        Column(name="config", path="config", kind="json"),
        Column(name="context", path="context", kind="json"),
        Column(name="metadata", path="metadata"),
    ),
    fields=ASSISTANTS.fields,
)

app = new_app("versions", "List the versions of an assistant.")


@command(app, "versions", shared=open_session)
def list_versions(
    session: Session,
    assistant: AssistantId,
    metadata: Metadata = None,
    limit: Limit = 20,
    offset: Offset = 0,
    everything: Everything = False,
) -> None:
    """List the versions of an assistant, the newest first; the one it runs is marked.

    Example: lgserve assistants versions Terse
    """
    current = find_assistant(session.client, assistant)
    path = f"/assistants/{current['assistant_id']}/versions"
    wanted = parse_pairs("--metadata", metadata or [])

    def read(size: int, start: int) -> list[dict[str, Any]]:
        body: dict[str, Any] = {"limit": size, "offset": start}
        return list(session.client.query(path, {**body, "metadata": wanted} if wanted else body))

    rows = list(paged(read, size=_PAGE, offset=offset, limit=None if everything else limit))
    if session.out.format == "table":
        latest = current.get("version")
        rows = [{**row, "mark": "*" if row.get("version") == latest else ""} for row in rows]
    session.out.rows(VERSIONS, rows)

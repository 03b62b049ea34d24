"""`lgserve info`."""

from __future__ import annotations

from typing import Any

from lgserve.cli.client import ApiClient
from lgserve.cli.context import Session, open_session
from lgserve.cli.errors import CliError, ExitCode
from lgserve.cli.lazy import new_app
from lgserve.cli.options import command
from lgserve.cli.output import Noun

_INFO = Noun(id_field="url", columns=(), fields=("url", "info", "graphs", "assistants", "threads"))
_COUNTED = ("busy", "interrupted", "error")

app = new_app("info", "Show a server.")


@command(app, "info", shared=open_session)
def show_info(session: Session) -> None:
    """Show a server: versions, graphs, counts."""
    client = session.client
    item = {
        "url": client.connection.url,
        "info": client.get("/info"),
        "graphs": _graphs(client),
        "assistants": client.query("/assistants/count", {}),
        "threads": {
            "total": client.query("/threads/count", {}),
            **{name: client.query("/threads/count", {"status": name}) for name in _COUNTED},
        },
    }
    session.out.item(_INFO, item, _lines(session, item))


def _graphs(client: ApiClient) -> list[str]:
    """Name the graphs: every graph has an assistant that the server made for it."""
    body = {"metadata": {"created_by": "system"}, "limit": 1000, "select": ["graph_id"]}
    try:
        rows = client.query("/assistants/search", body)
    except CliError as exc:
        if exc.exit_code is not ExitCode.REFUSED:
            raise
        rows = client.query("/assistants/search", {"limit": 1000})
    return sorted({row["graph_id"] for row in rows})


def _lines(session: Session, item: dict[str, Any]) -> list[tuple[str, str]]:
    info, threads, graphs = item["info"], item["threads"], item["graphs"]
    key = session.client.connection.api_key_source
    return [
        ("server", " · ".join([f"{item['url']}   {_version(info)}", *_mode(info)])),
        ("from", session.client.connection.url_source + (f" · key from {key}" if key else "")),
        ("graphs", f"{', '.join(graphs)} ({len(graphs)})" if graphs else "none"),
        *(("broken", f"{name}: {_error(why)}") for name, why in _graph_errors(info)),
        ("assistants", str(item["assistants"])),
        ("threads", f"{threads['total']}{_counts(threads)}"),
    ]


def _version(info: dict[str, Any]) -> str:
    """Name the server and its versions; the reference does not say its name, ours does."""
    name = "lgserve" if "lgserve_version" in info else "langgraph-api"
    version = info.get("lgserve_version") or info.get("version", "?")
    parts = [f"{name} {version}"]
    if name == "lgserve" and info.get("version") not in (None, version):
        parts.append(f"API level langgraph-api {info['version']}")
    if info.get("langgraph_py_version"):
        parts.append(f"langgraph {info['langgraph_py_version']}")
    return " · ".join(parts)


def _mode(info: dict[str, Any]) -> list[str]:
    kind = (info.get("host") or {}).get("kind")
    return [str(kind)] if kind else []


def _graph_errors(info: dict[str, Any]) -> list[tuple[str, Any]]:
    errors = info.get("graph_errors") or {}
    return list(errors.items()) if isinstance(errors, dict) else [("", error) for error in errors]


def _error(why: Any) -> str:
    if isinstance(why, dict):
        return str(why.get("message") or why.get("error") or why)
    return str(why).splitlines()[0] if why else ""


def _counts(threads: dict[str, int]) -> str:
    said = [f"{threads[name]} {name}" for name in _COUNTED if threads[name]]
    return f" ({', '.join(said)})" if said else ""

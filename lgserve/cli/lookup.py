"""Reading lists page by page, and finding an object by the beginning of its id.

The API knows whole ids only and has no search over all runs, so both are done here, within bounds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

from lgserve.cli.client import ApiClient
from lgserve.cli.errors import CliError, ExitCode, usage_error
from lgserve.cli.output import timestamp
from lgserve.cli.paging import paged

#: Threads that `runs list` and `runs show` look into when no thread is named.
RECENT_THREADS = 100
#: Threads whose ids are compared with a prefix.
_PREFIX_THREADS = 20_000
#: Runs of one thread whose ids are compared with a prefix.
_PREFIX_RUNS = 2_000
_PAGE = 1_000
_RUNS_PAGE = 100
_CONNECTIONS = 8
_SHORTEST_PREFIX = 6
#: In place of an id: the thread that changed last, the run that was created last.
LAST = "@last"
_CANDIDATES_SHOWN = 5

Row = dict[str, Any]

#: Metadata that the server sets itself; tables show what people have set.
_SERVER_KEYS = ("graph_id", "assistant_id", "created_by")


def own_metadata(row: Mapping[str, Any]) -> Row:
    """Return the metadata of a run or a thread that people have set."""
    metadata = row.get("metadata") or {}
    return {key: value for key, value in metadata.items() if key not in _SERVER_KEYS}


def search_threads(
    client: ApiClient, body: Mapping[str, Any], *, offset: int = 0, limit: int | None = None
) -> Iterator[Row]:
    """Yield threads page by page; without a limit, all of them."""
    yield from _search(client, "/threads/search", body, offset, limit)


def search_assistants(
    client: ApiClient, body: Mapping[str, Any], *, offset: int = 0, limit: int | None = None
) -> Iterator[Row]:
    """Yield assistants page by page; without a limit, all of them."""
    yield from _search(client, "/assistants/search", body, offset, limit)


def search_crons(
    client: ApiClient, body: Mapping[str, Any], *, offset: int = 0, limit: int | None = None
) -> Iterator[Row]:
    """Yield crons page by page; without a limit, all of them."""
    yield from _search(client, "/runs/crons/search", body, offset, limit)


def _search(
    client: ApiClient, path: str, body: Mapping[str, Any], offset: int, limit: int | None
) -> Iterator[Row]:
    def read(size: int, start: int) -> list[Row]:
        return client.rows(path, {**body, "limit": size, "offset": start})

    yield from paged(read, size=_PAGE, offset=offset, limit=limit)


def runs_of_thread(
    client: ApiClient,
    thread_id: str,
    *,
    status: str | None = None,
    since: float = 0.0,
    limit: int | None = None,
) -> Iterator[Row]:
    """Yield the runs of a thread page by page, from the newest to the first that is too old."""

    def read(size: int, start: int) -> list[Row]:
        query = {"limit": size, "offset": start, "status": status}
        page = client.get(f"/threads/{thread_id}/runs", query)
        return [row for row in page if timestamp(row.get("created_at")) >= since]

    yield from paged(read, size=_RUNS_PAGE, limit=limit)


def runs_of_recent_threads(
    client: ApiClient,
    *,
    threads: int,
    status: str | None = None,
    since: float = 0.0,
    limit: int | None = None,
) -> tuple[list[Row], bool]:
    """Return the runs of the threads that changed last, and whether there are more threads."""
    newest = {"sort_by": "updated_at", "sort_order": "desc", "select": ["thread_id"]}
    found = list(search_threads(client, newest, limit=threads + 1))

    def read(thread: Row) -> list[Row]:
        try:
            return list(
                runs_of_thread(client, thread["thread_id"], status=status, since=since, limit=limit)
            )
        except CliError as exc:
            if exc.exit_code is ExitCode.NOT_FOUND:  # deleted since the search
                return []
            raise

    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        runs = [run for of_thread in pool.map(read, found[:threads]) for run in of_thread]
    return runs, len(found) > threads


def find_thread_id(client: ApiClient, text: str) -> str:
    """Return the id of the one thread whose id starts with `text`, or of the latest."""
    if text == LAST:
        return _last_thread_id(client)
    if whole := _whole_id(text):
        return whole
    prefix = _prefix(text, "thread")
    body = {"select": ["thread_id"], "sort_by": "created_at", "sort_order": "desc"}
    rows = search_threads(client, body, limit=_PREFIX_THREADS)
    return _starting_with(prefix, rows, text, "thread")


def find_assistant(client: ApiClient, text: str) -> Row:
    """Return the assistant with an id, the beginning of one, or a name; of a graph, its own."""
    if whole := _whole_id(text):
        return dict(client.get(f"/assistants/{whole}"))
    rows = list(search_assistants(client, {}))
    own = [row for row in rows if row["graph_id"] == text and _is_made_by_server(row)]
    named = own or [row for row in rows if row["name"] == text]
    if not named and _is_prefix(text):
        named = [row for row in rows if row["assistant_id"].startswith(text.lower())]
    found = {row["assistant_id"]: row for row in named}
    return found[_only(list(found), text, "assistant")]


def find_assistant_id(client: ApiClient, text: str) -> str:
    """Return the id of the one assistant that is named; a whole id is taken as it is."""
    return _whole_id(text) or str(find_assistant(client, text)["assistant_id"])


def find_cron(client: ApiClient, text: str) -> Row:
    """Return the one cron whose id starts with `text`."""
    return dict(client.get(f"/runs/crons/{find_cron_id(client, text)}"))


def find_cron_id(client: ApiClient, text: str) -> str:
    """Return the id of the one cron whose id starts with `text`."""
    if whole := _whole_id(text):
        return whole
    prefix = _prefix(text, "cron")
    rows = search_crons(client, {"select": ["cron_id"]}, limit=_PREFIX_THREADS)
    return _starting_with(prefix, rows, text, "cron")


def list_webhooks(
    client: ApiClient, query: Mapping[str, Any], *, offset: int = 0, limit: int | None = None
) -> Iterator[Row]:
    """Yield deliveries of webhooks page by page, newest first; without a limit, all of them."""

    def read(size: int, start: int) -> list[Row]:
        return list(client.get("/webhooks", {**query, "limit": size, "offset": start}))

    yield from paged(read, size=_PAGE, offset=offset, limit=limit)


def find_webhook_id(client: ApiClient, text: str) -> str:
    """Return the id of the one delivery whose id starts with `text`."""
    if whole := _whole_id(text):
        return whole
    prefix = _prefix(text, "webhook")
    rows = list_webhooks(client, {}, limit=_PREFIX_THREADS)
    return _starting_with(prefix, rows, text, "webhook")


def _is_made_by_server(assistant: Row) -> bool:
    return bool((assistant.get("metadata") or {}).get("created_by") == "system")


def find_run(client: ApiClient, text: str, thread: str | None, threads: int) -> Row:
    """Return the one run whose id starts with `text`, of a thread or of the recent threads."""
    if text == LAST:
        return _last_run(client, thread, threads)
    whole = _whole_id(text)
    if whole and thread is None and (known := _run_by_id(client, whole)):
        return known
    if thread is not None:
        thread_id = find_thread_id(client, thread)
        if whole:
            return dict(client.get(f"/threads/{thread_id}/runs/{whole}"))
        rows = list(runs_of_thread(client, thread_id, limit=_PREFIX_RUNS))
    else:
        rows, _ = runs_of_recent_threads(client, threads=threads, limit=_PREFIX_RUNS)
    prefix = whole or _prefix(text, "run")
    found = {row["run_id"]: row for row in rows if row["run_id"].startswith(prefix)}
    return found[_only(list(found), text, "run")]


def _last_thread_id(client: ApiClient) -> str:
    """Return the thread that changed last."""
    newest = {"sort_by": "updated_at", "sort_order": "desc", "select": ["thread_id"]}
    for row in search_threads(client, newest, limit=1):
        return str(row["thread_id"])
    raise _nothing_yet("thread")


def _last_run(client: ApiClient, thread: str | None, threads: int) -> Row:
    """Return the run that was created last, of a thread or of the recent threads."""
    if thread is not None:
        rows = list(runs_of_thread(client, find_thread_id(client, thread), limit=1))
    else:
        rows, _ = runs_of_recent_threads(client, threads=threads, limit=1)
    if not rows:
        raise _nothing_yet("run")
    return max(rows, key=_made_at)


def _made_at(run: Row) -> tuple[str, float]:
    """Order runs by when they were made: a run that starts later has that as `created_at`."""
    run_id = str(run["run_id"])
    return run_id if run_id[14:15] == "7" else "", timestamp(run.get("created_at"))


def _nothing_yet(noun: str) -> CliError:
    return CliError(f"there is no {noun} yet", code="E_NOT_FOUND", exit_code=ExitCode.NOT_FOUND)


def _run_by_id(client: ApiClient, run_id: str) -> Row | None:
    """Ask for a run without its thread, which not every server can answer."""
    try:
        found = client.get(f"/runs/{run_id}")
    except CliError as exc:
        if exc.status in (404, 405):
            return None
        raise
    return dict(found) if isinstance(found, dict) and "run_id" in found else None


def _whole_id(text: str) -> str | None:
    try:
        return str(UUID(text))
    except ValueError:
        return None


def _prefix(text: str, noun: str) -> str:
    prefix = text.lower()
    if not _is_prefix(prefix):
        raise usage_error(
            f"{text!r} is not the id of a {noun}",
            f"give the whole id, or at least its first {_SHORTEST_PREFIX} characters",
        )
    return prefix


def _is_prefix(text: str) -> bool:
    return len(text) >= _SHORTEST_PREFIX and re.fullmatch(r"[0-9a-f-]+", text.lower()) is not None


def _starting_with(prefix: str, rows: Iterable[Row], text: str, noun: str) -> str:
    ids = [str(row[f"{noun}_id"]) for row in rows]
    return _only([one for one in ids if one.startswith(prefix)], text, noun)


def _only(found: list[str], text: str, noun: str) -> str:
    """Return the only id found; none and several are errors."""
    if len(found) == 1:
        return found[0]
    if not found:
        raise CliError(
            f"no {noun} {text}", code="E_NOT_FOUND", exit_code=ExitCode.NOT_FOUND,
            hint=f"list them: lgserve {noun}s list",
        )  # fmt: skip
    more = f"\nand {len(found) - _CANDIDATES_SHOWN} more" if len(found) > _CANDIDATES_SHOWN else ""
    raise CliError(
        f"{len(found)} {noun}s have an id that starts with {text}",
        code="E_AMBIGUOUS", exit_code=ExitCode.USAGE, hint="give more of the id",
        details="\n".join(found[:_CANDIDATES_SHOWN]) + more,
    )  # fmt: skip

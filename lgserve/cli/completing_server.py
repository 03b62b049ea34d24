"""Ids and names as a server tells them to a shell that completes; it need not be ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from lgserve.cli.arguments import dotted, parse_namespace
from lgserve.cli.client import ApiClient
from lgserve.cli.lookup import (
    find_thread_id,
    list_webhooks,
    runs_of_thread,
    search_assistants,
    search_crons,
    search_threads,
)
from lgserve.cli.store_items import items_in

Given = Mapping[str, Any]
_Asking = Callable[[ApiClient, Given, str], Iterator[tuple[str, str]]]

#: Of so many that changed last; of all where the beginning is known.
_RECENT = 100
#: Runs are asked for thread by thread.
_THREADS_OF_RUNS = 10
_LATEST = {"sort_by": "updated_at", "sort_order": "desc"}


def _threads(client: ApiClient, _: Given, incomplete: str) -> Iterator[tuple[str, str]]:
    body = {**_LATEST, "select": ["thread_id", "status"]}
    for row in search_threads(client, body, limit=None if incomplete else _RECENT):
        yield row["thread_id"], row["status"]


def _runs(client: ApiClient, given: Given, _: str) -> Iterator[tuple[str, str]]:
    if thread := given.get("thread"):
        threads = [find_thread_id(client, thread)]
    else:
        body = {**_LATEST, "select": ["thread_id"]}
        found = search_threads(client, body, limit=_THREADS_OF_RUNS)
        threads = [row["thread_id"] for row in found]
    for thread_id in threads:
        for run in runs_of_thread(client, thread_id, limit=_RECENT):
            yield run["run_id"], run["status"]


def _assistants(client: ApiClient, _: Given, __: str) -> Iterator[tuple[str, str]]:
    rows = list(search_assistants(client, {}))
    yield from _distinct((row["graph_id"], "graph") for row in rows)
    yield from ((row["assistant_id"], row["name"]) for row in rows)


def _graphs(client: ApiClient, _: Given, __: str) -> Iterator[tuple[str, str]]:
    yield from _distinct((row["graph_id"], "") for row in search_assistants(client, {}))


def _crons(client: ApiClient, _: Given, __: str) -> Iterator[tuple[str, str]]:
    for row in search_crons(client, {"select": ["cron_id", "schedule"]}):
        yield row["cron_id"], row["schedule"]


def _webhooks(client: ApiClient, _: Given, incomplete: str) -> Iterator[tuple[str, str]]:
    for row in list_webhooks(client, {}, limit=None if incomplete else _RECENT):
        yield row["webhook_id"], row["status"]


def _namespaces(client: ApiClient, _: Given, incomplete: str) -> Iterator[tuple[str, str]]:
    whole, _dot, _rest = incomplete.rpartition(".")
    body = {"limit": 1000, **({"prefix": parse_namespace(whole)} if whole else {})}
    for labels in client.query("/store/namespaces", body)["namespaces"]:
        yield dotted(labels), ""


def _keys(client: ApiClient, given: Given, _: str) -> Iterator[tuple[str, str]]:
    for item in items_in(client, parse_namespace(given["namespace"])):
        yield item["key"], ""


def _distinct(found: Iterator[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    yield from dict.fromkeys(found)


ASKING: Mapping[str, _Asking] = {
    "threads": _threads,
    "runs": _runs,
    "assistants": _assistants,
    "graphs": _graphs,
    "crons": _crons,
    "webhooks": _webhooks,
    "namespaces": _namespaces,
    "keys": _keys,
}

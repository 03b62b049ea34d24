"""Ids and names as a database file tells them to a shell that completes.

Read as they stand: a server for the file, as commands with `--db` start one, takes too long.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from typing import Any

from lgserve.cli.arguments import dotted, parse_namespace

#: Each takes :beginning, :thread and :namespace, and yields a value and what is said of it.
_QUERIES = {
    "threads": "SELECT thread_id, status FROM threads WHERE thread_id GLOB :beginning"
    " ORDER BY updated_at DESC",
    "runs": "SELECT run_id, status FROM runs WHERE run_id GLOB :beginning"
    " AND thread_id GLOB :thread ORDER BY created_at DESC",
    "assistants": "SELECT DISTINCT graph_id, 'graph' FROM assistants WHERE graph_id GLOB :beginning"
    " UNION ALL SELECT assistant_id, name FROM assistants WHERE assistant_id GLOB :beginning",
    "graphs": "SELECT DISTINCT graph_id, '' FROM assistants",
    "crons": "SELECT cron_id, schedule FROM crons WHERE cron_id GLOB :beginning",
    "webhooks": "SELECT webhook_id, status FROM webhook_deliveries"
    " WHERE webhook_id GLOB :beginning ORDER BY created_at DESC",
    "namespaces": "SELECT DISTINCT namespace, '' FROM store_items ORDER BY namespace",
    "keys": "SELECT key, '' FROM store_items WHERE namespace = :namespace"
    " AND key GLOB :beginning ORDER BY key",
}


def ids_in(
    connection: sqlite3.Connection, kind: str, given: Mapping[str, Any], incomplete: str
) -> Iterator[tuple[str, str]]:
    """Yield what a database has of a kind, with what is said of each."""
    labels = parse_namespace(given.get("namespace") or "") if kind == "keys" else []
    values = {
        "beginning": f"{incomplete}*",
        "thread": f"{given.get('thread') or ''}*",
        "namespace": b"".join(label.encode() + b"\0" for label in labels),
    }
    named = {name: value for name, value in values.items() if f":{name}" in _QUERIES[kind]}
    for value, about in connection.execute(_QUERIES[kind], named):
        yield _dotted(value) if kind == "namespaces" else value, about


def _dotted(namespace: bytes) -> str:
    return dotted([label.decode() for label in namespace.split(b"\0")[:-1]])

"""What the store commands share: reading items page by page, one item, and how they are written."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lgserve.cli.arguments import dotted
from lgserve.cli.client import ApiClient
from lgserve.cli.errors import CliError, ExitCode
from lgserve.cli.output import Column, Noun, Row
from lgserve.cli.paging import paged

_PAGE = 500


def _with_shown_fields(item: Row) -> Row:
    name = dotted(item.get("namespace") or ())
    return {**item, "dotted": name, "path": f"{name}/{item.get('key')}"}


ITEMS = Noun(
    id_field="path",
    columns=(
        Column(name="namespace", path="dotted"),
        Column(name="key", path="key"),
        Column(name="updated", path="updated_at", kind="time"),
        Column(name="value", path="value", kind="json"),
    ),
    fields=(
        "namespace", "key", "value", "metadata", "created_at", "updated_at", "expires_at", "score",
    ),
    derive=_with_shown_fields,
)  # fmt: skip


def search_items(
    client: ApiClient, body: Mapping[str, Any], *, offset: int = 0, limit: int | None = None
) -> Iterator[dict[str, Any]]:
    """Yield items page by page; looking at items does not keep them alive."""
    asked = {"refresh_ttl": False, **body}

    def read(size: int, start: int) -> list[dict[str, Any]]:
        page = {**asked, "limit": size, "offset": start}
        return list(client.query("/store/items/search", page)["items"])

    yield from paged(read, size=_PAGE, offset=offset, limit=limit)


def items_in(client: ApiClient, namespace: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield the items of one namespace, not those of the ones below it."""
    for item in search_items(client, {"namespace_prefix": list(namespace)}):
        if item["namespace"] == list(namespace):
            yield item


def get_item(
    client: ApiClient, namespace: Sequence[str], key: str, *, refresh: bool | None = None
) -> dict[str, Any] | None:
    """Return an item, or None when there is none; servers say that in two ways."""
    query: dict[str, Any] = {"namespace": ".".join(namespace), "key": key}
    if refresh is not None:
        query["refresh_ttl"] = str(refresh).lower()
    try:
        found = client.get("/store/items", query)
    except CliError as exc:
        if exc.exit_code is ExitCode.NOT_FOUND:
            return None
        raise
    return dict(found) if found else None


def missing_item(client: ApiClient, namespace: Sequence[str], key: str) -> CliError:
    """Return the error for an item that is not there, with the keys that look like it."""
    import difflib  # only when something was not found

    keys = [item["key"] for item, _ in zip(items_in(client, namespace), range(2_000), strict=False)]
    near = difflib.get_close_matches(key, keys, n=3, cutoff=0.5)
    near += [other for other in keys if other not in near and key and key in other]
    shown = near or keys[:3]
    name = dotted(namespace)
    about = f"{'similar keys' if near else 'keys there'}: {', '.join(shown[:5])} · " if keys else ""
    more = (
        f"list them: lgserve store list {name}"
        if keys
        else f"{name} has no items · lgserve store namespaces lists those that have"
    )
    return CliError(
        f'no item "{key}" in {name}',
        code="E_NOT_FOUND",
        exit_code=ExitCode.NOT_FOUND,
        hint=about + more,
    )


def switched_off(exc: Exception) -> CliError | None:
    """Put it into words when a server has no store: its searches and writes never answer 404."""
    if not isinstance(exc, CliError) or exc.status != 404 or "/store/" not in (exc.url or ""):
        return None
    return CliError(
        "the store is switched off on this server",
        code="E_NOT_FOUND",
        exit_code=ExitCode.NOT_FOUND,
        hint="http.disable_store in its config does that · lgserve info shows what is on",
    )


def bytes_of(value: Any) -> int:
    """Return how many bytes a value takes as JSON."""
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())

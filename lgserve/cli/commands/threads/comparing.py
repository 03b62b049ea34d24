"""What is different between two values of a state: by channel, by message, by item."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Change = dict[str, Any]
_MISSING = object()


def changes_between(before: Any, after: Any) -> list[Change]:
    """Return the changes from one state's values to another's.

    Each has `channel`, `change` (added, removed, changed), `item` (a message's id, a place in a
    list, or None for the channel itself), and of `before` and `after` what there was.
    """
    if not isinstance(before, Mapping | None) or not isinstance(after, Mapping | None):
        return list(_whole("__root__", before, after))
    old, new = before or {}, after or {}
    channels = [*old, *(name for name in new if name not in old)]
    return [
        change
        for name in channels
        for change in _of_channel(name, old.get(name, _MISSING), new.get(name, _MISSING))
    ]


def _of_channel(name: str, old: Any, new: Any) -> Iterator[Change]:
    if isinstance(old, list) and isinstance(new, list):
        if _have_ids([*old, *new]):
            return _by_id(name, old, new)
        return _by_place(name, old, new)
    return _whole(name, old, new)


def _whole(name: str, old: Any, new: Any) -> Iterator[Change]:
    if old is _MISSING:
        yield _change(name, "added", None, after=new)
    elif new is _MISSING:
        yield _change(name, "removed", None, before=old)
    elif old != new:
        yield _change(name, "changed", None, before=old, after=new)


def _have_ids(items: list[Any]) -> bool:
    """Tell whether these are messages, or other objects that an id tells apart."""
    return bool(items) and all(
        isinstance(item, Mapping) and isinstance(item.get("id"), str) for item in items
    )


def _by_id(name: str, old: list[Any], new: list[Any]) -> Iterator[Change]:
    was, now = ({item["id"]: item for item in items} for items in (old, new))
    for key, item in was.items():
        if key not in now:
            yield _change(name, "removed", key, before=item)
        elif now[key] != item:
            yield _change(name, "changed", key, before=item, after=now[key])
    for key, item in now.items():
        if key not in was:
            yield _change(name, "added", key, after=item)


def _by_place(name: str, old: list[Any], new: list[Any]) -> Iterator[Change]:
    """Compare what is between the common beginning and the common end."""
    shorter = min(len(old), len(new))
    start = next((i for i in range(shorter) if old[i] != new[i]), shorter)
    most = shorter - start
    end = next((i for i in range(most) if old[-1 - i] != new[-1 - i]), most)
    gone, come = old[start : len(old) - end], new[start : len(new) - end]
    for offset, (was, now) in enumerate(zip(gone, come, strict=False)):
        if was != now:
            yield _change(name, "changed", f"[{start + offset}]", before=was, after=now)
    common = min(len(gone), len(come))
    for offset, item in enumerate(gone[common:], start + common):
        yield _change(name, "removed", f"[{offset}]", before=item)
    for offset, item in enumerate(come[common:], start + common):
        yield _change(name, "added", f"[{offset}]", after=item)


def _change(channel: str, change: str, item: str | None, **sides: Any) -> Change:
    return {"channel": channel, "change": change, "item": item, **sides}


def without_ids(value: Any) -> Any:
    """Return a state's values without the ids of messages, which are new each time."""
    if isinstance(value, Mapping):
        return {name: _anonymous(item) for name, item in value.items()}
    return _anonymous(value)


def _anonymous(value: Any) -> Any:
    if isinstance(value, list):
        return [_anonymous(item) for item in value]
    if isinstance(value, Mapping) and "content" in value and "type" in value:
        return {name: item for name, item in value.items() if name != "id"}
    return value

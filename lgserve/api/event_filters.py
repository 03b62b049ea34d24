"""Which events of a thread a subscriber gets. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lgserve.api.command_bodies import Wanted
    from lgserve.services.event_views import ProtocolEvent

_NAMED = "custom:"


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """A choice by channel, and by place in the tree of graphs."""

    channels: frozenset[str]
    #: Names of custom events; they count only without the channel `custom`, which has them all.
    names: frozenset[str]
    prefixes: tuple[tuple[str, ...], ...]
    depth: int | None

    def shows(self, event: ProtocolEvent) -> bool:
        """Tell whether the subscriber gets the event."""
        return self._has_channel(event) and self._has_place(event.namespace)

    def _has_channel(self, event: ProtocolEvent) -> bool:
        if event.channel in self.channels:
            return True
        return event.channel == "custom" and bool(self.names) and event.custom_name in self.names

    def _has_place(self, namespace: Sequence[str]) -> bool:
        return any(
            _begins_with(namespace, prefix)
            and (self.depth is None or len(namespace) - len(prefix) <= self.depth)
            for prefix in self.prefixes
        )


def filter_of(wanted: Wanted) -> EventFilter:
    """Return the filter that is asked for; without namespaces it counts from the root."""
    return EventFilter(
        channels=frozenset(name for name in wanted.channels if not name.startswith(_NAMED)),
        names=frozenset(
            name.removeprefix(_NAMED) for name in wanted.channels if name.startswith(_NAMED)
        ),
        prefixes=tuple(tuple(namespace) for namespace in wanted.namespaces or [[]]),
        depth=wanted.depth,
    )


def _begins_with(namespace: Sequence[str], prefix: Sequence[str]) -> bool:
    """Compare segment by segment; one without a task's id stands for every task of its node."""
    return len(prefix) <= len(namespace) and all(
        given == wanted or (":" not in wanted and given.partition(":")[0] == wanted)
        for given, wanted in zip(namespace, prefix, strict=False)
    )

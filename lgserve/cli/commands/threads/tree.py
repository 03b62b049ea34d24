"""The history of a thread as a tree: the line that led to the latest state, forks, subgraphs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from lgserve.cli.output import Column, Noun

State = Mapping[str, Any]
Row = dict[str, Any]
#: Returns the states of a namespace of the thread, newest first.
ReadSubgraph = Callable[[str], Sequence[State]]

TREE = Noun(
    id_field="checkpoint_id",
    columns=(
        Column(name="checkpoint", path="checkpoint_id"),
        Column(name="parent", path="parent_checkpoint_id"),
        Column(name="namespace", path="checkpoint_ns"),
        Column(name="depth", path="depth", kind="number"),
        Column(name="step", path="step", kind="number"),
        Column(name="created", path="created_at", kind="time"),
    ),
    fields=(
        "checkpoint_id", "parent_checkpoint_id", "checkpoint_ns", "depth", "step", "source",
        "next", "wrote", "created_at", "latest",
    ),
)  # fmt: skip


def draw_tree(states: Sequence[State], read_subgraph: ReadSubgraph) -> list[Row]:
    """Return a row for each checkpoint, the oldest first; `text` is its line of the drawing."""
    return list(_Tree(states, "", read_subgraph).rows("", 0))


class _Tree:
    """The checkpoints of one namespace."""

    def __init__(self, states: Sequence[State], namespace: str, read: ReadSubgraph) -> None:
        self._states = {str(state["checkpoint_id"]): state for state in states}
        self._namespace = namespace
        self._read = read
        self._children: dict[str | None, list[str]] = {}
        for checkpoint_id in sorted(self._states):
            parent = _parent_id(self._states[checkpoint_id])
            known = parent if parent in self._states else None
            self._children.setdefault(known, []).append(checkpoint_id)
        self._main = self._line_of_latest()

    def rows(self, indent: str, depth: int) -> Iterator[Row]:
        """Yield the rows of all that has no parent here, each with what descends from it."""
        for root in self._children.get(None, ()):
            yield from self._walk(root, indent, indent, depth)

    def _line_of_latest(self) -> set[str]:
        line: set[str] = set()
        at = max(self._states, default=None)
        while at is not None and at in self._states and at not in line:
            line.add(at)
            at = _parent_id(self._states[at])
        return line

    def _walk(self, start: str, first: str, indent: str, depth: int) -> Iterator[Row]:
        """Go along a line; what forks off it is drawn where it does, before the line goes on."""
        at: str | None = start
        while at is not None:
            yield self._row(at, first, depth)
            yield from self._subgraphs(self._states[at], indent, depth)
            children = self._children.get(at, [])
            newest = children[-1] if children else None
            at = next((child for child in children if child in self._main), newest)
            for fork in children:
                if fork != at:
                    yield from self._walk(fork, f"{indent}├─", f"{indent}│ ", depth + 1)
            first = indent

    def _subgraphs(self, state: State, indent: str, depth: int) -> Iterator[Row]:
        for task in state.get("tasks") or ():
            namespace = _namespace_of(task)
            if namespace and namespace != self._namespace:
                inner = _Tree(self._read(namespace), namespace, self._read)
                yield from inner.rows(f"{indent}┊ {task.get('name')}: ", depth + 1)

    def _row(self, checkpoint_id: str, prefix: str, depth: int) -> Row:
        state = self._states[checkpoint_id]
        metadata = state.get("metadata") or {}
        tasks = state.get("tasks") or ()
        row = {
            "checkpoint_id": checkpoint_id,
            "parent_checkpoint_id": _parent_id(state),
            "checkpoint_ns": self._namespace,
            "depth": depth,
            "step": metadata.get("step"),
            "source": metadata.get("source"),
            "next": list(state.get("next") or ()),
            "wrote": list(dict.fromkeys(key for task in tasks for key in task.get("result") or ())),
            "created_at": state.get("created_at"),
            "latest": checkpoint_id == max(self._states),
        }
        return {**row, "text": f"{prefix}{_line(row, waits=bool(state.get('interrupts')))}"}


def _line(row: Row, *, waits: bool) -> str:
    parts = [f"● {row['checkpoint_id']}", f"step {row['step']}", str(row["source"] or "")]
    if row["next"]:
        parts.append(f"next {', '.join(row['next'])}")
    if row["wrote"]:
        parts.append(f"wrote {', '.join(row['wrote'])}")
    if waits:
        parts.append("waits")
    if row["latest"] and not row["checkpoint_ns"]:
        parts.append("(latest)")
    return "  ".join(part for part in parts if part)


def _parent_id(state: State) -> str | None:
    parent = state.get("parent_checkpoint") or {}
    found = state.get("parent_checkpoint_id") or parent.get("checkpoint_id")
    return str(found) if found else None


def _namespace_of(task: Mapping[str, Any]) -> str | None:
    """Return the namespace of the subgraph that a task runs, if it runs one."""
    checkpoint = task.get("checkpoint") or {}
    found = checkpoint.get("checkpoint_ns") or (checkpoint.get("configurable") or {}).get(
        "checkpoint_ns"
    )
    return str(found) if found else None

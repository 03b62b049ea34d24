"""Large values and their tails: whatever is stored, copied and deleted, every value comes back."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from lgserve.storage.channel_blobs import (
    Base,
    BlobRow,
    Shared,
    array_header,
    find_shared,
    insert_blob,
    pack,
    read_blob,
)
from lgserve.storage.checkpoint_encoding import encode_checkpoint, encode_values, encode_writes
from lgserve.storage.checkpoint_reader import CheckpointQuery, CheckpointReader
from lgserve.storage.checkpoint_removal import (
    copy_checkpoints,
    delete_checkpoints_of_runs,
    delete_thread_checkpoints,
    prune_checkpoints,
)
from lgserve.storage.checkpoint_rows import Change, latest_checkpoint_id, store_changes
from lgserve.storage.checkpoints import SqliteSaver
from lgserve.storage.database import SqliteDatabase
from lgserve.storage.matching import json_contains
from lgserve.storage.schema import migrate

SERDE = JsonPlusSerializer()
NEXT_VERSION = SqliteSaver(SqliteDatabase(Path("never opened"))).get_next_version


def connect() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.create_function("json_contains", 2, json_contains)
    migrate(connection)
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


elements = st.one_of(
    st.integers(-5, 5),
    st.sampled_from(["", "a" * 40, "b" * 1500, "c" * 5000]),
    st.dictionaries(st.sampled_from("xyz"), st.text(max_size=60), max_size=2),
    st.lists(st.none() | st.booleans(), max_size=3),
)


@given(st.lists(elements, max_size=20), st.lists(elements, max_size=40))
def test_the_tail_of_a_list_that_grew_is_the_encoding_of_its_new_elements(
    old: list[Any], new: list[Any]
) -> None:
    first = pack(*SERDE.dumps_typed(old), None)
    second = pack(*SERDE.dumps_typed(old + new), base_of(first, 1))
    assert (second.base_id, second.items, second.depth) == (1, len(old + new), 1)
    assert second.data == SERDE.dumps_typed(new)[1][len(array_header(len(new))) :]


@given(st.lists(elements, min_size=1, max_size=20), st.lists(elements, max_size=20))
def test_a_list_that_begins_differently_is_stored_whole(old: list[Any], new: list[Any]) -> None:
    changed = [["changed"], *old[1:], *new]
    row = pack(*SERDE.dumps_typed(changed), base_of(pack(*SERDE.dumps_typed(old), None), 1))
    assert (row.base_id, row.depth) == (None, 0)
    assert array_header(row.items) + row.data == SERDE.dumps_typed(changed)[1]


@given(elements.filter(lambda value: not isinstance(value, list)))
def test_what_is_no_list_is_stored_as_it_is(value: Any) -> None:
    kind, data = SERDE.dumps_typed(value)
    assert pack(kind, data, None) == BlobRow(None, 0, 0, None, 0, len(data), data)


def base_of(row: BlobRow, blob_id: int) -> Base:
    return Base(blob_id, row.items, row.size, row.digest, row.depth, row.whole)


@settings(max_examples=20)
@given(st.integers(1, 400), st.integers(0, 300))
def test_a_chain_is_compacted_before_its_tails_outweigh_it_twice(first: int, step: int) -> None:
    base: Base | None = None
    stored = 0
    items: list[str] = ["x" * first]
    with closing(connect()) as connection:
        for _ in range(300):
            row = pack(*SERDE.dumps_typed(items), base)
            blob_id = insert_blob(connection, row)
            base = base_of(row, blob_id)
            stored += len(row.data)
            assert read_blob(connection, blob_id)[0] == SERDE.dumps_typed(items)[1]
            items.append("y" * step)
    assert stored <= 4 * len(SERDE.dumps_typed(items)[1])


@given(st.binary(max_size=300), st.binary(max_size=300), st.binary(), st.binary(), st.integers())
def test_bytes_that_two_values_share_are_found(
    before: bytes, after: bytes, head: bytes, tail: bytes, seed: int
) -> None:
    common = Random(seed).randbytes(3000)
    data, other = before + common + after, head + common + tail
    shared = find_shared(data, other)
    assert shared is not None
    assert shared.length >= len(common)
    assert_left_out(data, other, shared)


@given(st.integers(1100, 4000), st.binary(max_size=99), st.binary(), st.sampled_from([1, 3, 7]))
def test_bytes_that_repeat_are_found_too(
    length: int, frame: bytes, head: bytes, period: int
) -> None:
    common = (bytes(range(period)) * length)[:length]
    data, other = frame + common, head + common + frame
    shared = find_shared(data, other)
    if shared is not None:
        assert_left_out(data, other, shared)
    assert shared is not None or length < 1500


@given(st.binary(max_size=4000), st.binary(max_size=4000))
def test_values_that_share_little_are_left_alone(data: bytes, other: bytes) -> None:
    shared = find_shared(data, other)
    if shared is not None:
        assert_left_out(data, other, shared)


def assert_left_out(data: bytes, other: bytes, shared: Shared) -> None:
    start, start_in_other, length = shared
    assert data[start : start + length] == other[start_in_other : start_in_other + length]
    assert length >= len(data) // 2


@given(st.none() | st.integers(0, 2**62) | st.floats(0, 1e15))
def test_versions_grow_and_fit_the_database(current: float | None) -> None:
    following = NEXT_VERSION(current, None)
    assert (current or 0) < following < 2**63
    assert isinstance(following, int)


def test_versions_grow_even_when_the_count_is_used_up() -> None:
    assert NEXT_VERSION(2**63 - 10, None) == 2**63 - 9


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_text_versions_of_other_savers_go_on_as_text(number: int, fraction: int) -> None:
    current = f"{number:032}.{fraction / 10**9:016}"
    assert current < NEXT_VERSION(current, None)
    assert current < NEXT_VERSION(f"{number:032}.0.2437", None) or not fraction


def test_forks_get_versions_of_their_own() -> None:
    assert len({NEXT_VERSION(1 << 40, None) for _ in range(100)}) == 100


def id_of(config: RunnableConfig | None) -> str | None:
    return None if config is None else str(config["configurable"]["checkpoint_id"])


@dataclass(frozen=True, kw_only=True)
class Known:
    """A checkpoint as it must be read."""

    id: str
    parent: str | None
    run: str
    values: dict[str, Any]
    versions: dict[str, Any]
    writes: dict[str, Any] = field(default_factory=dict)


class Checkpoints(RuleBasedStateMachine):
    """Threads that fork, are copied, pruned and deleted, beside a model of them."""

    def __init__(self) -> None:
        super().__init__()
        self.connection = connect()
        self.threads: dict[str, dict[str, Known]] = {}
        self.made = 0

    def name(self, what: str) -> str:
        self.made += 1
        return f"{what}-{self.made:04}"

    def config(self, thread: str, checkpoint: str | None) -> RunnableConfig:
        return {"configurable": {"thread_id": thread, "checkpoint_id": checkpoint}}

    @rule()
    def create(self) -> None:
        if len(self.threads) < 4:
            self.threads[self.name("thread")] = {}

    @precondition(lambda self: self.threads)
    @rule(data=st.data(), items=st.lists(elements, max_size=4), cut=st.integers(0, 3))
    def put(self, data: st.DataObject, items: list[Any], cut: int) -> None:
        thread = data.draw(st.sampled_from(sorted(self.threads)))
        parent = data.draw(st.sampled_from([None, *self.threads[thread].values()]))
        old = parent.values.get("items", []) if parent else []
        values = {"items": (old[:-cut] if cut and not items else old) + items, "n": len(old)}
        versions = dict(parent.versions) if parent else {}
        new = dict.fromkeys(values, NEXT_VERSION(max(versions.values(), default=None), None))
        known = Known(
            id=self.name("checkpoint"),
            parent=parent.id if parent else None,
            run=data.draw(st.sampled_from(["run-1", "run-2", "run-3"])),
            values=values,
            versions=versions | new,
        )
        if parent and items:
            self.write(thread, parent, f"task of {known.id}", items)
        self.store(thread, known, new)

    def store(self, thread: str, known: Known, new: dict[str, Any]) -> None:
        checkpoint = empty_checkpoint()
        checkpoint["id"] = known.id
        checkpoint["channel_values"] = known.values
        checkpoint["channel_versions"] = known.versions
        config = self.config(thread, known.parent)
        run = f"{thread} {known.run}"
        row = encode_checkpoint(SERDE, config, checkpoint, {"step": 1}, run)
        values = encode_values(SERDE, checkpoint, new)
        store_changes(self.connection, [Change(row, values, ())])
        self.threads[thread][known.id] = replace(known, run=run)

    def write(self, thread: str, known: Known, task: str, items: list[Any]) -> None:
        config = self.config(thread, known.id)
        writes = encode_writes(SERDE, config, [("items", items)], task, "", None)
        store_changes(self.connection, [Change(None, (), writes)])
        kept = {**self.threads[thread][known.id].writes, task: items}
        self.threads[thread][known.id] = replace(self.threads[thread][known.id], writes=kept)

    @precondition(lambda self: self.threads)
    @rule(data=st.data())
    def copy(self, data: st.DataObject) -> None:
        source = data.draw(st.sampled_from(sorted(self.threads)))
        target = self.name("thread")
        copy_checkpoints(self.connection, source, target)
        self.threads[target] = {
            key: replace(known, run="") for key, known in self.threads[source].items()
        }

    @precondition(lambda self: self.threads)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        thread = data.draw(st.sampled_from(sorted(self.threads)))
        delete_thread_checkpoints(self.connection, thread)
        del self.threads[thread]

    @precondition(lambda self: self.threads)
    @rule(data=st.data(), run=st.sampled_from(["run-1", "run-2", "run-3"]))
    def delete_run(self, data: st.DataObject, run: str) -> None:
        thread = data.draw(st.sampled_from(sorted(self.threads)))
        delete_checkpoints_of_runs(self.connection, [f"{thread} {run}"])
        kept = self.threads[thread].items()
        self.threads[thread] = {k: v for k, v in kept if v.run != f"{thread} {run}"}

    @precondition(lambda self: self.threads)
    @rule(data=st.data())
    def prune(self, data: st.DataObject) -> None:
        thread = data.draw(st.sampled_from(sorted(self.threads)))
        prune_checkpoints(self.connection, thread)
        latest = max(self.threads[thread], default="")
        kept = self.threads[thread].get(latest)
        self.threads[thread] = {latest: replace(kept, parent=None)} if kept else {}

    @invariant()
    def every_checkpoint_is_read_as_it_was_put(self) -> None:
        for thread, checkpoints in self.threads.items():
            query = CheckpointQuery(thread_id=thread, checkpoint_ns="")
            page = CheckpointReader(SERDE).page(self.connection, query, None, 1000)
            assert [
                Known(
                    id=found.checkpoint["id"],
                    parent=id_of(found.parent_config),
                    run=checkpoints[found.checkpoint["id"]].run,
                    values=found.checkpoint["channel_values"],
                    versions=found.checkpoint["channel_versions"],
                    writes={task: value for task, _, value in found.pending_writes or []},
                )
                for found in page.tuples
            ] == [checkpoints[key] for key in sorted(checkpoints, reverse=True)]
            latest = latest_checkpoint_id(self.connection, thread)
            assert latest == max(checkpoints, default=None)
            one = CheckpointReader(SERDE).find(self.connection, (thread, ""), latest)
            assert (one and one[:2]) == (page.tuples[0][:2] if page.tuples else None)

    @invariant()
    def nothing_is_kept_that_nothing_needs(self) -> None:
        rows = self.connection.execute(
            "SELECT blob_id FROM channel_blobs EXCEPT SELECT blob_id FROM channel_versions"
            " EXCEPT SELECT blob_id FROM checkpoint_writes"
            " EXCEPT SELECT base_id FROM channel_blobs"
        ).fetchall()
        assert rows == []
        if not self.threads:
            for table in ("checkpoints", "channel_versions", "channel_blobs", "checkpoint_writes"):
                assert self.connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)

    def teardown(self) -> None:
        self.connection.close()


Checkpoints.TestCase.settings = settings(max_examples=100, stateful_step_count=40)
TestCheckpoints = Checkpoints.TestCase

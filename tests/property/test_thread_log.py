"""A thread's log, whatever happens: its reader sees each event once, in order, cuts or not."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from lgserve.brokers.local import LocalRunStreams
from lgserve.core.errors import UnavailableError
from lgserve.core.models import EMPTY_OBJECT, Run, RunResult, ThreadEvent, ThreadPosition
from lgserve.core.ports import RunLog, RunStreams, ThreadFollower
from lgserve.engine.tasks import TaskSet
from tests.conformance.rows import frame
from tests.conformance.storages import STORAGES, Tables, on_tables

RESULT = RunResult(body=EMPTY_OBJECT, status="success")
Place = tuple[int, int]
#: No process starts faster; how long it took tells later attempts' events from earlier ones'.
_RESTART_SECONDS = 0.03

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("begin"), st.booleans()),
        st.tuples(st.just("say"), st.integers(1, 5)),
        st.tuples(st.just("end"), st.booleans()),
        st.tuples(st.just("retry"), st.none()),
        st.tuples(st.just("state"), st.none()),
        st.tuples(st.just("cut"), st.none()),
        st.tuples(st.just("restart"), st.none()),
        st.tuples(st.just("pause"), st.integers(1, 4)),
    ),
    max_size=25,
)


@dataclass
class Reader:
    """A client that follows a thread, and comes back with the last position it has seen."""

    thread_id: str
    follower: ThreadFollower | None = None
    reading: asyncio.Task[None] | None = None
    last: ThreadPosition | None = None
    #: None where it came back.
    seen: list[ThreadEvent | None] = field(default_factory=list)
    more: asyncio.Event = field(default_factory=asyncio.Event)

    async def join(self, streams: RunStreams) -> None:
        self.follower = await streams.follow_thread(self.thread_id, self.last)
        self.seen.append(None)
        self.reading = asyncio.ensure_future(self._read(self.follower))

    async def _read(self, follower: ThreadFollower) -> None:
        with contextlib.suppress(UnavailableError):
            async for batch in follower:
                for item in batch:
                    self.seen.append(item)
                    self.last = item.position or self.last
                self.more.set()

    async def leave(self) -> None:
        assert self.reading is not None
        assert self.follower is not None
        self.reading.cancel()
        await asyncio.gather(self.reading, return_exceptions=True)
        self.follower.close()


@dataclass
class Server:
    """A thread's runs, one after the other, and what a reader has a right to see."""

    tables: Tables
    streams: LocalRunStreams
    reader: Reader
    run: Run | None = None
    log: RunLog | None = None
    said: int = 0
    #: Whether the reader has been there since the run began.
    attended: bool = False
    due: list[Place] = field(default_factory=list)
    current: list[Place] = field(default_factory=list)

    async def begin(self, resumable: bool) -> None:
        if self.run is None:
            self.run = await self.tables.run(self.reader.thread_id, "me", resumable=resumable)
            self.log = await self.streams.resume(self.run)
            self.said, self.attended, self.current = 0, True, []
            await self.say(1)  # as every run does

    async def say(self, count: int) -> None:
        if self.run is not None and self.log is not None:
            for _ in range(count):
                self.said += 1
                self.log.append("custom", frame(self.said))
                self.current.append((self.run.epoch, self.said))
            await self.log.flush()

    async def end(self, rollback: bool) -> None:
        if self.run is not None:
            run, self.run = self.run, None
            rollback = rollback and run.resumable
            await self.tables.finish(run, rollback=rollback)
            await self.streams.close(run.run_id, RESULT)
            if not rollback and (run.resumable or self.attended):
                self.due += [*self.current, (run.epoch + 1, 0)]

    async def retry(self, _: None) -> None:
        if self.run is not None:
            run_id = self.run.run_id
            await self.tables.runs(lambda runs: runs.requeue(run_id, "me"))
            self.streams.break_off(run_id)
            await self._claim()

    async def state(self, _: None) -> None:
        if self.run is None:
            thread_id = self.reader.thread_id
            epoch = await self.tables.storage.write(lambda tx: tx.threads.advance_epoch(thread_id))
            self.streams.tell_thread(thread_id, epoch, "state_update", frame(1))

    async def cut(self, _: None) -> None:
        await self.reader.leave()
        await self.reader.join(self.streams)
        self.attended = False

    async def restart(self, _: None) -> None:
        self.streams.break_off_all()
        await self.reader.leave()
        self.streams = LocalRunStreams(self.tables.storage, self.tables.clock, self.streams.spawn)
        await asyncio.sleep(_RESTART_SECONDS)
        await self.tables.runs(lambda runs: runs.requeue_all_except([], 1000))
        await self.reader.join(self.streams)
        if self.run is not None:
            await self._claim()

    async def pause(self, turns: int) -> None:
        for _ in range(turns):
            await asyncio.sleep(0)

    async def _claim(self) -> None:
        (self.run,) = await self.tables.runs(lambda runs: runs.claim("me", 1))
        self.log = await self.streams.resume(self.run)
        self.attended = False
        if not self.run.resumable:  # a second attempt has numbers of its own
            self.said, self.current = 0, []


@settings(max_examples=60, deadline=None)
@given(steps=STEPS)
def test_a_reader_sees_each_event_of_a_thread_once_in_order(
    steps: list[tuple[str, object]],
) -> None:
    async def scenario(tables: Tables) -> None:
        tasks = TaskSet()
        reader = Reader(await tables.thread())
        streams = LocalRunStreams(tables.storage, tables.clock, tasks.spawn)
        server = Server(tables, streams, reader)
        await reader.join(streams)
        for name, argument in steps:
            await getattr(server, name)(argument)
        await server.end(False)
        await begin_and_end(server)
        async with asyncio.timeout(10):
            while not reader.last or reader.last < server.due[-1]:
                reader.more.clear()
                await reader.more.wait()
        await reader.leave()
        await tasks.stop()
        check(reader.seen, server.due)

    on_tables(STORAGES["sqlite"], scenario)


async def begin_and_end(server: Server) -> None:
    """Have one more run, by whose end the reader has come to the end of all."""
    await server.begin(True)
    await server.end(False)


def check(seen: list[ThreadEvent | None], due: list[Place]) -> None:
    places = [item.position for item in seen if item and item.position and item.kind != "begin"]
    assert places == sorted(set(places))
    assert [place for place in due if place not in set(places)] == []
    within: str | None = None
    for item in seen:
        if item is None:
            within = None
        elif item.kind == "begin":
            assert item.run is not None
            assert within is None
            within = item.run.run_id
        elif item.kind == "state":
            assert within is None
        else:
            assert item.run is not None
            assert item.run.run_id == within
            within = None if item.kind == "end" else within

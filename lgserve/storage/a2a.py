"""Tasks of A2A, in SQL: which runs they are of, and who is told of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lgserve.core.a2a import A2aPush, A2aTask, A2aTaskFilter, A2aTurn
from lgserve.core.clock import to_iso
from lgserve.core.models import EVERYTHING, Json, Scope, Settlement
from lgserve.storage.a2a_news import news_of
from lgserve.storage.filters import Where
from lgserve.storage.seals import PLAIN
from lgserve.storage.thread_lifetimes import VISIBLE

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from lgserve.core.models import Run
    from lgserve.core.ports import Clock, Threads, Webhooks

_NEWER = (
    "EXISTS (SELECT 1 FROM runs AS newer WHERE newer.thread_id = runs.thread_id"
    " AND (newer.created_at, newer.run_id) > (runs.created_at, runs.run_id))"
)
#: Questions wait as long as nothing else has been done with the thread.
_ASKS = f"(threads.settled_status = 'interrupted' AND NOT {_NEWER})"


def _state(waits: str, first: str) -> str:
    """Return the expression for a task's state by its latest run."""
    return (
        "CASE runs.status"
        f" WHEN 'pending' THEN CASE WHEN {first} THEN 'submitted' ELSE 'working' END"
        " WHEN 'running' THEN 'working'"
        f" WHEN 'success' THEN CASE WHEN ({waits}) = 0 THEN 'completed'"
        f" WHEN ({waits}) = 1 AND {_ASKS} THEN 'input-required' ELSE 'canceled' END"
        " WHEN 'interrupted' THEN 'canceled' ELSE 'failed' END"
    )


_KNOWN_STATE = _state("turns.waiting", "turns.run_id = tasks.task_id")
_COLUMNS = (
    "tasks.task_id, turns.run_id, tasks.thread_id, tasks.assistant_id, tasks.context_id,"
    f" {_KNOWN_STATE} AS state, runs.updated_at"
)
_TABLES = (
    "a2a_tasks AS tasks JOIN threads USING (thread_id) JOIN a2a_turns AS turns ON turns.number ="
    " (SELECT max(number) FROM a2a_turns WHERE task_id = tasks.task_id)"
    " JOIN runs ON runs.run_id = turns.run_id"
)
#: A run that nobody asked for over A2A, seen as a task.
_PLAIN = (
    "runs.run_id, runs.run_id, runs.thread_id, runs.assistant_id, runs.thread_id,"
    f" {_state(_ASKS, '1')} AS state, runs.updated_at"
)
#: A task goes with its thread, in the moment in which that expires.
_VISIBLE = (
    f"EXISTS (SELECT 1 FROM threads AS kept WHERE kept.thread_id = runs.thread_id AND {VISIBLE})"
)
_PUSH = "config_id, version, url, token, scheme, credentials"


class SqliteA2aTasks:
    """See `lgserve.core.ports.A2aTasks`."""

    def __init__(
        self, connection: sqlite3.Connection, clock: Clock, threads: Threads, webhooks: Webhooks
    ) -> None:
        self._db = connection
        self._clock = clock
        self._threads = threads
        self._webhooks = webhooks
        self.seals = PLAIN

    def find(self, thread_id: str, first_run_id: str, scope: Scope) -> A2aTask | None:
        """Return the task, or the run that can be seen as one."""
        where = self._visible(scope)
        where.add("tasks.task_id = ? AND tasks.thread_id = ?", first_run_id, thread_id)
        row = self._db.execute(
            f"SELECT {_COLUMNS} FROM {_TABLES}{where.sql}", where.parameters
        ).fetchone()
        return self._find_plain(thread_id, first_run_id, scope) if row is None else _task(row)

    def _find_plain(self, thread_id: str, run_id: str, scope: Scope) -> A2aTask | None:
        where = self._visible(scope)
        where.add("runs.run_id = ? AND runs.thread_id = ?", run_id, thread_id)
        where.add("NOT EXISTS (SELECT 1 FROM a2a_turns WHERE a2a_turns.run_id = runs.run_id)")
        row = self._db.execute(
            f"SELECT {_PLAIN} FROM runs JOIN threads USING (thread_id){where.sql}", where.parameters
        ).fetchone()
        return None if row is None else _task(row, known=False)

    def adopt(self, task: A2aTask) -> None:
        """Make a run that can be seen as a task one, if it is none yet."""
        if not task.known:
            self._add_task(task)
            turn = A2aTurn(
                run_id=task.run_id, first_run_id=task.first_run_id, message=None, position=None
            )
            self.add_turn(turn)
            if task.state == "input-required":
                self._set_waiting(task.run_id, 1)

    def insert(self, task: A2aTask, turn: A2aTurn) -> None:
        """Add a task with its first turn."""
        self._add_task(task)
        self.add_turn(turn)

    def _add_task(self, task: A2aTask) -> None:
        self._db.execute(
            "INSERT INTO a2a_tasks (task_id, thread_id, assistant_id, context_id) VALUES (?,?,?,?)"
            " ON CONFLICT DO NOTHING",
            (task.first_run_id, task.thread_id, task.assistant_id, task.context_id),
        )

    def add_turn(self, turn: A2aTurn) -> None:
        """Add a turn to a task."""
        self._db.execute(
            "INSERT INTO a2a_turns (run_id, task_id, message, position) VALUES (?,?,?,?)"
            " ON CONFLICT DO NOTHING",
            (
                turn.run_id,
                turn.first_run_id,
                self.seals.seal_json("run", "message", turn.message),
                turn.position,
            ),
        )

    def turns(self, task: A2aTask) -> list[A2aTurn]:
        """Return all turns of a task's thread up to its latest one, oldest first."""
        rows = self._db.execute(
            "SELECT run_id, task_id, message, position FROM a2a_turns WHERE task_id IN"
            " (SELECT task_id FROM a2a_tasks WHERE thread_id = ?) AND number <="
            " (SELECT number FROM a2a_turns WHERE run_id = ?) ORDER BY number",
            (task.thread_id, task.run_id),
        )
        return [self._turn(row) for row in rows]

    def _turn(self, row: Sequence[Any]) -> A2aTurn:
        return A2aTurn(
            run_id=row[0],
            first_run_id=row[1],
            message=self.seals.open_json("run", "message", row[2]),
            position=row[3],
        )

    def search(
        self, assistant_id: str, where: A2aTaskFilter, limit: int, scope: Scope
    ) -> list[A2aTask]:
        """Return matching tasks, the latest to change first."""
        clause = self._where(assistant_id, where, scope)
        if where.behind is not None:
            clause.add("(runs.updated_at, tasks.task_id) < (?, ?)", *where.behind)
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM {_TABLES}{clause.sql}"
            " ORDER BY runs.updated_at DESC, tasks.task_id DESC LIMIT ?",
            (*clause.parameters, limit),
        )
        return [_task(row) for row in rows]

    def count(self, assistant_id: str, where: A2aTaskFilter, scope: Scope) -> int:
        """Return how many match, wherever in the list."""
        clause = self._where(assistant_id, where, scope)
        (total,) = self._db.execute(
            f"SELECT count(*) FROM {_TABLES}{clause.sql}", clause.parameters
        ).fetchone()
        return int(total)

    def run_ended(self, run: Run, end: Settlement) -> None:
        """Note whether a turn ended with questions, and write what is to be told of that."""
        if end.status == "success" and end.has_next and not end.rollback:
            self._set_waiting(run.run_id, 1)
        if not self._is_told(run.run_id):
            return
        task = self._ended(run, end)
        thread = None if task is None else self._threads.find(task.thread_id, EVERYTHING)
        if task is not None and thread is not None:
            self._tell(task, end, thread.metadata)

    def give_up(self, task: A2aTask) -> None:
        """End a task that waits for an answer."""
        self._set_waiting(task.run_id, 2)
        thread = self._threads.find(task.thread_id, EVERYTHING)
        if thread is not None:
            ended = replace(task, state="canceled", status_at=self._now())
            self._tell(ended, Settlement(status="interrupted"), thread.metadata)

    def put_push(self, first_run_id: str, push: A2aPush) -> None:
        """Add somebody who is told of a task, in the place of who has this name."""
        self._db.execute(
            f"INSERT OR REPLACE INTO a2a_pushes (task_id, {_PUSH}) VALUES (?,?,?,?,?,?,?)",
            (
                first_run_id,
                push.config_id,
                push.version,
                push.url,
                self._sealed(push.token),
                push.scheme,
                self._sealed(push.credentials),
            ),
        )

    def pushes(self, first_run_id: str) -> list[A2aPush]:
        """Return who is told of a task."""
        rows = self._db.execute(
            f"SELECT {_PUSH} FROM a2a_pushes WHERE task_id = ? ORDER BY config_id", (first_run_id,)
        )
        return [self._push(row) for row in rows]

    def _push(self, row: Sequence[Any]) -> A2aPush:
        return A2aPush(
            config_id=row[0],
            version=row[1],
            url=row[2],
            token=self._opened(row[3]),
            scheme=row[4],
            credentials=self._opened(row[5]),
        )

    def _sealed(self, text: str | None) -> bytes | None:
        return None if text is None else self.seals.seal("run", "push", text.encode())

    def _opened(self, data: bytes | None) -> str | None:
        return None if data is None else self.seals.open("run", "push", data).decode()

    def delete_push(self, first_run_id: str, config_id: str) -> None:
        """Tell somebody no more."""
        self._db.execute(
            "DELETE FROM a2a_pushes WHERE task_id = ? AND config_id = ?", (first_run_id, config_id)
        )

    def _is_told(self, run_id: str) -> bool:
        row = self._db.execute(
            "SELECT 1 FROM a2a_turns JOIN a2a_pushes USING (task_id) WHERE run_id = ? LIMIT 1",
            (run_id,),
        ).fetchone()
        return row is not None

    def _ended(self, run: Run, end: Settlement) -> A2aTask | None:
        """Return the task whose latest turn a run was, as it stands with its end."""
        row = self._db.execute(
            f"SELECT {_COLUMNS} FROM {_TABLES} WHERE turns.run_id = ?", (run.run_id,)
        ).fetchone()
        return None if row is None else _settled(_task(row), end, self._now())

    def _tell(self, task: A2aTask, end: Settlement, metadata: Json) -> None:
        turns = self.turns(task)
        for push in self.pushes(task.first_run_id):
            self._webhooks.add(news_of(task, end, turns, push, metadata))

    def _set_waiting(self, run_id: str, waiting: int) -> None:
        self._db.execute("UPDATE a2a_turns SET waiting = ? WHERE run_id = ?", (waiting, run_id))

    def _visible(self, scope: Scope) -> Where:
        where = Where([_VISIBLE], [self._now()])
        where.add_scope("threads.metadata", scope)
        return where

    def _where(self, assistant_id: str, wanted: A2aTaskFilter, scope: Scope) -> Where:
        where = self._visible(scope)
        where.add("tasks.assistant_id = ?", assistant_id)
        where.add_contains("threads.metadata", wanted.metadata)
        if wanted.context_id is not None:
            named = wanted.context_id
            where.add("(tasks.context_id = ? OR tasks.thread_id = ?)", named, named)
        if wanted.state is not None:
            where.add(f"{_KNOWN_STATE} = ?", wanted.state)
        if wanted.since is not None:
            where.add("runs.updated_at >= ?", wanted.since)
        return where

    def _now(self) -> str:
        return to_iso(self._clock.now())


def _settled(task: A2aTask, end: Settlement, now: str) -> A2aTask:
    """Return a task whose latest run ends now, in the state it is in then."""
    state = {"success": "completed", "interrupted": "canceled"}.get(end.status, "failed")
    if end.status == "success" and end.has_next:
        state = "input-required"
    if end.rollback:
        state = "canceled"
    return replace(task, state=state, status_at=now)  # type: ignore[arg-type]


def _task(row: tuple[Any, ...], *, known: bool = True) -> A2aTask:
    return A2aTask(
        first_run_id=row[0],
        run_id=row[1],
        thread_id=row[2],
        assistant_id=row[3],
        context_id=row[4],
        state=row[5],
        status_at=row[6],
        known=known,
    )

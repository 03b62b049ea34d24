"""Crons fire: on time, once, as they were asked to; and what becomes of it is told."""

from __future__ import annotations

import sqlite3
import time
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from lgserve.core.ids import system_assistant_id
from tests.api.conftest import served
from tests.api.cron_tools import (
    EVERY_SECOND,
    SELDOM,
    Json,
    at,
    create,
    delete,
    fired,
    firings,
    in_seconds,
    moment,
    patch,
    until,
)

#: On an idle server; the machine of the tests is none.
ON_TIME = timedelta(milliseconds=500)


def new_thread(http: httpx.Client) -> str:
    return str(http.post("/threads", json={}).json()["thread_id"])


def runs_of(http: httpx.Client, thread_id: str) -> list[Json]:
    found: list[Json] = http.get(f"/threads/{thread_id}/runs").json()
    return found


def ended(http: httpx.Client, run_id: str) -> Json:
    """Wait for a run's end and return it."""
    assert http.get(f"/runs/{run_id}/join").status_code == 200
    found: Json = http.get(f"/runs/{run_id}").json()
    return found


def test_a_cron_fires_each_time_it_is_due_and_on_time(http: httpx.Client) -> None:
    cron = create(http, schedule=EVERY_SECOND)
    found = fired(http, cron, 3)
    delete(http, cron)

    dues = [moment(firing["due_at"]) for firing in found][::-1]
    assert dues == [dues[0] + timedelta(seconds=n) for n in range(len(dues))]
    for firing in found:
        late = moment(firing["fired_at"]) - moment(firing["due_at"])
        assert timedelta() <= late < ON_TIME
        assert (firing["outcome"], firing["manual"], firing["error"]) == ("fired", False, None)


def test_a_cron_without_a_thread_makes_one_each_time_and_leaves_it_if_asked_to(
    http: httpx.Client,
) -> None:
    mark = str(uuid4())
    cron = create(http, schedule=EVERY_SECOND, metadata={"mark": mark}, on_run_completed="keep")
    found = fired(http, cron, 2)
    delete(http, cron)

    assert len({firing["thread_id"] for firing in found}) == len(found)
    run = ended(http, found[0]["run_id"])
    assert run["status"] == "success"
    assert run["metadata"]["mark"] == mark
    assert run["kwargs"]["config"]["configurable"]["cron_id"] == cron["cron_id"]
    thread = http.get(f"/threads/{found[0]['thread_id']}").json()
    echo = system_assistant_id("echo")
    assert thread["metadata"] == {"graph_id": "echo", "assistant_id": echo, "mark": mark}
    assert thread["values"]["text"] == "x"
    assert runs_of(http, found[0]["thread_id"])[0]["run_id"] == found[0]["run_id"]


def test_its_threads_go_with_their_runs_unless_they_are_to_be_kept(http: httpx.Client) -> None:
    cron = create(http, schedule=at(in_seconds(2)))
    thread_id = fired(http, cron)[0]["thread_id"]

    until(lambda: http.get(f"/threads/{thread_id}").status_code == 404)
    assert firings(http, cron)[0]["run_status"] is None
    assert http.get(f"/runs/crons/{cron['cron_id']}").json()["next_run_date"] is None


def test_a_cron_of_a_thread_runs_on_it_with_all_that_it_was_given(http: httpx.Client) -> None:
    thread_id = new_thread(http)
    cron = create(
        http, thread_id, schedule=at(in_seconds(2)), metadata={"m": 1}, assistant_id="show",
        config={"tags": ["t"], "configurable": {"c": 1}, "recursion_limit": 7},
        stream_mode=["updates", "values"], stream_subgraphs=True, stream_resumable=True,
        multitask_strategy="interrupt", durability="sync", interrupt_after=["nothing"],
    )  # fmt: skip
    run = ended(http, fired(http, cron)[0]["run_id"])

    kwargs = run["kwargs"]
    assert run["thread_id"] == thread_id
    assert run["multitask_strategy"] == "interrupt"
    assert kwargs["input"] == {"text": "x"}
    assert kwargs["config"]["tags"] == ["t"]
    assert kwargs["config"]["recursion_limit"] == 7
    assert kwargs["config"]["configurable"]["c"] == 1
    assert kwargs["config"]["configurable"]["cron_id"] == cron["cron_id"]
    assert kwargs["stream_mode"] == ["updates", "values"]
    assert (kwargs["subgraphs"], kwargs["resumable"], kwargs["durability"]) == (True, True, "sync")
    assert kwargs["interrupt_after"] == ["nothing"]
    assert kwargs["temporary"] is False


def test_context_reaches_the_run_beside_the_cron_s_id(http: httpx.Client) -> None:
    cron = create(http, context={"c": 1}, on_run_completed="keep")
    run = http.post(f"/runs/crons/{cron['cron_id']}/trigger").json()

    assert run["kwargs"]["context"] == {"c": 1}
    assert run["kwargs"]["config"]["configurable"]["cron_id"] == cron["cron_id"]


def test_a_thread_that_is_busy_is_respected_as_the_strategy_says(http: httpx.Client) -> None:
    thread_id = new_thread(http)
    body = {"assistant_id": "slow", "input": {"seconds": 60}}
    busy = http.post(f"/threads/{thread_id}/runs", json=body).json()["run_id"]
    when = at(in_seconds(2))
    rejecting = create(http, thread_id, schedule=when, multitask_strategy="reject")
    queueing = create(http, thread_id, schedule=when)

    refused = fired(http, rejecting)[0]
    assert (refused["outcome"], refused["run_id"]) == ("failed", None)
    assert refused["error"]["error"] == "ConflictError"
    waiting = fired(http, queueing)[0]
    assert (waiting["outcome"], waiting["run_status"]) == ("fired", "pending")
    http.post(f"/threads/{thread_id}/runs/{busy}/cancel")
    assert ended(http, waiting["run_id"])["status"] == "success"


def test_a_paused_cron_does_not_fire_and_goes_on_from_now_when_it_is_resumed(
    http: httpx.Client,
) -> None:
    cron = create(http, schedule=EVERY_SECOND, enabled=False)
    other = create(http, schedule=at(in_seconds(3)))
    fired(http, other)
    assert firings(http, cron) == []

    resumed = patch(http, cron, enabled=True)
    assert moment(resumed["next_run_date"]) > moment(resumed["updated_at"])
    first = fired(http, cron)[-1]
    delete(http, cron)
    assert moment(first["due_at"]) > moment(resumed["updated_at"])


def test_a_cron_ends_at_its_end_and_others_go_on(http: httpx.Client) -> None:
    end = in_seconds(3)
    ending = create(http, schedule=EVERY_SECOND, end_time=end.isoformat())
    other = create(http, schedule=at(end + timedelta(seconds=2)))
    fired(http, other)

    dues = [moment(firing["due_at"]) for firing in firings(http, ending)]
    assert dues[0] == end
    assert http.get(f"/runs/crons/{ending['cron_id']}").json()["next_run_date"] is None


def test_a_change_of_schedule_is_heard_at_once(http: httpx.Client) -> None:
    cron = create(http, schedule=SELDOM)
    due = in_seconds(2)
    patch(http, cron, schedule=at(due))

    assert moment(fired(http, cron)[0]["due_at"]) == due


def test_a_cron_is_fired_by_hand_beside_its_schedule(http: httpx.Client) -> None:
    cron = create(http, enabled=False, on_run_completed="keep")
    path = f"/runs/crons/{cron['cron_id']}/trigger"
    answer = http.post(path)

    run = answer.json()
    assert (answer.status_code, run["status"]) == (200, "pending")
    place = f"/threads/{run['thread_id']}/runs/{run['run_id']}"
    assert answer.headers["content-location"] == place
    assert ended(http, run["run_id"])["status"] == "success"
    (firing,) = firings(http, cron)
    assert (firing["manual"], firing["run_id"], firing["run_status"]) == (
        True, run["run_id"], "success",
    )  # fmt: skip
    assert http.get(f"/runs/crons/{cron['cron_id']}").json() == cron
    key = {"Idempotency-Key": str(uuid4())}
    first, second = (http.post(path, headers=key).json() for _ in range(2))
    assert second == first
    assert len(firings(http, cron)) == 2
    assert http.post(f"/runs/crons/{uuid4()}/trigger").status_code == 404


def test_the_history_comes_in_pages(http: httpx.Client) -> None:
    cron = create(http)
    path = f"/runs/crons/{cron['cron_id']}"
    made = [http.post(f"{path}/trigger").json()["run_id"] for _ in range(3)]
    answer = http.get(f"{path}/firings", params={"limit": 2, "offset": 1})

    assert [firing["run_id"] for firing in answer.json()] == made[1::-1]
    assert answer.headers["x-pagination-total"] == "3"
    assert http.get(f"{path}/firings", params={"limit": 0}).status_code == 422


# ------------------------------------------------------------------------- a database that is odd


def change(folder: Path, sql: str, *values: Any) -> None:
    """Change the database of a server that is off, or behind its back."""
    with sqlite3.connect(folder / "data" / "lgserve.db", timeout=10) as connection:
        connection.execute(sql, values)
    connection.close()


def on(folder: Path, **more: Any) -> Any:
    return served(folder, data=str(folder / "data"), **more)


def missed_for(folder: Path, policy: str | None) -> list[Json]:
    """Let a cron of every second miss ten moments; return what becomes of it, oldest first."""
    with on(folder) as url, httpx.Client(base_url=url) as http:
        cron = create(http, schedule=EVERY_SECOND, enabled=False)
    back = (in_seconds(-10)).strftime("%Y-%m-%dT%H:%M:%S.000000+00:00")
    change(folder, "UPDATE crons SET enabled = 1, next_run_date = ?", back)
    config = {} if policy is None else {"lgserve": {"crons": {"missed": policy}}}
    with on(folder, config=config) as url, httpx.Client(base_url=url) as http:
        return fired(http, cron, 14 if policy == "all" else 3)[::-1]


def test_what_falls_into_a_reload_is_fired_late(tmp_path: Path) -> None:
    with on(tmp_path) as url, httpx.Client(base_url=url) as http:
        cron = create(http, schedule=EVERY_SECOND, enabled=False)
    back = in_seconds(-3)
    text = back.strftime("%Y-%m-%dT%H:%M:%S.000000+00:00")
    change(tmp_path, "UPDATE crons SET enabled = 1, next_run_date = ?", text)
    with on(tmp_path) as url, httpx.Client(base_url=url) as http:
        found = fired(http, cron, 5)[::-1]

    assert {firing["outcome"] for firing in found} == {"fired"}
    dues = [moment(firing["due_at"]) for firing in found]
    assert dues == [back + timedelta(seconds=n) for n in range(len(dues))]


def test_moments_that_were_missed_are_skipped_and_that_is_noted(tmp_path: Path) -> None:
    found = missed_for(tmp_path, None)

    assert [firing["outcome"] for firing in found] == ["missed"] + ["fired"] * (len(found) - 1)
    assert found[0]["run_id"] is None
    assert moment(found[1]["due_at"]) >= moment(found[0]["fired_at"]) - timedelta(seconds=1)


def test_missed_moments_can_be_made_up_for_by_one_run(tmp_path: Path) -> None:
    found = missed_for(tmp_path, "one")

    assert {firing["outcome"] for firing in found} == {"fired"}
    assert moment(found[1]["due_at"]) - moment(found[0]["due_at"]) >= timedelta(seconds=10)


def test_missed_moments_can_be_made_up_for_each(tmp_path: Path) -> None:
    found = missed_for(tmp_path, "all")

    dues = [moment(firing["due_at"]) for firing in found]
    assert {firing["outcome"] for firing in found} == {"fired"}
    assert dues == [dues[0] + timedelta(seconds=n) for n in range(len(dues))]


@pytest.mark.parametrize(
    ("sql", "values", "error"),
    [
        ("UPDATE crons SET assistant_id = 'x' WHERE cron_id = ?", (), "InvalidRequestError"),
        ("UPDATE crons SET assistant_id = ? WHERE cron_id = ?", (str(uuid4()),), "NotFoundError"),
        ("UPDATE crons SET payload = X'7B' WHERE cron_id = ?", (), "InvalidJsonError"),
        ("UPDATE crons SET user = X'7B7D' WHERE cron_id = ?", (), "KeyError"),
    ],
)
def test_one_bad_cron_is_told_of_and_stops_no_other(
    tmp_path: Path, sql: str, values: tuple[Any, ...], error: str
) -> None:
    with on(tmp_path) as url, httpx.Client(base_url=url) as http:
        good = create(http, schedule=EVERY_SECOND)
        bad = create(http, schedule=EVERY_SECOND, enabled=False)
        change(tmp_path, sql, *values, bad["cron_id"])
        change(tmp_path, "UPDATE crons SET enabled = 1 WHERE cron_id = ?", bad["cron_id"])
        before = len(firings(http, good))
        patch(http, good, metadata={"look": "again"})

        for firing in fired(http, bad, 2):
            assert (firing["outcome"], firing["run_id"]) == ("failed", None)
            assert firing["error"]["error"] == error
            assert firing["error"]["message"]
        assert {each["outcome"] for each in fired(http, good, before + 2)} == {"fired"}


def test_a_cron_that_cannot_even_be_noted_stops_no_other(tmp_path: Path) -> None:
    with on(tmp_path) as url, httpx.Client(base_url=url) as http:
        bad = create(http, enabled=False)
        sql = "UPDATE crons SET enabled = 1, schedule = 'bad', next_run_date = ? WHERE cron_id = ?"
        change(tmp_path, sql, "2020-01-01T00:00:00.000000+00:00", bad["cron_id"])
        good = create(http, schedule=EVERY_SECOND)

        assert {each["outcome"] for each in fired(http, good, 2)} == {"fired"}
        assert firings(http, bad) == []


def test_a_graph_that_the_project_no_longer_has_stops_nothing(tmp_path: Path) -> None:
    with on(tmp_path) as url, httpx.Client(base_url=url) as http:
        lost, kept = create(http, assistant_id="slow", enabled=False), create(http)
    change(tmp_path, "UPDATE crons SET enabled = 1, schedule = ?", EVERY_SECOND)
    graphs = {"graphs": {"echo": "./graphs.py:echo"}}
    soon = time.strftime("%Y-%m-%dT%H:%M:%S.000000+00:00", time.gmtime(time.time() + 3))
    change(tmp_path, "UPDATE crons SET next_run_date = ?", soon)
    with on(tmp_path, config=graphs) as url, httpx.Client(base_url=url) as http:
        assert fired(http, lost)[0]["error"]["error"] == "NotFoundError"
        assert fired(http, kept, 2)[0]["outcome"] == "fired"


def test_a_thousand_crons_of_one_second_are_all_fired_soon_each_once(tmp_path: Path) -> None:
    count = 1000
    with on(tmp_path) as url, httpx.Client(base_url=url, timeout=60) as http:
        due = in_seconds(4)
        template = create(http, schedule=at(due), on_run_completed="delete")
        change(
            tmp_path,
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
            " INSERT INTO crons SELECT printf('00000000-0000-4000-8000-%012d', i), assistant_id,"
            " thread_id, user_id, user, schedule, timezone, payload, metadata, on_run_completed,"
            " enabled, end_time, ends_at, next_run_date, created_at, updated_at FROM crons, n",
            count - 1,
        )
        patch(http, template, metadata={"look": "again"})

        def noted() -> list[tuple[str, str, str]] | None:
            path = tmp_path / "data" / "lgserve.db"
            with sqlite3.connect(path, timeout=10) as db:
                rows = db.execute("SELECT cron_id, due_at, fired_at FROM cron_firings").fetchall()
            db.close()
            return rows if len(rows) >= count else None

        rows = until(noted)
        assert len(rows) == len({cron_id for cron_id, _, _ in rows}) == count
        assert {moment(due_at) for _, due_at, _ in rows} == {due}
        last = max(moment(fired_at) for _, _, fired_at in rows)
        assert last - due < timedelta(seconds=3)

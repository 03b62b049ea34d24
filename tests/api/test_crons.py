"""Crons over HTTP: what they look like, what is refused, and how they are changed."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from langgraph_sdk import get_sync_client
from langgraph_sdk.client import LangGraphClient
from langgraph_sdk.errors import NotFoundError

from lgserve.core.ids import system_assistant_id
from tests.api.conftest import served
from tests.api.cron_tools import SELDOM, Json, create, delete, firings, in_seconds, moment, patch

ECHO = system_assistant_id("echo")


@pytest.fixture
def mark() -> str:
    return str(uuid4())


@pytest.fixture
def thread_id(http: httpx.Client) -> str:
    return str(http.post("/threads", json={}).json()["thread_id"])


def search(http: httpx.Client, **body: Any) -> list[Json]:
    answer = http.post("/runs/crons/search", json=body)
    assert answer.status_code == 200, answer.text
    found: list[Json] = answer.json()
    return found


def refusal(http: httpx.Client, **body: Any) -> tuple[int, str]:
    wanted = {"assistant_id": "echo", "schedule": SELDOM, **body}
    wanted = {name: value for name, value in wanted.items() if value is not ...}
    answer = http.post("/runs/crons", json=wanted)
    return answer.status_code, answer.json()["detail"]


# ------------------------------------------------------------------------- what they look like


def test_a_cron_has_the_documented_shape(http: httpx.Client) -> None:
    asked = {
        "assistant_id": "echo",
        "schedule": "30 2 29 2 *",
        "timezone": "Europe/Paris",
        "end_time": "2999-01-01T00:00:00Z",
        "input": {"text": "x"},
        "metadata": {"m": 1},
        "config": {"tags": ["t"], "configurable": {"c": 1}},
        "on_run_completed": "keep",
        "stream_mode": "values",
    }
    cron = http.post("/runs/crons", json={**asked, "unknown": 1}).json()

    assert list(cron) == [
        "cron_id", "assistant_id", "thread_id", "user_id", "end_time", "schedule", "timezone",
        "payload", "next_run_date", "metadata", "on_run_completed", "enabled", "created_at",
        "updated_at",
    ]  # fmt: skip
    assert UUID(cron["cron_id"]).version == 7
    configurable = {"c": 1, "cron_id": cron["cron_id"]}
    config = {"tags": ["t"], "configurable": configurable}
    assert cron["payload"] == {**asked, "assistant_id": ECHO, "config": config}
    assert {**cron, "payload": None} == {
        "cron_id": cron["cron_id"],
        "assistant_id": ECHO,
        "thread_id": None,
        "user_id": "",
        "end_time": "2999-01-01T00:00:00Z",
        "schedule": "30 2 29 2 *",
        "timezone": "Europe/Paris",
        "payload": None,
        "next_run_date": "2028-02-29T01:30:00+00:00",
        "metadata": {"m": 1},
        "on_run_completed": "keep",
        "enabled": True,
        "created_at": cron["updated_at"],
        "updated_at": cron["created_at"],
    }
    assert http.get(f"/runs/crons/{cron['cron_id']}").json() == cron


def test_little_needs_to_be_said(http: httpx.Client) -> None:
    cron = http.post("/runs/crons", json={"assistant_id": ECHO, "schedule": SELDOM}).json()

    config = {"configurable": {"cron_id": cron["cron_id"]}}
    assert cron["payload"] == {"assistant_id": ECHO, "schedule": SELDOM, "config": config}
    assert (cron["on_run_completed"], cron["enabled"], cron["timezone"]) == ("delete", True, None)


def test_a_cron_of_a_thread_keeps_its_thread(http: httpx.Client, thread_id: str) -> None:
    cron = create(http, thread_id, on_run_completed="keep")

    assert (cron["thread_id"], cron["on_run_completed"]) == (thread_id, None)
    body = {"assistant_id": "echo", "schedule": SELDOM, "on_run_completed": "delete"}
    refused = http.post(f"/threads/{thread_id}/runs/crons", json=body)
    assert refused.status_code == 422
    assert refused.json()["detail"].startswith("on_run_completed: ")


# ------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"schedule": ...}, "schedule: Field required"),
        ({"assistant_id": ...}, "assistant_id: Field required"),
        ({"schedule": None}, "schedule: "),
        ({"schedule": 5}, "schedule: "),
        ({"schedule": "bad"}, "Invalid cron schedule: 'bad'. Reason: "),
        ({"schedule": "* * * * * * * *"}, "Invalid cron schedule"),
        ({"schedule": "0 0 31 2 *"}, "Invalid cron schedule"),
        ({"schedule": "H * * * *"}, "Invalid cron schedule"),
        ({"schedule": "* * * * " + "1," * 200 + "1"}, "schedule: "),
        ({"timezone": "Mars/X"}, "Invalid timezone: 'Mars/X'. Use IANA timezone format"),
        ({"timezone": 1}, "timezone: "),
        ({"end_time": "bad"}, "end_time: "),
        ({"end_time": "2020-01-01T00:00:00Z"}, "end_time: must lie in the future"),
        ({"end_time": "0001-01-01T00:00:00+23:00"}, "end_time: "),
        ({"end_time": 5}, "end_time: "),
        ({"enabled": "yes"}, "enabled: "),
        ({"on_run_completed": "burn"}, "on_run_completed: "),
        ({"multitask_strategy": "x"}, "multitask_strategy: "),
        ({"stream_mode": ["nope"]}, "stream_mode[0]: "),
        ({"durability": "x"}, "durability: "),
        ({"metadata": []}, "metadata: "),
        ({"config": {"recursion_limit": "x"}}, "config.recursion_limit: "),
        ({"interrupt_before": 1}, "interrupt_before: "),
        ({"assistant_id": ""}, "assistant_id: "),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(
    http: httpx.Client, body: dict[str, Any], field: str
) -> None:
    status, detail = refusal(http, **body)

    assert (status, detail[: len(field)]) == (422, field)


def test_an_assistant_or_a_thread_that_is_not_there_is_not_found(http: httpx.Client) -> None:
    nobody = str(uuid4())
    assert refusal(http, assistant_id="nope") == (404, "Assistant 'nope' not found")
    assert refusal(http, assistant_id=nobody) == (404, f"Assistant '{nobody}' not found")
    answer = http.post(
        f"/threads/{nobody}/runs/crons", json={"assistant_id": "echo", "schedule": SELDOM}
    )
    assert answer.status_code == 404
    assert answer.json()["detail"].startswith(f"Thread with ID '{nobody}' not found.")


def test_a_cron_whose_runs_could_never_be_created_is_refused(http: httpx.Client) -> None:
    status, detail = refusal(http, context={"a": 1}, config={"configurable": {"b": 1}})

    assert (status, "context" in detail) == (400, True)
    assert create(http, context={"a": 1})["payload"]["context"] == {"a": 1}


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_a_cron_that_is_not_there(http: httpx.Client, method: str) -> None:
    nobody = str(uuid4())
    body = {"enabled": False} if method == "PATCH" else None
    answer = http.request(method, f"/runs/crons/{nobody}", json=body)
    told = f"Cron '{nobody}' not found" if method == "PATCH" else "Not Found"
    assert (answer.status_code, answer.json()) == (404, {"detail": told})

    answer = http.request(method, "/runs/crons/nonsense", json=body)
    assert answer.status_code == 422
    assert answer.json() == {"detail": "Invalid cron ID: must be a UUID"}


# ------------------------------------------------------------------------- changes


def test_a_change_merges_metadata_and_replaces_the_rest(http: httpx.Client) -> None:
    cron = create(http, metadata={"a": 1}, config={"tags": ["t"], "configurable": {"c": 1}})
    changed = patch(http, cron, metadata={"b": 2}, input={"text": "y"}, config={"tags": ["u"]})

    cron_id = {"configurable": {"cron_id": cron["cron_id"]}}
    assert changed["metadata"] == {"a": 1, "b": 2}
    assert changed["payload"]["metadata"] == {"b": 2}
    assert changed["payload"]["input"] == {"text": "y"}
    assert changed["payload"]["config"] == {"tags": ["u"], **cron_id}
    assert changed["updated_at"] > cron["updated_at"]
    assert http.get(f"/runs/crons/{cron['cron_id']}").json() == changed


def test_a_change_of_schedule_or_zone_reckons_anew(http: httpx.Client) -> None:
    cron = create(http, schedule="0 12 29 2 *")
    assert cron["next_run_date"] == "2028-02-29T12:00:00+00:00"
    cron = patch(http, cron, timezone="America/New_York")
    assert cron["next_run_date"] == "2028-02-29T17:00:00+00:00"
    cron = patch(http, cron, schedule="0 6 29 2 *")
    assert cron["next_run_date"] == "2028-02-29T11:00:00+00:00"
    assert (cron["schedule"], cron["payload"]["schedule"]) == ("0 6 29 2 *", "0 6 29 2 *")
    assert patch(http, cron, timezone=None)["next_run_date"] == "2028-02-29T06:00:00+00:00"


def test_an_end_time_is_set_meant_in_the_cron_s_zone_and_cleared(http: httpx.Client) -> None:
    at = {"schedule": "0 12 29 2 *", "timezone": "America/New_York"}
    ends = {"end_time": "2028-02-29T12:00:00"}
    assert create(http, **at, **ends)["next_run_date"] == "2028-02-29T17:00:00+00:00"
    cron = create(http, **at, end_time="2028-02-29T12:00:00Z")
    assert cron["next_run_date"] is None

    cleared = patch(http, cron, end_time=None)
    assert (cleared["end_time"], cleared["next_run_date"]) == (None, "2028-02-29T17:00:00+00:00")


def test_another_assistant_can_take_over_if_it_is_there(http: httpx.Client) -> None:
    cron = create(http)
    other = http.post("/assistants", json={"graph_id": "slow"}).json()["assistant_id"]

    changed = patch(http, cron, assistant_id=other)
    assert (changed["assistant_id"], changed["payload"]["assistant_id"]) == (other, other)
    assert patch(http, cron, assistant_id="echo")["assistant_id"] == ECHO
    for nobody in ("nope", str(uuid4())):
        answer = http.patch(f"/runs/crons/{cron['cron_id']}", json={"assistant_id": nobody})
        assert (answer.status_code, answer.json()["detail"]) == (
            404, f"Assistant '{nobody}' not found",
        )  # fmt: skip


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"unknown": 1}, 400),
        ({"schedule": "bad"}, 422),
        ({"schedule": "0 0 30 2 *"}, 422),
        ({"timezone": "Mars/X"}, 422),
        ({"end_time": "2020-01-01"}, 422),
        ({"enabled": None}, 422),
        ({"context": {"a": 1}, "config": {"configurable": {"b": 1}}}, 400),
    ],
)
def test_a_change_that_makes_no_sense_changes_nothing(
    http: httpx.Client, body: dict[str, Any], status: int
) -> None:
    cron = create(http)
    answer = http.patch(f"/runs/crons/{cron['cron_id']}", json=body)

    assert answer.status_code == status, answer.text
    assert http.get(f"/runs/crons/{cron['cron_id']}").json() == cron


# ------------------------------------------------------------------------- lists


def test_crons_are_searched_and_counted_by_the_same_filters(
    http: httpx.Client, mark: str, thread_id: str
) -> None:
    first = create(http, metadata={"mark": mark, "n": 1})
    second = create(http, thread_id, metadata={"mark": mark}, enabled=False, assistant_id="slow")

    def found(**where: Any) -> list[str]:
        where = {"metadata": {"mark": mark}, **where}
        ids = [cron["cron_id"] for cron in search(http, **where)]
        assert http.post("/runs/crons/count", json=where).json() == len(ids)
        return ids

    assert found() == [second["cron_id"], first["cron_id"]]
    assert found(enabled=True) == [first["cron_id"]]
    assert found(enabled=False) == [second["cron_id"]]
    assert found(assistant_id="echo") == [first["cron_id"]]
    assert found(assistant_id=system_assistant_id("slow")) == [second["cron_id"]]
    assert found(thread_id=thread_id) == [second["cron_id"]]
    assert found(metadata={"mark": mark, "n": 1}) == [first["cron_id"]]
    assert found(assistant_id=str(uuid4())) == []


def test_a_list_comes_in_pages_in_any_order_and_with_the_members_that_are_wanted(
    http: httpx.Client, mark: str
) -> None:
    made = [create(http, metadata={"mark": mark})["cron_id"] for _ in range(3)]
    where = {"metadata": {"mark": mark}, "select": ["cron_id", "enabled"]}
    body = {**where, "sort_by": "cron_id", "sort_order": "asc", "limit": 2, "offset": 1}
    answer = http.post("/runs/crons/search", json=body)

    assert answer.json() == [{"cron_id": cron_id, "enabled": True} for cron_id in made[1:]]
    assert answer.headers["x-pagination-total"] == "3"
    for name in ("assistant_id", "thread_id", "next_run_date", "end_time", "updated_at"):
        assert len(search(http, **where, sort_by=name)) == 3


@pytest.mark.parametrize(
    "body",
    [
        {"limit": 0}, {"limit": 1001}, {"offset": -1}, {"sort_by": "schedule"},
        {"sort_order": "up"}, {"select": ["x"]}, {"thread_id": "x"}, {"assistant_id": "nope"},
        {"enabled": 1}, {"metadata": 1},
    ],
)  # fmt: skip
def test_a_search_that_makes_no_sense_is_refused_by_name(
    http: httpx.Client, body: dict[str, Any]
) -> None:
    answer = http.post("/runs/crons/search", json=body)

    assert answer.status_code == 422
    assert next(iter(body)).removesuffix("_id") in answer.json()["detail"]


def test_a_deleted_cron_is_gone(http: httpx.Client) -> None:
    cron = create(http)
    delete(http, cron)
    assert http.get(f"/runs/crons/{cron['cron_id']}").status_code == 404
    assert http.get(f"/runs/crons/{cron['cron_id']}/firings").status_code == 404


def test_a_cron_goes_with_its_thread_and_with_its_assistant(
    http: httpx.Client, thread_id: str
) -> None:
    on_thread = create(http, thread_id)
    assistant_id = http.post("/assistants", json={"graph_id": "echo"}).json()["assistant_id"]
    of_assistant = create(http, assistant_id=assistant_id)

    assert http.delete(f"/threads/{thread_id}").status_code == 204
    assert http.delete(f"/assistants/{assistant_id}").status_code == 204
    for cron in (on_thread, of_assistant):
        assert http.get(f"/runs/crons/{cron['cron_id']}").status_code == 404


def test_a_creation_that_is_repeated_by_its_name_creates_once(
    http: httpx.Client, mark: str
) -> None:
    body = {"assistant_id": "echo", "schedule": SELDOM, "metadata": {"mark": mark}}
    headers = {"Idempotency-Key": mark}
    first, second = (http.post("/runs/crons", json=body, headers=headers) for _ in range(2))

    assert second.json() == first.json()
    assert second.headers["idempotent-replayed"] == "true"
    assert len(search(http, metadata={"mark": mark})) == 1
    other = http.post("/runs/crons", json={**body, "enabled": False}, headers=headers)
    assert other.status_code == 409


# ------------------------------------------------------------------------- clients and switches


async def test_the_sdk_makes_changes_finds_and_deletes_crons(
    client: LangGraphClient, mark: str, http: httpx.Client
) -> None:
    thread_id = (await client.threads.create())["thread_id"]
    end = in_seconds(3600)
    cron: Any = await client.crons.create(
        "echo", schedule=SELDOM, input={"text": "x"}, metadata={"mark": mark}, end_time=end,
        timezone="Europe/Paris", enabled=False, on_run_completed="keep", stream_mode=["updates"],
        stream_subgraphs=True, stream_resumable=True, durability="sync", interrupt_before="*",
    )  # fmt: skip
    bound: Any = await client.crons.create_for_thread(
        thread_id, "echo", schedule=SELDOM, metadata={"mark": mark}, multitask_strategy="reject",
        durability="exit",
    )  # fmt: skip

    assert (moment(cron["end_time"]), cron["enabled"]) == (end, False)
    assert bound["thread_id"] == thread_id
    found = await client.crons.search(assistant_id="echo", metadata={"mark": mark})
    assert [each["cron_id"] for each in found] == [bound["cron_id"], cron["cron_id"]]
    assert await client.crons.count(metadata={"mark": mark}) == 2
    changed = await client.crons.update(cron["cron_id"], enabled=True, end_time=None)
    assert (changed["enabled"], changed["end_time"]) == (True, None)
    await client.crons.delete(cron["cron_id"])
    with pytest.raises(NotFoundError):
        await client.crons.delete(cron["cron_id"])
    assert firings(http, bound) == []


def test_the_sync_sdk_does_so_too(server_url: str, mark: str) -> None:
    with get_sync_client(url=server_url) as client:
        cron: Any = client.crons.create("echo", schedule=SELDOM, metadata={"mark": mark})
        assert client.crons.count(metadata={"mark": mark}) == 1
        changed = client.crons.update(cron["cron_id"], schedule="@yearly")
        assert changed["schedule"] == "@yearly"
        client.crons.delete(cron["cron_id"])
        assert client.crons.search(metadata={"mark": mark}) == []


_METHODS = ("GET", "POST", "PATCH", "DELETE")
_GONE = [404] * len(_METHODS)


@pytest.mark.parametrize(
    "config", [{"http": {"disable_runs": True}}, {"lgserve": {"crons": {"enabled": False}}}]
)
def test_without_crons_there_is_no_trace_of_them(
    tmp_path_factory: pytest.TempPathFactory, http: httpx.Client, config: Any
) -> None:
    info = http.get("/info").json()
    assert (info["flags"]["crons"], info["capabilities"]["crons"]) == (True, True)

    with served(tmp_path_factory.mktemp("without"), config=config) as url:
        info = httpx.get(f"{url}/info").json()
        assert (info["flags"]["crons"], info["capabilities"]["crons"]) == (False, False)
        assert httpx.post(f"{url}/runs/crons/search", json={}).status_code == 404
        with httpx.Client(base_url=url) as without:
            thread_id = without.post("/threads", json={}).json()["thread_id"]
            for path in ("/runs/crons", f"/threads/{thread_id}/runs/crons"):
                assert [without.request(method, path).status_code for method in _METHODS] == _GONE

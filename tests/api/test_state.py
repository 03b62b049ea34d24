"""The state of threads: read, selected, written."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx
import pytest
from langgraph_sdk.client import LangGraphClient
from langgraph_sdk.errors import BadRequestError, ConflictError, NotFoundError

EMPTY: dict[str, Any] = {
    "values": {},
    "next": [],
    "tasks": [],
    "metadata": None,
    "created_at": None,
    "checkpoint": None,
    "parent_checkpoint": None,
    "interrupts": [],
    "checkpoint_id": None,
    "parent_checkpoint_id": None,
}


@pytest.fixture
async def thread_id(client: LangGraphClient) -> str:
    """A thread on which echo has run once."""
    thread = await client.threads.create()
    await client.runs.wait(thread["thread_id"], "echo", input={"text": "one"})
    return str(thread["thread_id"])


async def checkpoint_ids(client: LangGraphClient, thread_id: str) -> list[str]:
    states = await client.threads.get_history(thread_id, limit=100)
    return [str(state["checkpoint"]["checkpoint_id"]) for state in states]


@pytest.mark.requirement("STATE-001")
async def test_a_thread_without_a_run_has_an_empty_state(client: LangGraphClient) -> None:
    bare = await client.threads.create()
    named = await client.threads.create(graph_id="echo")

    assert await client.threads.get_state(bare["thread_id"]) == EMPTY
    assert await client.threads.get_state(named["thread_id"]) == EMPTY


@pytest.mark.requirement("STATE-002")
async def test_the_state_after_a_run(client: LangGraphClient, thread_id: str) -> None:
    state: Any = await client.threads.get_state(thread_id)
    latest, parent, *_ = await checkpoint_ids(client, thread_id)

    assert list(state) == list(EMPTY)
    assert (state["values"], state["next"], state["tasks"], state["interrupts"]) == (
        {"text": "one", "log": ["a:one", "b"], "n": 2},
        [],
        [],
        [],
    )
    assert (state["metadata"]["source"], state["metadata"]["step"]) == ("loop", 2)
    assert (state["metadata"]["graph_id"], state["metadata"]["parents"]) == ("echo", {})
    assert state["checkpoint"] == {
        "checkpoint_id": latest,
        "thread_id": thread_id,
        "checkpoint_ns": "",
    }
    assert (state["checkpoint_id"], state["parent_checkpoint_id"]) == (latest, parent)


@pytest.mark.requirement("STATE-003")
async def test_the_state_at_a_checkpoint_has_the_tasks_that_followed(
    client: LangGraphClient, thread_id: str
) -> None:
    _, before_b, *_ = await checkpoint_ids(client, thread_id)
    by_id: Any = await client.threads.get_state(thread_id, checkpoint_id=before_b)
    by_reference: Any = await client.threads.get_state(
        thread_id,
        checkpoint={
            "thread_id": thread_id,
            "checkpoint_ns": "",
            "checkpoint_id": before_b,
            "checkpoint_map": None,
        },
    )

    assert (by_id["values"], by_id["next"]) == ({"text": "one", "log": ["a:one"], "n": 1}, ["b"])
    (task,) = by_id["tasks"]
    assert {**task, "id": ""} == {
        "id": "",
        "name": "b",
        "path": ["__pregel_pull", "b"],
        "error": None,
        "interrupts": [],
        "checkpoint": None,
        "state": None,
        "result": {"log": ["b"], "n": 2},
    }
    assert by_reference == by_id


@pytest.mark.requirement("STATE-004")
@pytest.mark.parametrize("wanted", ["6bcf7c6d-148d-4ae1-8383-982dbb3c4b92", "bad-id", "%00"])
def test_a_checkpoint_that_is_not_there_is_404(
    http: httpx.Client, thread_id: str, wanted: str
) -> None:
    answer = http.get(f"/threads/{thread_id}/state/{wanted}")

    assert answer.status_code == 404
    assert answer.json()["detail"].startswith("Checkpoint ")


@pytest.mark.requirement("STATE-005")
async def test_a_state_shows_only_what_is_selected(client: LangGraphClient, thread_id: str) -> None:
    latest, *_ = await checkpoint_ids(client, thread_id)
    wanted: list[Any] = ["next", "values.log", "values.absent"]

    expected: Any = {"values": {"log": ["a:one", "b"]}, "next": []}
    assert await client.threads.get_state(thread_id, select=wanted) == expected
    assert (
        await client.threads.get_state(thread_id, checkpoint_id=latest, select=wanted) == expected
    )
    assert await client.threads.get_history(thread_id, select=["next"], limit=2) == [
        {"next": []},
        {"next": ["b"]},
    ]
    both: Any = await client.threads.get_state(thread_id, select=["values", "values.n"])
    assert both == {"values": {"text": "one", "log": ["a:one", "b"], "n": 2}}


@pytest.mark.requirement("STATE-005")
def test_select_takes_commas_and_refuses_what_no_state_has(
    http: httpx.Client, thread_id: str
) -> None:
    state = f"/threads/{thread_id}/state"

    assert list(http.get(f"{state}?select=next,created_at&select=tasks").json()) == [
        "next",
        "tasks",
        "created_at",
    ]
    refused = http.get(f"{state}?select=bogus")
    assert (refused.status_code, refused.json()["detail"][:24]) == (422, "Invalid select: 'bogus'.")


@pytest.mark.requirement("STATE-006")
async def test_an_interrupt_waits_in_the_state(client: LangGraphClient) -> None:
    thread = await client.threads.create()
    await client.runs.wait(thread["thread_id"], "ask", input={"q": "name?"})
    state: Any = await client.threads.get_state(thread["thread_id"])

    assert state["next"] == ["human"]
    assert state["tasks"][0]["interrupts"] == state["interrupts"]
    assert state["interrupts"][0]["value"] == {"question": "name?"}
    assert list(state["interrupts"][0]) == ["id", "value"]


@pytest.mark.requirement("STATE-009")
async def test_an_update_is_written_as_if_a_node_had(
    client: LangGraphClient, thread_id: str
) -> None:
    reply: Any = await client.threads.update_state(thread_id, {"log": ["upd"]}, as_node="b")
    state: Any = await client.threads.get_state(thread_id)
    thread: Any = await client.threads.get(thread_id)

    assert reply == {
        "checkpoint": state["checkpoint"],
        "configurable": state["checkpoint"],
        "checkpoint_id": state["checkpoint_id"],
    }
    assert state["values"] == {"text": "one", "log": ["a:one", "b", "upd"], "n": 2}
    assert (state["metadata"]["source"], state["metadata"]["step"]) == ("update", 3)
    assert state["metadata"]["graph_id"] == "echo"
    assert (thread["values"], thread["status"], thread["interrupts"]) == (
        state["values"],
        "idle",
        {},
    )
    assert thread["state_updated_at"] == thread["updated_at"]


@pytest.mark.requirement("STATE-010")
async def test_an_update_that_leaves_work_interrupts_and_a_run_goes_on(
    client: LangGraphClient, thread_id: str
) -> None:
    await client.threads.update_state(thread_id, {"log": ["again"]}, as_node="a")

    assert (await client.threads.get(thread_id))["status"] == "interrupted"
    assert (await client.threads.get_state(thread_id))["next"] == ["b"]
    result: Any = await client.runs.wait(thread_id, "echo", input=None)
    assert result["log"] == ["a:one", "b", "again", "b"]


@pytest.mark.requirement("STATE-011")
async def test_answering_an_interrupt_by_an_update_clears_it(client: LangGraphClient) -> None:
    thread = await client.threads.create()
    thread_id = thread["thread_id"]
    await client.runs.wait(thread_id, "ask", input={"q": "name?"})
    await client.threads.update_state(thread_id, {"answer": "Bo"}, as_node="human")
    after = await client.threads.get(thread_id)

    assert (after["status"], after["interrupts"]) == ("interrupted", {})
    result: Any = await client.runs.wait(thread_id, "ask", input=None)
    assert result["answer"] == "Bo"


@pytest.mark.requirement("STATE-012")
@pytest.mark.parametrize("form", ["checkpoint", "checkpoint_id"])
async def test_an_update_forks_from_a_checkpoint(
    client: LangGraphClient, thread_id: str, form: str
) -> None:
    _, before_b, *_ = await checkpoint_ids(client, thread_id)
    named = {"checkpoint_id": before_b}
    where: Any = {"checkpoint": named} if form == "checkpoint" else named
    await client.threads.update_state(thread_id, {"log": ["fork"]}, as_node="a", **where)
    state: Any = await client.threads.get_state(thread_id)

    assert (state["values"]["log"], state["next"]) == (["a:one", "fork"], ["b"])
    assert state["parent_checkpoint_id"] == before_b


@pytest.mark.requirement("STATE-013")
@pytest.mark.parametrize(
    ("as_node", "following"), [("__start__", ["a"]), ("__input__", ["__start__"])]
)
def test_an_update_as_input_starts_over(
    http: httpx.Client, thread_id: str, as_node: str, following: list[str]
) -> None:
    path = f"/threads/{thread_id}/state"
    http.post(path, json={"values": {"text": "two"}, "as_node": as_node})
    state = http.get(path).json()
    body = {"assistant_id": "echo", "input": None}
    result = http.post(f"/threads/{thread_id}/runs/wait", json=body).json()

    assert state["next"] == following
    assert (result["text"], result["log"]) == ("two", ["a:one", "b", "a:two", "b"])


@pytest.mark.requirement("STATE-013")
@pytest.mark.parametrize("body", [{}, {"values": None, "as_node": "a"}, {"as_node": "__end__"}])
def test_an_update_may_be_empty(http: httpx.Client, thread_id: str, body: Any) -> None:
    answer = http.post(f"/threads/{thread_id}/state", json=body)

    assert answer.status_code == 200
    assert list(answer.json()) == ["checkpoint", "configurable", "checkpoint_id"]
    assert list(answer.json()["checkpoint"]) == ["thread_id", "checkpoint_ns", "checkpoint_id"]


@pytest.mark.requirement("STATE-014")
async def test_updates_that_make_no_sense_are_refused(
    client: LangGraphClient, thread_id: str
) -> None:
    bare = await client.threads.create()

    with pytest.raises(BadRequestError, match="Node zzz does not exist"):
        await client.threads.update_state(thread_id, {"log": ["x"]}, as_node="zzz")
    with pytest.raises(BadRequestError, match="Expected dict, got"):
        await client.threads.update_state(thread_id, [{"log": ["x"]}], as_node="b")
    with pytest.raises(BadRequestError, match="has no assigned graph ID"):
        await client.threads.update_state(bare["thread_id"], {"log": ["x"]})
    with pytest.raises(NotFoundError, match=r"Checkpoint .* not found"):
        await client.threads.update_state(thread_id, {}, checkpoint_id=str(uuid4()))
    with pytest.raises(NotFoundError, match=r"Thread with ID .* not found"):
        await client.threads.update_state(str(uuid4()), {})


@pytest.mark.requirement("STATE-014")
async def test_a_refused_update_leaves_no_checkpoint(
    client: LangGraphClient, thread_id: str
) -> None:
    before = await checkpoint_ids(client, thread_id)
    with pytest.raises(NotFoundError):
        await client.threads.update_state(thread_id, {"n": 9}, checkpoint_id=str(uuid4()))

    assert await checkpoint_ids(client, thread_id) == before


@pytest.mark.requirement("STATE-015")
async def test_a_busy_thread_takes_no_update(client: LangGraphClient) -> None:
    thread = await client.threads.create()
    run = await client.runs.create(thread["thread_id"], "slow", input={"seconds": 30})

    with pytest.raises(ConflictError, match=rf"has in-flight runs: {run['run_id']}"):
        await client.threads.update_state(thread["thread_id"], {"log": ["x"]})
    await client.threads.delete(thread["thread_id"])


class TestSubgraphs:
    """A run that waits for an answer within its node `child`, which is a graph."""

    @pytest.fixture
    async def waiting(self, client: LangGraphClient) -> str:
        thread = await client.threads.create()
        await client.runs.wait(thread["thread_id"], "parent", input={"text": "p", "stop": True})
        return str(thread["thread_id"])

    @staticmethod
    async def reference(client: LangGraphClient, thread_id: str) -> Any:
        state: Any = await client.threads.get_state(thread_id)
        (task,) = state["tasks"]
        return task["checkpoint"]

    @pytest.mark.requirement("STATE-007")
    async def test_a_task_refers_to_its_state(self, client: LangGraphClient, waiting: str) -> None:
        state: Any = await client.threads.get_state(waiting)
        (task,) = state["tasks"]

        assert state["values"] == {"text": "p", "log": ["outer_start"], "stop": True}
        assert (task["name"], task["state"]) == ("child", None)
        assert task["checkpoint"] == {
            "thread_id": waiting,
            "checkpoint_ns": f"child:{task['id']}",
        }
        assert [item["value"] for item in task["interrupts"]] == ["stop in sub"]

    @pytest.mark.requirement("STATE-007")
    async def test_a_task_shows_its_state_if_asked(
        self, client: LangGraphClient, waiting: str
    ) -> None:
        state: Any = await client.threads.get_state(waiting, subgraphs=True)
        (task,) = state["tasks"]
        inner = task["state"]

        assert task["checkpoint"] is None
        assert (inner["values"]["log"], inner["next"]) == (["outer_start", "sub_one"], ["sub_two"])
        assert inner["checkpoint"]["checkpoint_map"] == {
            "": state["checkpoint_id"],
            f"child:{task['id']}": inner["checkpoint_id"],
        }
        assert inner["interrupts"] == state["interrupts"]

    @pytest.mark.requirement("HISTORY-006", "STATE-007")
    async def test_the_reference_leads_to_the_state_and_its_history(
        self, client: LangGraphClient, waiting: str
    ) -> None:
        reference = await self.reference(client, waiting)
        state: Any = await client.threads.get_state(waiting, checkpoint=reference)
        history: Any = await client.threads.get_history(waiting, checkpoint=reference)
        at_id: Any = await client.threads.get_state(waiting, checkpoint=state["checkpoint"])

        assert (state["values"]["log"], state["next"]) == (["outer_start", "sub_one"], ["sub_two"])
        assert history[0] == state == at_id
        assert [item["metadata"]["step"] for item in history] == [1, 0, -1]

    @pytest.mark.requirement("STATE-008", "STATE-017")
    async def test_an_update_of_it_is_seen_by_the_run_that_goes_on(
        self, client: LangGraphClient, waiting: str
    ) -> None:
        reference = await self.reference(client, waiting)
        reply: Any = await client.threads.update_state(
            waiting, {"log": ["sub-update"]}, checkpoint=reference
        )
        thread: Any = await client.threads.get(waiting)
        result: Any = await client.runs.wait(waiting, "parent", command={"resume": "go"})

        assert list(reply["checkpoint"]) == [
            "thread_id",
            "checkpoint_ns",
            "checkpoint_id",
            "checkpoint_map",
        ]
        assert reply["checkpoint"]["checkpoint_ns"] == reference["checkpoint_ns"]
        assert (thread["status"], thread["values"]["log"]) == ("interrupted", ["outer_start"])
        assert result["log"][2:] == ["sub_one", "sub-update", "sub_two:go"]

    def test_a_subgraph_that_is_not_there_has_an_empty_state(
        self, http: httpx.Client, waiting: str
    ) -> None:
        body = {"checkpoint": {"checkpoint_ns": "nobody:1"}}

        assert http.post(f"/threads/{waiting}/state/checkpoint", json=body).json() == EMPTY


@pytest.mark.requirement("HTTP-007")
def test_routes_that_never_were_are_405(http: httpx.Client, thread_id: str) -> None:
    assert http.post(f"/threads/{thread_id}/state/bulk", json={}).status_code == 405
    assert http.patch(f"/threads/{thread_id}/state", json={}).status_code == 405


async def metadata_of(client: LangGraphClient, thread_id: str) -> dict[str, Any]:
    state: Any = await client.threads.get_state(thread_id)
    return dict(state["metadata"])


@pytest.mark.requirement("STATE-001")
class TestMetadata:
    """What the metadata of a checkpoint says of where it belongs, as the reference has it."""

    async def test_of_an_update_names_the_thread_and_what_it_forked_from(
        self, client: LangGraphClient, thread_id: str
    ) -> None:
        earlier = (await checkpoint_ids(client, thread_id))[1]
        await client.threads.update_state(thread_id, {"text": "two"}, as_node="a")
        updated = await metadata_of(client, thread_id)
        await client.threads.update_state(
            thread_id, {"text": "two"}, as_node="a", checkpoint_id=earlier
        )
        forked = await metadata_of(client, thread_id)
        assert (updated["thread_id"], "checkpoint_id" in updated) == (thread_id, False)
        assert (forked["thread_id"], forked["checkpoint_id"]) == (thread_id, earlier)

    async def test_of_a_copy_names_the_copy(self, client: LangGraphClient, thread_id: str) -> None:
        await client.threads.update_state(thread_id, {"text": "two"})
        copying: Any = client.threads.copy(thread_id)  # the SDK says that it returns nothing
        copy = (await copying)["thread_id"]
        states: Any = await client.threads.get_history(copy, limit=10)
        assert {state["metadata"]["thread_id"] for state in states} == {copy}

    async def test_of_a_subgraph_says_which_node_and_step_it_is_of(
        self, client: LangGraphClient
    ) -> None:
        thread_id = str((await client.threads.create())["thread_id"])
        await client.runs.wait(thread_id, "parent", input={"text": "p", "stop": True})
        root: Any = await client.threads.get_state(thread_id, subgraphs=True)
        metadata = root["tasks"][0]["state"]["metadata"]
        namespace = f"child:{root['tasks'][0]['id']}"
        assert {name: metadata[name] for name in metadata if name.startswith("langgraph_c")} == {
            "langgraph_checkpoint_ns": namespace
        }
        assert metadata["checkpoint_ns"] == namespace
        assert (metadata["langgraph_step"], metadata["langgraph_node"]) == (2, "child")
        assert metadata["langgraph_path"] == ["__pregel_pull", "child"]
        assert metadata["langgraph_triggers"] == ["branch:to:child"]
        assert metadata["checkpoint_map"] == {"": root["checkpoint"]["checkpoint_id"]}
        assert "checkpoint_map" not in root["metadata"]

    async def test_shows_nested_members_of_the_configurable(self, client: LangGraphClient) -> None:
        thread_id = str((await client.threads.create())["thread_id"])
        config: Any = {"configurable": {"nested": {"a": [1]}}}
        await client.runs.wait(thread_id, "echo", input={"text": "x"}, config=config)
        assert (await metadata_of(client, thread_id))["nested"] == {"a": [1]}

"""Several runs on one thread, and runs that do not come to their end, with `langgraph_sdk`."""

from __future__ import annotations

import asyncio

import pytest
from langgraph_sdk.client import LangGraphClient
from langgraph_sdk.errors import ConflictError, NotFoundError
from langgraph_sdk.schema import CancelAction, MultitaskStrategy

from tests.api.sdk import SECONDS, all_of, start_long_run, state_of, status_of, thread_of, wait


@pytest.mark.requirement("MULTITASK-001")
async def test_a_second_run_is_refused_if_it_says_so(client: LangGraphClient) -> None:
    thread_id = await thread_of(client)
    run_id = await start_long_run(client, thread_id)
    with pytest.raises(ConflictError, match="already running"):
        await client.runs.create(
            thread_id, "echo", input={"text": "second"}, multitask_strategy="reject"
        )

    assert [run["run_id"] for run in await client.runs.list(thread_id)] == [run_id]
    await client.runs.cancel(thread_id, run_id, wait=True)


@pytest.mark.requirement("MULTITASK-002")
@pytest.mark.parametrize(
    ("strategy", "first", "log"),
    [
        ("enqueue", "success", ["first", "slept", "a:second", "b"]),
        ("interrupt", "interrupted", ["first", "a:second", "b"]),
        ("rollback", None, ["a:second", "b"]),
    ],
)
async def test_a_second_run_waits_or_takes_the_place_of_the_first(
    client: LangGraphClient, strategy: MultitaskStrategy, first: str | None, log: list[str]
) -> None:
    thread_id = await thread_of(client)
    run_id = await start_long_run(client, thread_id, 0.4 if strategy == "enqueue" else 300)
    values = await wait(
        client, thread_id, "echo", input={"text": "second"}, multitask_strategy=strategy
    )

    assert values["log"] == log
    assert await status_of(client, thread_id, run_id) == first
    assert (await client.threads.get(thread_id))["status"] == "idle"


@pytest.mark.requirement("MULTITASK-002")
async def test_runs_that_wait_are_carried_out_in_their_order(client: LangGraphClient) -> None:
    thread_id = await thread_of(client)
    first = await start_long_run(client, thread_id)
    runs = [await client.runs.create(thread_id, "echo", input={"text": str(n)}) for n in range(5)]
    statuses = [await status_of(client, thread_id, run["run_id"]) for run in runs]
    assert statuses == ["pending"] * 5
    assert (await client.threads.get(thread_id))["status"] == "busy"
    await client.runs.cancel(thread_id, first)
    async with asyncio.timeout(SECONDS):
        results = [await client.runs.join(thread_id, run["run_id"]) for run in runs]

    expected = ["first"]
    for n, values in enumerate(results):
        expected = [*expected, f"a:{n}", "b"]
        assert values["log"] == expected


@pytest.mark.requirement("CANCEL-001")
async def test_a_cancelled_run_keeps_its_steps_and_can_be_gone_on_with(
    client: LangGraphClient,
) -> None:
    thread_id = await thread_of(client)
    run_id = await start_long_run(client, thread_id)
    async with asyncio.timeout(SECONDS):
        await client.runs.cancel(thread_id, run_id, wait=True)
    state = await state_of(client, thread_id)

    assert await status_of(client, thread_id, run_id) == "interrupted"
    assert (await client.threads.get(thread_id))["status"] == "interrupted"
    assert (state["values"]["log"], state["next"]) == (["first"], ["sleep"])
    await client.threads.update_state(thread_id, {"seconds": 0}, as_node="first")
    assert (await wait(client, thread_id, "slow"))["log"] == ["first", "slept"]


@pytest.mark.requirement("CANCEL-002")
async def test_a_run_that_is_rolled_back_was_never_there(client: LangGraphClient) -> None:
    thread_id = await thread_of(client)
    await wait(client, thread_id, "slow", input={"seconds": 0})
    before = await state_of(client, thread_id)
    run_id = await start_long_run(client, thread_id)
    async with asyncio.timeout(SECONDS):
        await client.runs.cancel(thread_id, run_id, wait=True, action="rollback")

    assert await status_of(client, thread_id, run_id) is None
    assert await state_of(client, thread_id) == before
    assert (await client.threads.get(thread_id))["status"] == "idle"


@pytest.mark.requirement("CANCEL-005")
async def test_many_runs_are_cancelled_at_once(client: LangGraphClient) -> None:
    thread_id = await thread_of(client)
    running = await start_long_run(client, thread_id)
    waiting = [
        (await client.runs.create(thread_id, "echo", input={"text": "x"}))["run_id"]
        for _ in range(3)
    ]
    async with asyncio.timeout(SECONDS):
        await client.runs.cancel_many(thread_id=thread_id, run_ids=[running, *waiting])
        for run_id in (running, *waiting):
            await client.runs.join(thread_id, run_id)
    statuses = [await status_of(client, thread_id, one) for one in (running, *waiting)]

    assert statuses == ["interrupted"] * 4
    assert (await state_of(client, thread_id))["values"]["log"] == ["first"]


@pytest.mark.requirement("RUN-016")
async def test_a_run_for_later_keeps_its_thread_busy_until_it_is_cancelled(
    client: LangGraphClient,
) -> None:
    thread_id = await thread_of(client)
    run = await client.runs.create(thread_id, "echo", input={"text": "x"}, after_seconds=3600)
    assert await status_of(client, thread_id, run["run_id"]) == "pending"
    assert (await client.threads.get(thread_id))["status"] == "busy"
    await client.runs.cancel(thread_id, run["run_id"], wait=True)

    assert await status_of(client, thread_id, run["run_id"]) == "interrupted"
    assert (await client.threads.get(thread_id))["status"] == "idle"


@pytest.mark.requirement("CANCEL-007")
async def test_a_deleted_run_takes_its_steps_with_it(client: LangGraphClient) -> None:
    thread_id = await thread_of(client)
    first = await wait(client, thread_id, "slow", input={"seconds": 0})
    run_id = await start_long_run(client, thread_id)
    async with asyncio.timeout(SECONDS):
        await client.runs.delete(thread_id, run_id)

    assert await status_of(client, thread_id, run_id) is None
    assert (await state_of(client, thread_id))["values"] == first
    thread = await client.threads.get(thread_id)
    assert (thread["status"], thread["values"]) == ("idle", first)


@pytest.mark.requirement("THREAD-007")
async def test_a_thread_is_deleted_with_the_run_on_it(client: LangGraphClient) -> None:
    thread_id = await thread_of(client)
    run_id = await start_long_run(client, thread_id)
    async with asyncio.timeout(SECONDS):
        await client.threads.delete(thread_id)

    assert await status_of(client, thread_id, run_id) is None
    with pytest.raises(NotFoundError):
        await client.threads.get_state(thread_id)


@pytest.mark.parametrize("how", ["interrupt", "rollback", "delete run", "delete thread"])
async def test_everyone_at_a_run_is_answered_when_another_client_ends_it(
    client: LangGraphClient, how: str
) -> None:
    thread_id = await thread_of(client)
    waiting = asyncio.ensure_future(
        wait(client, thread_id, "slow", input={"seconds": 300}, raise_error=False)
    )
    async with asyncio.timeout(SECONDS):
        while (await state_of(client, thread_id))["next"] != ["sleep"]:
            pass
    running = (await client.runs.list(thread_id))[0]["run_id"]
    created: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    stream = client.runs.stream(
        thread_id,
        "echo",
        input={"text": "never"},
        on_run_created=lambda run: created.set_result(run["run_id"]),
    )
    streaming = asyncio.ensure_future(all_of(stream))
    async with asyncio.timeout(SECONDS):
        pending = await created
        await end(client, thread_id, [pending, running], how)
        result, parts = await asyncio.gather(waiting, streaming)

    assert {part.event for part in parts} <= {"error"}  # it never ran
    if how == "interrupt":
        assert result["log"] == ["first"]
        assert (await client.threads.get(thread_id))["status"] == "interrupted"
    if how == "rollback":
        assert result["__error__"]["message"] == "404: Run not found"
        assert (await client.threads.get(thread_id))["status"] == "idle"


async def end(client: LangGraphClient, thread_id: str, run_ids: list[str], how: str) -> None:
    if how == "delete thread":
        await client.threads.delete(thread_id)
        return
    for run_id in run_ids:
        if how == "delete run":
            await client.runs.delete(thread_id, run_id)
        else:
            action: CancelAction = "rollback" if how == "rollback" else "interrupt"
            await client.runs.cancel(thread_id, run_id, action=action)


async def test_who_waits_for_a_run_is_told_its_id_long_before_it_ends(
    client: LangGraphClient,
) -> None:
    thread_id = await thread_of(client)
    created: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    waiting = asyncio.ensure_future(
        wait(
            client,
            thread_id,
            "slow",
            input={"seconds": 300},
            on_run_created=lambda run: created.set_result(run["run_id"]),
        )
    )
    try:
        async with asyncio.timeout(4):
            run_id = await created
    finally:
        (run,) = await client.runs.list(thread_id)
        await client.runs.cancel(thread_id, run["run_id"], wait=True)
        await waiting

    assert run_id == run["run_id"]

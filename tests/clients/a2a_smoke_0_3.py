"""What a2a-sdk 0.3 does with an agent of lgserve: `python a2a_smoke_0_3.py URL`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import httpx
from a2a.client import A2ACardResolver, ClientConfig, ClientFactory
from a2a.client.errors import A2AClientJSONRPCError
from a2a.types import (
    Message,
    Part,
    PushNotificationConfig,
    Role,
    TaskIdParams,
    TaskPushNotificationConfig,
    TaskQueryParams,
    TaskState,
    TextPart,
)


def said(text, **more):
    parts = [Part(root=TextPart(text=text))]
    return Message(message_id=str(uuid4()), role=Role.user, parts=parts, **more)


async def connect(http, url, agent, **config):
    card = await A2ACardResolver(http, f"{url}/a2a/{agent}").get_agent_card()
    assert card.protocol_version == "0.3.0"
    return ClientFactory(ClientConfig(httpx_client=http, **config)).create(card)


async def last(events):
    return [found async for found in events][-1][0]


def text_of(task):
    return "".join(part.root.text for part in task.artifacts[0].parts)


async def blocking(http, url):
    client = await connect(http, url, "talk", streaming=False)
    task = await last(client.send_message(said("you")))
    assert (task.status.state, text_of(task)) == (TaskState.completed, "hello you")
    assert await client.get_task(TaskQueryParams(id=task.id)) == task


async def streaming(http, url):
    client = await connect(http, url, "talk", streaming=True)
    task = await last(client.send_message(said("words 20")))
    assert task.status.state == TaskState.completed
    assert text_of(task) == " ".join(f"w{n:03}" for n in range(20))


async def input_required(http, url):
    client = await connect(http, url, "approve", streaming=True)
    task = await last(client.send_message(said("please")))
    assert task.status.state == TaskState.input_required
    done = await last(client.send_message(said("yes", task_id=task.id, context_id=task.context_id)))
    assert (done.id, done.status.state) == (task.id, TaskState.completed)


async def cancel(http, url):
    client = await connect(http, url, "hold", streaming=False, polling=True)
    task = await last(client.send_message(said("/nowhere")))
    ended = await client.cancel_task(TaskIdParams(id=task.id))
    assert ended.status.state == TaskState.canceled


async def resubscribe(http, url):
    client = await connect(http, url, "hold", streaming=True, polling=True)
    quiet = await connect(http, url, "hold", streaming=False, polling=True)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "go"
        task = await last(quiet.send_message(said(str(file))))
        ended = None
        async for event in client.resubscribe(TaskIdParams(id=task.id)):
            file.touch()
            ended = event[0]
    task = ended
    assert (task.status.state, text_of(task)) == (TaskState.completed, "done now")


async def pushes(http, url):
    client = await connect(http, url, "approve", streaming=False)
    task = await last(client.send_message(said("please")))
    config = PushNotificationConfig(url="http://127.0.0.1:9/", token="tok")
    made = await client.set_task_callback(
        TaskPushNotificationConfig(task_id=task.id, push_notification_config=config)
    )
    assert made.push_notification_config.url == config.url


async def errors(http, url):
    client = await connect(http, url, "talk", streaming=False)
    code = 0
    try:
        await client.get_task(TaskQueryParams(id="nope"))
    except A2AClientJSONRPCError as exc:
        code = exc.error.code
    assert code == -32001


async def main(url):
    async with httpx.AsyncClient(timeout=30) as http:
        for check in (
            blocking, streaming, input_required, cancel, resubscribe, pushes, errors,
        ):  # fmt: skip
            async with asyncio.timeout(30):
                await check(http, url)
            print(f"ok: {check.__name__}")


asyncio.run(main(sys.argv[1]))

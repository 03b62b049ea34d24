"""What a2a-sdk 1.x does with an agent of lgserve: `python a2a_smoke_1_0.py URL`."""

from __future__ import annotations

import asyncio
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import httpx
from a2a.client import A2ACardResolver, ClientConfig, ClientFactory
from a2a.types import (
    CancelTaskRequest,
    GetExtendedAgentCardRequest,
    GetTaskRequest,
    ListTasksRequest,
    Message,
    Part,
    Role,
    SendMessageConfiguration,
    SendMessageRequest,
    SubscribeToTaskRequest,
    TaskPushNotificationConfig,
    TaskState,
)
from a2a.utils.errors import A2AError, TaskNotFoundError


def said(text, **more):
    parts = [Part(text=text)]
    return Message(message_id=str(uuid4()), role=Role.ROLE_USER, parts=parts, **more)


async def connect(http, url, agent, **config):
    card = await A2ACardResolver(http, f"{url}/a2a/{agent}").get_agent_card()
    return ClientFactory(ClientConfig(httpx_client=http, **config)).create(card)


async def send(client, message, **configuration):
    request = SendMessageRequest(
        message=message, configuration=SendMessageConfiguration(**configuration)
    )
    return [event async for event in client.send_message(request)]


def words(events):
    text = ""
    for event in events:
        if event.HasField("artifact_update"):
            new = "".join(part.text for part in event.artifact_update.artifact.parts)
            text = text + new if event.artifact_update.append else new
    return text


async def blocking(http, url):
    client = await connect(http, url, "talk", streaming=False)
    (answer,) = await send(client, said("you"))
    assert answer.task.status.state == TaskState.TASK_STATE_COMPLETED
    assert answer.task.artifacts[0].parts[0].text == "hello you"
    again = await client.get_task(GetTaskRequest(id=answer.task.id))
    assert again == answer.task
    assert (await client.get_extended_agent_card(GetExtendedAgentCardRequest())).name == "talk"
    listed = await client.list_tasks(ListTasksRequest(context_id=again.context_id))
    assert [task.id for task in listed.tasks] == [again.id]


async def streaming(http, url):
    client = await connect(http, url, "talk", streaming=True)
    events = await send(client, said("words 20"))
    assert events[0].HasField("task")
    assert words(events) == " ".join(f"w{n:03}" for n in range(20))
    assert events[-1].status_update.status.state == TaskState.TASK_STATE_COMPLETED


async def input_required(http, url):
    client = await connect(http, url, "approve", streaming=True)
    events = await send(client, said("please"))
    task = events[0].task
    assert events[-1].status_update.status.state == TaskState.TASK_STATE_INPUT_REQUIRED
    assert events[-1].status_update.status.message.parts[0].text == "Approve?"
    events = await send(client, said("yes", task_id=task.id, context_id=task.context_id))
    assert words(events) == 'approved: "yes"'
    assert events[-1].status_update.status.state == TaskState.TASK_STATE_COMPLETED


async def cancel(http, url):
    client = await connect(http, url, "hold", streaming=False)
    (answer,) = await send(client, said("/nowhere"), return_immediately=True)
    ended = await client.cancel_task(CancelTaskRequest(id=answer.task.id))
    assert ended.status.state == TaskState.TASK_STATE_CANCELED


async def resubscribe(http, url):
    client = await connect(http, url, "hold", streaming=False)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "go"
        (answer,) = await send(client, said(str(file)), return_immediately=True)
        events = []
        reader = await connect(http, url, "hold", streaming=True)
        async for event in reader.subscribe(SubscribeToTaskRequest(id=answer.task.id)):
            events.append(event)
            if event.HasField("artifact_update"):
                file.touch()
    assert events[0].task.id == answer.task.id
    assert words(events) == "done now"


async def pushes(http, url):
    heard = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["content-length"]))
            heard.append(self.headers["X-A2A-Notification-Token"])
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    client = await connect(http, url, "approve", streaming=False)
    (answer,) = await send(client, said("please"))
    config = TaskPushNotificationConfig(
        task_id=answer.task.id, url=f"http://127.0.0.1:{server.server_port}/", token="tok"
    )
    made = await client.create_task_push_notification_config(config)
    assert made.id
    await send(client, said("yes", task_id=answer.task.id))
    for _ in range(500):
        if heard:
            break
        await asyncio.sleep(0.02)
    server.shutdown()
    assert heard == ["tok"]


async def errors(http, url):
    client = await connect(http, url, "talk", streaming=False)
    told = ""
    try:
        await client.get_task(GetTaskRequest(id="nope"))
    except TaskNotFoundError as exc:
        told = str(exc)
    assert "nope" in told
    try:
        await send(client, Message(message_id="m", role=Role.ROLE_USER))
    except A2AError:
        return
    raise AssertionError("sent")


async def main(url):
    async with httpx.AsyncClient(timeout=30) as http:
        for check in (
            blocking, streaming, input_required, cancel, resubscribe, pushes, errors,
        ):  # fmt: skip
            async with asyncio.timeout(30):
                await check(http, url)
            print(f"ok: {check.__name__}")


asyncio.run(main(sys.argv[1]))

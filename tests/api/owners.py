"""Two owners and a server that keeps them apart, for the tests of authentication."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx

KEYS = {"alice": "key-of-alice", "bob": "key-of-bob"}
API_KEYS = {"lgserve": {"auth": {"type": "api_keys", "keys": KEYS}}}
ALICE = {"x-api-key": KEYS["alice"]}
BOB = {"x-api-key": KEYS["bob"]}
#: A receiver that is not there.
NOBODY = "http://127.0.0.1:9/"


@dataclass(frozen=True)
class Holdings:
    """What somebody has on the server; each bears the mark, which nobody else may ever see."""

    mark: str
    thread_id: str
    run_id: str
    checkpoint_id: str
    #: A thread with a run that waits.
    busy_thread_id: str
    waiting_run_id: str
    assistant_id: str
    cron_id: str = ""
    #: What one of the runs tells somebody who is not there.
    webhook_id: str = ""


def seed(http: httpx.Client, who: dict[str, str]) -> Holdings:
    """Create one of each."""
    mark = f"mark-{uuid4()}"

    def post(path: str, **body: Any) -> Any:
        answer = http.post(path, json=body, headers=who)
        assert answer.status_code == 200, answer.text
        return answer.json()

    thread_id = post("/threads", metadata={"note": mark})["thread_id"]
    assistant_id = post("/assistants", graph_id="echo", name=mark)["assistant_id"]
    run = post(
        f"/threads/{thread_id}/runs",
        assistant_id=assistant_id,
        input={"text": mark},
        stream_resumable=True,
        webhook=NOBODY,
    )
    http.get(f"/threads/{thread_id}/runs/{run['run_id']}/join", headers=who)
    (delivery,) = http.get("/webhooks", params={"run_id": run["run_id"]}, headers=who).json()
    state = http.get(f"/threads/{thread_id}/state", headers=who).json()
    busy_thread_id = post("/threads", metadata={"note": mark})["thread_id"]
    waiting = post(
        f"/threads/{busy_thread_id}/runs",
        assistant_id="echo",
        input={"text": mark},
        metadata={"note": mark},
        after_seconds=600,
    )
    cron = post(
        f"/threads/{thread_id}/runs/crons",
        assistant_id=assistant_id,
        schedule="0 0 1 1 *",
        metadata={"note": mark},
    )
    item = {"namespace": [mark], "key": "k", "value": {"note": mark}}
    assert http.put("/store/items", json=item, headers=who).status_code == 200
    return Holdings(
        mark=mark,
        thread_id=thread_id,
        run_id=run["run_id"],
        checkpoint_id=state["checkpoint"]["checkpoint_id"],
        busy_thread_id=busy_thread_id,
        waiting_run_id=waiting["run_id"],
        assistant_id=assistant_id,
        webhook_id=delivery["webhook_id"],
        cron_id=cron["cron_id"],
    )


def everything(http: httpx.Client, who: dict[str, str], of: Holdings) -> dict[str, Any]:
    """Return all that somebody sees of holdings, to compare before with after."""
    paths = (
        f"/threads/{of.thread_id}",
        f"/threads/{of.thread_id}/state",
        f"/threads/{of.thread_id}/history?limit=10",
        f"/threads/{of.thread_id}/runs",
        f"/threads/{of.busy_thread_id}",
        f"/threads/{of.busy_thread_id}/runs",
        f"/assistants/{of.assistant_id}",
        f"/runs/crons/{of.cron_id}",
        f"/runs/crons/{of.cron_id}/firings",
        f"/store/items?namespace={of.mark}&key=k",
    )
    seen = {}
    for path in paths:
        answer = http.get(path, headers=who)
        seen[path] = (answer.status_code, answer.json())
    return seen

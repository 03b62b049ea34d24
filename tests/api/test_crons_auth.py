"""Crons have owners: nobody sees another's, and each fires as who made it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from lgserve.core.ids import system_assistant_id
from tests.api.conftest import served
from tests.api.cron_tools import SELDOM, at, create, fired, firings, in_seconds
from tests.api.owners import ALICE, API_KEYS, BOB

WHOSE = system_assistant_id("whose")


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A server that keeps the owners of API keys apart."""
    with (
        served(tmp_path_factory.mktemp("keyed"), config=API_KEYS) as url,
        httpx.Client(base_url=url, timeout=30) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A server with a project's own handlers."""
    with (
        served(tmp_path_factory.mktemp("guarded"), "cronguard") as url,
        httpx.Client(base_url=url, timeout=30) as client,
    ):
        yield client


@pytest.fixture
def asked(guarded: httpx.Client) -> list[tuple[str, dict[str, Any], str]]:
    """What handlers of crons are asked from now on."""
    found: list[tuple[str, dict[str, Any], str]] = next(
        module.asked
        for module in sys.modules.values()
        if getattr(module, "__file__", None) and str(module.__file__).endswith("cron_guard.py")
    )
    found.clear()
    return found


def token(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {name}"}


def test_a_cron_is_its_owner_s_and_fires_as_them(keyed: httpx.Client) -> None:
    cron = create(
        keyed, who=ALICE, schedule=at(in_seconds(2)), on_run_completed="keep", metadata={"m": 1}
    )
    (firing,) = fired(keyed, cron, who=ALICE)

    assert cron["user_id"] == "alice"
    assert cron["metadata"] == {"m": 1, "owner": "alice"}
    assert firing["outcome"] == "fired"
    thread = keyed.get(f"/threads/{firing['thread_id']}", headers=ALICE).json()
    assert thread["metadata"]["owner"] == "alice"
    run = keyed.get(f"/runs/{firing['run_id']}", headers=ALICE).json()
    configurable = run["kwargs"]["config"]["configurable"]
    assert configurable["langgraph_auth_user_id"] == "alice"
    assert keyed.get(f"/threads/{firing['thread_id']}", headers=BOB).status_code == 404
    for path in ("", "/firings"):
        assert keyed.get(f"/runs/crons/{cron['cron_id']}{path}", headers=BOB).status_code == 404


def test_nobody_makes_a_cron_of_another_s_thread_or_assistant(keyed: httpx.Client) -> None:
    thread_id = keyed.post("/threads", json={}, headers=ALICE).json()["thread_id"]
    of_alice = keyed.post("/assistants", json={"graph_id": "echo"}, headers=ALICE).json()
    body = {"assistant_id": "echo", "schedule": SELDOM}
    answer = keyed.post(f"/threads/{thread_id}/runs/crons", json=body, headers=BOB)
    assert answer.status_code == 404

    body = {"assistant_id": of_alice["assistant_id"], "schedule": SELDOM}
    assert keyed.post("/runs/crons", json=body, headers=BOB).status_code == 404
    own = create(keyed, who=BOB)
    taken = {"assistant_id": of_alice["assistant_id"]}
    patched = keyed.patch(f"/runs/crons/{own['cron_id']}", json=taken, headers=BOB)
    assert patched.status_code == 404
    stolen = {"metadata": {"owner": "alice"}}
    patched = keyed.patch(f"/runs/crons/{own['cron_id']}", json=stolen, headers=BOB)
    assert patched.json()["metadata"]["owner"] == "bob"


def test_handlers_are_asked_with_the_documented_values(
    guarded: httpx.Client, asked: list[tuple[str, dict[str, Any], str]]
) -> None:
    who = token("ann")
    body = {"assistant_id": "whose", "schedule": SELDOM, "metadata": {"m": 1}}
    cron = guarded.post("/runs/crons", json=body, headers=who).json()
    path = f"/runs/crons/{cron['cron_id']}"
    guarded.get(path, headers=who)
    guarded.patch(path, json={"enabled": False, "input": {"text": "y"}}, headers=who)
    guarded.post("/runs/crons/search", json={"assistant_id": "whose"}, headers=who)
    guarded.delete(path, headers=who)

    shown = [(action, {k: str(v) if k.endswith("_id") else v for k, v in value.items()})
             for action, value, _ in asked]  # fmt: skip
    assert shown == [
        (
            "create",
            {
                "payload": body, "schedule": SELDOM, "cron_id": cron["cron_id"],
                "thread_id": "None", "user_id": "ann", "end_time": None,
                "metadata": {"m": 1, "added": "by the handler"},
            },
        ),
        ("read", {"cron_id": cron["cron_id"]}),
        (
            "update",
            {
                "cron_id": cron["cron_id"], "schedule": None, "end_time": None, "enabled": False,
                "on_run_completed": None,
                "payload": {"enabled": False, "input": {"text": "y"}},
            },
        ),
        (
            "search",
            {
                "assistant_id": WHOSE, "thread_id": "None", "metadata": {}, "limit": 10,
                "offset": 0,
            },
        ),
        ("delete", {"cron_id": cron["cron_id"]}),
    ]  # fmt: skip
    assert cron["metadata"] == {"m": 1, "added": "by the handler", "owner": "ann"}
    assert cron["user_id"] == "ann"


def test_a_firing_runs_with_the_identity_that_was_kept_and_without_secrets(
    guarded: httpx.Client,
) -> None:
    who = token("ann")
    cron = create(
        guarded, who=who, assistant_id="whose", schedule=at(in_seconds(2)), on_run_completed="keep"
    )
    (firing,) = fired(guarded, cron, who=who)
    joined = guarded.get(f"/runs/{firing['run_id']}/join", headers=who).json()

    assert joined["who"] == {
        "identity": "ann",
        "token": None,
        "permissions": [],
        "cron_id": cron["cron_id"],
    }


def test_who_may_not_run_any_more_does_not_by_an_old_cron(guarded: httpx.Client) -> None:
    who = token("fired")
    cron = create(guarded, who=who, assistant_id="whose", schedule=at(in_seconds(2)))
    (firing,) = fired(guarded, cron, who=who)

    assert (firing["outcome"], firing["run_id"]) == ("failed", None)
    assert firing["error"] == {"error": "AuthHandlerError", "message": "you left us"}
    answer = guarded.post(f"/runs/crons/{cron['cron_id']}/trigger", headers=who)
    assert (answer.status_code, answer.json()) == (403, {"detail": "you left us"})


def test_a_handler_s_refusal_is_the_answer(guarded: httpx.Client) -> None:
    cron = create(guarded, who=token("ann"), assistant_id="whose")
    stranger = token("stranger")
    path = f"/runs/crons/{cron['cron_id']}"
    answers = [
        guarded.post("/runs/crons", json={"assistant_id": "whose", "schedule": SELDOM},
                     headers=stranger),
        guarded.get(path, headers=stranger),
        guarded.get(f"{path}/firings", headers=stranger),
        guarded.patch(path, json={"enabled": False}, headers=stranger),
        guarded.post(f"{path}/trigger", headers=stranger),
        guarded.delete(path, headers=stranger),
        guarded.post("/runs/crons/search", json={}, headers=stranger),
        guarded.post("/runs/crons/count", json={}, headers=stranger),
    ]  # fmt: skip

    assert {answer.status_code for answer in answers} == {403}
    assert firings(guarded, cron, token("ann")) == []
    assert guarded.get(path).status_code == 401

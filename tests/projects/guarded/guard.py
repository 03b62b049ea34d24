"""Users by token, rows by owner, a folder of one's own in the store, and odd tokens for odd ends."""

from typing import Any

from langgraph_sdk import Auth

guard = Auth()
Refusal = Auth.exceptions.HTTPException


@guard.authenticate
async def authenticate(authorization: str | None, headers: dict, path: str, method: str) -> Any:
    token = (authorization or "").removeprefix("Bearer ") or headers.get(b"x-token", b"").decode()
    if token == "broken":
        raise RuntimeError("the directory is down")
    if token == "nobody":
        return None
    if token == "late":
        raise Refusal(status_code=403, detail="too late", headers={"X-Why": "hours"})
    if not token:
        raise Refusal(status_code=401, detail=f"who are you, to {method} {path}?")
    return {"identity": token, "permissions": ["chat"], "token": f"secret-of-{token}", "team": ["red", token]}


@guard.on
async def nothing_else(ctx: Auth.types.AuthContext, value: dict) -> bool:
    return False


@guard.on.threads
async def own_threads(ctx: Auth.types.AuthContext, value: dict) -> dict:
    value.setdefault("metadata", {})["owner"] = ctx.user.identity
    return {"owner": ctx.user.identity}


@guard.on.threads.delete
async def who_may_delete(ctx: Auth.types.AuthContext, value: dict) -> dict:
    assert ctx.user.identity != "carol", "carol deletes nothing"
    return {"owner": {"$eq": ctx.user["identity"]}}


@guard.on.threads.search
async def all_of_a_team(ctx: Auth.types.AuthContext, value: dict) -> dict:
    return {"$or": [{"owner": ctx.user.identity}, {"team": {"$contains": ctx.user.identity}}]}


@guard.on.assistants.create
async def make_assistants(ctx: Auth.types.AuthContext, value: dict) -> None:
    value["metadata"]["owner"] = ctx.user.identity


@guard.on.assistants.read
async def read_assistants(ctx: Auth.types.AuthContext, value: dict) -> dict:
    return {"owner": ctx.user.identity}


@guard.on.assistants.search
async def search_assistants(ctx: Auth.types.AuthContext, value: dict) -> dict:
    return {"owner": ctx.user.identity}


@guard.on.assistants.update
async def a_wrong_answer(ctx: Auth.types.AuthContext, value: dict) -> Any:
    return {"owner": {"$like": "a%"}}


@guard.on.store
async def own_folder(ctx: Auth.types.AuthContext, value: dict) -> None:
    value["namespace"] = (ctx.user.identity, *(value["namespace"] or ()))

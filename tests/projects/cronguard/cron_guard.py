"""Users by token; what handlers of crons were asked is kept for the tests to read."""

from typing import Any

from langgraph_sdk import Auth

guard = Auth()
#: (action, value as it came, who)
asked: list[tuple[str, dict, str]] = []


@guard.authenticate
async def authenticate(authorization: str | None) -> Any:
    token = (authorization or "").removeprefix("Bearer ")
    if not token:
        raise Auth.exceptions.HTTPException(status_code=401, detail="who are you?")
    return {"identity": token, "permissions": ["run"], "token": f"secret-of-{token}"}


@guard.on
async def own(ctx: Auth.types.AuthContext, value: dict) -> dict:
    return {"owner": ctx.user.identity}


@guard.on.threads
async def own_threads(ctx: Auth.types.AuthContext, value: dict) -> dict:
    value.setdefault("metadata", {})["owner"] = ctx.user.identity
    if ctx.action == "create_run" and ctx.user.identity == "fired":
        raise Auth.exceptions.HTTPException(status_code=403, detail="you left us")
    return {"owner": ctx.user.identity}


@guard.on.assistants
async def all_assistants(ctx: Auth.types.AuthContext, value: dict) -> None:
    return None


@guard.on.crons
async def own_crons(ctx: Auth.types.AuthContext, value: dict) -> dict:
    asked.append((ctx.action, {**value}, ctx.user.identity))
    if ctx.user.identity == "stranger":
        raise Auth.exceptions.HTTPException(status_code=403, detail="no crons for you")
    if ctx.action == "create":
        value["metadata"]["added"] = "by the handler"
    return {"owner": ctx.user.identity}

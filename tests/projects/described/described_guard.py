"""Notes all that it is asked, and answers as the user's name says."""

from typing import Any

from langgraph_sdk import Auth

guard = Auth()
ASKED: list[tuple[str, str, dict[str, Any]]] = []


@guard.authenticate
async def authenticate(authorization: str | None) -> dict[str, Any]:
    return {"identity": (authorization or "Bearer nobody").removeprefix("Bearer ")}


@guard.on
async def note(ctx: Auth.types.AuthContext, value: dict[str, Any]) -> Any:
    if ctx.resource in ("assistants", "threads"):
        ASKED.append((ctx.resource, ctx.action, dict(value)))
    if ctx.user.identity == "stranger":
        return {"owner": "stranger"}
    if ctx.user.identity == "reader":
        return ctx.action in ("read", "search")
    if ctx.user.identity == "keeper":
        return ctx.resource == "assistants"
    if ctx.user.identity == "restorer" and "version" in value:
        value["version"] = 1
    return True

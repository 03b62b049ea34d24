"""Users by their tokens."""

from langgraph_sdk import Auth

auth = Auth()


@auth.authenticate
async def authenticate(headers: dict) -> dict:
    token = headers.get(b"authorization", b"").decode().removeprefix("Bearer ")
    if token not in ("alice", "bob"):
        raise Auth.exceptions.HTTPException(status_code=401, detail="who are you?", headers={"x-why": "nobody"})
    return {"identity": token, "permissions": ["read"]}


@auth.on
async def allow(ctx: Auth.types.AuthContext, value: dict) -> bool:
    return True

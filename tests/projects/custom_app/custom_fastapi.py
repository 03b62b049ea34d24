"""A FastAPI app."""

from contextlib import asynccontextmanager

from fastapi import Depends, FastAPI, HTTPException, Request, UploadFile, WebSocket
from pydantic import BaseModel


class Thread(BaseModel):
    """The same name as a component of the API."""

    colour: str


@asynccontextmanager
async def lifespan(app: FastAPI):
    yield {"answer": 7}


def answer(request: Request) -> int:
    return request.state.answer


app = FastAPI(lifespan=lifespan)


@app.middleware("http")
async def stamp(request: Request, call_next):
    response = await call_next(request)
    response.headers["x-stamp"] = "fast"
    return response


@app.get("/", include_in_schema=False)
async def root() -> dict:
    return {"home": True}


@app.get("/fast/{number}", tags=["Fast"])
async def fast(number: int, state: int = Depends(answer)) -> dict:
    """Add a number to the answer."""
    return {"sum": number + state}


@app.post("/fast/threads")
async def create(thread: Thread) -> Thread:
    return thread


@app.post("/fast/upload")
async def upload(file: UploadFile) -> dict:
    return {"size": len(await file.read())}


@app.get("/fast/sync/wait")
def sync() -> dict:
    raise HTTPException(409, {"why": "busy"})


@app.websocket("/fast/socket")
async def socket(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_json({"answer": websocket.state.answer})
    await websocket.close()

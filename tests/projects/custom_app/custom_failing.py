"""Apps that cannot start."""

from contextlib import asynccontextmanager

from starlette.applications import Starlette


@asynccontextmanager
async def lifespan(app: Starlette):
    raise ConnectionError("the database is down")
    yield


app = Starlette(lifespan=lifespan)
not_an_app = {"a": 1}


def make_app() -> Starlette:
    return Starlette()

"""An app that says itself which pages may call."""

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route


async def page(_):
    return PlainTextResponse("x" * 5000)


app = Starlette(
    routes=[Route("/page", page)],
    middleware=[
        Middleware(
            CORSMiddleware, allow_origins=["https://good.example"], allow_credentials=True, allow_methods=["*"]
        ),
        Middleware(GZipMiddleware),
    ],
)

"""Callback handlers of all kinds, good and bad; what they hear goes to a file beside this one."""

import asyncio
import threading
from pathlib import Path

from langchain_core.callbacks import AsyncCallbackHandler, BaseCallbackHandler

HEARD = Path(__file__).with_name("heard.txt")
_lock = threading.Lock()


def note(text):
    with _lock, HEARD.open("a") as file:
        file.write(text + "\n")


class Sync(BaseCallbackHandler):
    def __init__(self, name="class"):
        self.name = name

    def on_chat_model_start(self, serialized, messages, *, metadata=None, **kwargs):
        note(f"{self.name} model {metadata['thread_id']}")

    def on_chain_start(self, serialized, inputs, *, parent_run_id=None, name=None, **kwargs):
        if parent_run_id is None:
            note(f"{self.name} run {name}")


class Async(AsyncCallbackHandler):
    async def on_chat_model_start(self, serialized, messages, *, metadata=None, **kwargs):
        await asyncio.sleep(0)
        note(f"async model {metadata['thread_id']}")


class Raises(BaseCallbackHandler):
    def on_chat_model_start(self, *args, **kwargs):
        note("raises")
        raise RuntimeError("a handler's own trouble")


class Insists(Raises):
    raise_error = True


class Broken(BaseCallbackHandler):
    def __init__(self):
        raise RuntimeError("cannot be made")


instance = Sync("instance")


def make():
    return Sync("function")


async def make_async():
    await asyncio.sleep(0)
    asyncio.get_running_loop()
    return Sync("coroutine")


number = 7

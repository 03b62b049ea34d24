"""Says as many words as it is asked for, one every 10 ms."""

import asyncio

from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langgraph.graph import START, MessagesState, StateGraph


class Slow(GenericFakeChatModel):
    async def _astream(self, *args, **kwargs):
        async for chunk in super()._astream(*args, **kwargs):
            yield chunk
            await asyncio.sleep(0.005)


async def speak(state):
    count = int(state["messages"][-1].content)
    text = " ".join(f"w{number:03}" for number in range(count))
    return {"messages": [await Slow(messages=iter([AIMessage(content=text)])).ainvoke("go")]}


graph = StateGraph(MessagesState).add_node("speak", speak).add_edge(START, "speak").compile()

"""The model: a real one if MODEL names it, else a fake that needs no key."""

from __future__ import annotations

import os
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable


def make_model() -> Runnable[Any, Any]:
    """Return the model that MODEL names, such as openai:gpt-4o-mini; without it, the fake.

    A real model needs its package: pip install langchain langchain-openai
    """
    name = os.environ.get("MODEL")
    if not name:
        return FakeModel()
    from langchain.chat_models import init_chat_model

    return init_chat_model(name)


class FakeModel(BaseChatModel):
    """Repeats what was said, and counts."""

    @property
    def _llm_type(self) -> str:
        return "fake"

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        said = [message for message in messages if message.type == "human"]
        text = f"You said: {said[-1].text}. That was message {len(said)}."
        return ChatResult(generations=[ChatGeneration(message=AIMessage(text))])

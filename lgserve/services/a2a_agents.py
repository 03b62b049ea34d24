"""Assistants as agents of A2A: which are, and what their graphs take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lgserve import jsonio
from lgserve.core.errors import LgserveError, NotFoundError
from lgserve.services.a2a_requests import wrong

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lgserve.core.models import Assistant, Scope
    from lgserve.core.principals import Principal
    from lgserve.services.assistants import AssistantService
    from lgserve.services.introspection import IntrospectionService

#: An assistant whose metadata has it as false is no agent.
OPT_OUT = "a2a"
_OF_SYSTEM: Scope = {"created_by": "system"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """An assistant, and the members of its input; None if nobody knows what it takes."""

    assistant: Assistant
    fields: tuple[str, ...] | None
    required: tuple[str, ...] = ()

    @property
    def converses(self) -> bool:
        """Whether it takes text and files."""
        return self.fields is None or "messages" in self.fields


@dataclass(frozen=True, slots=True, kw_only=True)
class A2aAgents:
    """Finds agents."""

    assistants: AssistantService
    introspection: IntrospectionService

    async def find(self, named: str, scope: Scope, user: Principal | None) -> Agent:
        """Return an agent by the id of its assistant or of a graph.

        A graph's own assistant belongs to nobody, and everybody may run it.

        Raises:
            A2aError: there is none.
        """
        try:
            assistant, scope = await self._assistant(named, scope)
        except LgserveError as exc:
            missing = isinstance(exc, NotFoundError)
            why = f"Assistant '{named}' not found"
            if not missing:
                why = f"Failed to get assistant '{named}': {exc.message}"
            raise wrong(why, "assistant_id") from None
        if jsonio.loads(assistant.metadata).get(OPT_OUT) is False:
            raise wrong(f"Assistant '{named}' not found", "assistant_id")
        schema = await self._input_schema(assistant, scope, user)
        properties = schema.get("properties") if isinstance(schema, dict) else None
        required = schema.get("required") if isinstance(schema, dict) else None
        return Agent(
            assistant=assistant,
            fields=tuple(properties) if isinstance(properties, dict) else None,
            required=tuple(required or ()),
        )

    async def _assistant(self, named: str, scope: Scope) -> tuple[Assistant, Scope]:
        try:
            return await self.assistants.get(named, scope), scope
        except NotFoundError:
            if not self.assistants.is_system(self.assistants.resolve(named)):
                raise
        return await self.assistants.get(named, _OF_SYSTEM), _OF_SYSTEM

    async def _input_schema(
        self, assistant: Assistant, scope: Scope, user: Principal | None
    ) -> Any:
        try:
            text = await self.introspection.schemas(assistant.assistant_id, scope, user)
        except LgserveError:
            return None  # a graph that cannot be described may yet run, or say why it does not
        return jsonio.loads(text).get("input_schema")


def check_takes(agent: Agent, message: Mapping[str, Any]) -> None:
    """Refuse text and files to a graph without messages.

    Raises:
        A2aError: it has none.
    """
    if agent.converses or all("data" in part for part in message["parts"]):
        return
    assistant = agent.assistant
    raise wrong(
        f"Assistant '{assistant.assistant_id}' (graph '{assistant.graph_id}') does not support A2A"
        " conversational messages. Graph input schema must include a 'messages' field to accept"
        f" text or file parts. Available input fields: {list(agent.fields or ())}",
        "message.parts",
    )

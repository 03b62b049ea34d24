"""A graph that shows as whom it runs."""

from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.graph import StateGraph
from typing_extensions import TypedDict


class State(TypedDict, total=False):
    text: str
    who: dict[str, Any]


def show(state: State, config: RunnableConfig) -> State:
    given = config["configurable"]
    user = given["langgraph_auth_user"]
    return {
        "who": {
            "identity": user["identity"],
            "token": user.get("token"),
            "permissions": list(given["langgraph_auth_permissions"]),
            "cron_id": given.get("cron_id"),
        }
    }


whose = StateGraph(State).add_node(show).add_edge("__start__", "show").compile()

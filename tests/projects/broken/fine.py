from langgraph.graph import MessagesState, StateGraph

graph = StateGraph(MessagesState).add_node("n", lambda state: {}).set_entry_point("n").compile()

"""A graph that looks out into the world in every way there is."""

import contextlib
import socket
import urllib.request
from typing import TypedDict

from langgraph.graph import START, StateGraph


class State(TypedDict, total=False):
    text: str


def look(state):
    with contextlib.suppress(OSError):
        socket.create_connection(("192.0.2.1", 80), timeout=1)
    with contextlib.suppress(OSError):
        socket.getaddrinfo("name.example", 80)
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.sendto(b"x", ("192.0.2.2", 53))
    with contextlib.suppress(OSError):
        urllib.request.urlopen("http://192.0.2.3/", timeout=1)
    return {"text": "seen"}


builder = StateGraph(State)
builder.add_node(look)
builder.add_edge(START, "look")
outward = builder.compile()

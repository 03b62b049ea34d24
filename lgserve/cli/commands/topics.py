"""`lgserve help`: what holds for all commands."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Annotated

import typer

from lgserve.cli.errors import usage_error
from lgserve.cli.lazy import new_app
from lgserve.cli.output import write

_TOPICS = {
    "exit-codes": """\
0    done
1    the operation failed, or an internal error
2    wrong usage, or a confirmation that nobody could give
3    the project's config is invalid, or a graph does not import
4    not authenticated, or not allowed (401, 403)
5    not found (404)
6    conflict: it exists, or the thread is busy (409)
7    the server cannot be reached
8    the run did not end well (--exit-status), or `doctor` found something
9    the server refused the input (400, 422)
75   try later (429, 503)
124  no answer within --timeout
130  Ctrl-C
""",
    "environment": """\
LGSERVE_URL       the server to talk to; --url goes first, then this, then the
                  .lgserve/server.json of this folder or one above it that a running
                  `dev` or `serve` has written, then http://127.0.0.1:2024
LGSERVE_API_KEY   the key to send; then LANGGRAPH_API_KEY, LANGSMITH_API_KEY,
                  LANGCHAIN_API_KEY; --api-key goes first
LGSERVE_OUTPUT    the format to write in: table, json, jsonl, yaml, id
LGSERVE_CONFIG    the project's config file, or its folder
LGSERVE_DEBUG     1 shows tracebacks
NO_COLOR          no colour; --color goes first, FORCE_COLOR and CLICOLOR_FORCE turn it on
CI, AI_AGENT      nobody is asked: what deletes needs --yes
""",
    "output": """\
Data goes to stdout, talk to stderr.
table   aligned on a terminal; in a pipe the same columns, whole and separated by tabs
json    what the API says: an array of objects, or one object
jsonl   one object a line
yaml    the same as YAML
id      only the ids
--fields a,b.c picks columns or fields. With json and jsonl, an error is
{"error": {"code", "message", "hint", …}} on stderr, and stdout stays empty.
""",
}

app = new_app("help", "Exit codes, environment, output.")


@app.command("help")
def show_topic(
    topic: Annotated[
        str | None, typer.Argument(metavar="[TOPIC]", help=f"{', '.join(_TOPICS)}.")
    ] = None,
) -> None:
    """Explain what holds for all commands: exit-codes, environment, output."""
    if topic is None:
        write("".join(f"lgserve help {name}\n" for name in _TOPICS))
        return
    if topic not in _TOPICS:
        near = get_close_matches(topic, _TOPICS, n=1)
        hint = f"did you mean `lgserve help {near[0]}`?" if near else f"{', '.join(_TOPICS)}"
        raise usage_error(f"no topic {topic!r}", hint)
    write(_TOPICS[topic])

"""`lgserve api`: a request as it is, with the address and the key of every other command."""

from __future__ import annotations

import http.client
import json
import sys
from typing import Annotated, Any
from urllib.parse import parse_qsl, quote, urlencode

import typer

from lgserve.cli.arguments import read_json
from lgserve.cli.context import Session, open_session
from lgserve.cli.errors import say, usage_error
from lgserve.cli.lazy import new_app
from lgserve.cli.options import command, parse_pairs
from lgserve.cli.output import write

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
_WITHOUT_BODY = ("GET", "HEAD", "OPTIONS")
_CHUNK = 65_536
#: What may stand in an address as it is; everything else is written by its number.
_SAFE = "/?&=%:+,;@!$'()*~-._[]"

app = new_app("api", "Send a request as it is.")


@command(app, "api", shared=open_session)
def call_api(
    session: Session,
    method: Annotated[str, typer.Argument(metavar="METHOD", help="GET, POST, PATCH, …")],
    path: Annotated[str, typer.Argument(metavar="PATH", help="As /threads/search.")],
    given: Annotated[
        list[str] | None,
        typer.Option("--field", "-f", help="key=text or key:=json: of the body, or the query."),
    ] = None,
    data: Annotated[
        str | None, typer.Option("--data", "-d", help="The body: JSON, @file, or -.")
    ] = None,
    include: Annotated[
        bool, typer.Option("--include", "-i", help="With the status and the headers.")
    ] = False,
) -> None:
    """Send a request as it is, and write what is answered; a stream as it comes.

    Fields make the body, and the query of a GET.

    Examples: lgserve api GET /info; lgserve api POST /threads/search -f limit:=3;
    lgserve api POST /runs/stream -d '{"assistant_id": "agent", "input": {}}'
    """
    method = _method(method)
    pairs = parse_pairs("--field", given or [])
    if data is not None and pairs and method not in _WITHOUT_BODY:
        raise usage_error("--data and --field exclude each other")
    body = read_json(data, "--data") if data is not None else None
    if method in _WITHOUT_BODY:
        path = _with_query(path, pairs)
    elif pairs:
        body = pairs
    answer = session.client.open(method, _target(session, path), body)
    try:
        _show(session, answer, include=include)
    except (OSError, http.client.HTTPException) as exc:
        if isinstance(exc, BrokenPipeError):
            raise
        raise session.client.broken_off(exc) from exc
    finally:
        answer.close()


def _method(text: str) -> str:
    if text.upper() not in _METHODS:
        raise usage_error(f"{text!r} is no method", f"methods: {', '.join(_METHODS)}")
    return text.upper()


def _with_query(path: str, pairs: dict[str, Any]) -> str:
    if not pairs:
        return path
    head, _, query = path.partition("?")
    texts = [
        (key, one if isinstance(one, str) else json.dumps(one))
        for key, value in pairs.items()
        for one in (value if isinstance(value, list) else [value])
    ]
    return f"{head}?{urlencode([*parse_qsl(query, keep_blank_values=True), *texts])}"


def _target(session: Session, path: str) -> str:
    """Return the path below the server's address; a whole address of it will do."""
    path = path.removeprefix(session.client.connection.url)
    if "://" in path.partition("?")[0]:
        raise usage_error(
            f"{path} is not at {session.client.connection.url}", "name another server with --url"
        )
    return quote(path if path.startswith("/") else f"/{path}", safe=_SAFE)


def _show(session: Session, answer: http.client.HTTPResponse, *, include: bool) -> None:
    if include:
        write(f"HTTP/1.1 {answer.status} {answer.reason}\n{_headers(answer)}\n")
    elif answer.status == 204:
        session.out.note("204 No Content")
    kind = (answer.headers.get_content_type() or "").lower()
    wanted = session.out.format
    if kind == "application/json" or kind.endswith("+json"):
        raw = wanted == "table" and not session.out.terminal
        _show_json(session, answer.read(), raw=raw)
    else:
        _pass_on(answer)
        if wanted not in ("table", "jsonl"):
            say(f"the answer is {kind}, written as it is")


def _headers(answer: http.client.HTTPResponse) -> str:
    return "".join(f"{name}: {value}\n" for name, value in answer.headers.items())


def _show_json(session: Session, data: bytes, *, raw: bool) -> None:
    """Write JSON readably on a terminal, and in the format asked for; in a pipe as it came."""
    if raw or not data:
        write(data.decode("utf-8", "replace") + ("\n" if data else ""))
        return
    value = json.loads(data)
    if session.out.format == "jsonl" and isinstance(value, list):
        write("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in value))
    else:
        session.out.value(value)


def _pass_on(answer: http.client.HTTPResponse) -> None:
    """Write bytes as they come."""
    sys.stdout.flush()
    binary = getattr(sys.stdout, "buffer", None)
    while chunk := answer.read1(_CHUNK):
        if binary is None:
            write(chunk.decode("utf-8", "replace"))
        else:
            binary.write(chunk)
            binary.flush()

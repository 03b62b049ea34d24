"""A client of the LangGraph API on the standard library: it must import in a blink."""

from __future__ import annotations

import http.client
import json
import re
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn
from urllib.parse import SplitResult, urlencode, urlsplit

from lgserve.cli.errors import CliError, ExitCode, usage_error

_CONNECT_SECONDS = 10.0
#: What a server answers about an address that it does not know.
_NO_ROUTE = (404, 405, 501)
#: How servers say that a thing is not there.
_NOT_FOUND = re.compile(r"(?i)^(assistant|cron|graph|run|thread)\b(?! or ).* not found")
_START_HINT = "start it with `lgserve dev`, or point elsewhere: --url, LGSERVE_URL"

#: HTTP status → (exit code, error code); every other failure is 1, E_SERVER.
_STATUS_MEANING: dict[int, tuple[ExitCode, str]] = {
    400: (ExitCode.REFUSED, "E_REFUSED"),
    401: (ExitCode.DENIED, "E_UNAUTHENTICATED"),
    403: (ExitCode.DENIED, "E_FORBIDDEN"),
    404: (ExitCode.NOT_FOUND, "E_NOT_FOUND"),
    409: (ExitCode.CONFLICT, "E_CONFLICT"),
    422: (ExitCode.REFUSED, "E_REFUSED"),
    429: (ExitCode.LATER, "E_LATER"),
    503: (ExitCode.LATER, "E_LATER"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """Where a server is, how to greet it, and where each of these was found."""

    url: str
    url_source: str
    api_key: str | None = None
    api_key_source: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    timeout_seconds: float = 30.0


class ApiClient:
    """Sends requests; one kept-alive connection a thread; failures become `CliError`."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._target = _split(connection.url)
        self._local = threading.local()
        self._opened: list[http.client.HTTPConnection] = []

    def get(self, path: str, query: Mapping[str, Any] | None = None) -> Any:
        """GET a resource as JSON."""
        text = urlencode({k: v for k, v in (query or {}).items() if v is not None}, doseq=True)
        return self._request("GET", f"{path}?{text}" if text else path)

    def text(self, path: str, query: Mapping[str, Any] | None = None) -> str:
        """GET a resource that is no JSON."""
        text = urlencode(query or {})
        target = f"{path}?{text}" if text else path
        return self._fetch("GET", target, None).decode("utf-8", "replace")

    def query(self, path: str, body: Mapping[str, Any]) -> Any:
        """POST a search or a count: a read whose question is in the body."""
        return self._request("POST", path, json.dumps(body).encode())

    def facts(self, path: str) -> dict[str, Any]:
        """GET a resource that is an object, whoever answers."""
        found = self.get(path)
        if not isinstance(found, dict):
            raise self._no_api(path, "answers with no object")
        return found

    def rows(self, path: str, body: Mapping[str, Any]) -> list[dict[str, Any]]:
        """POST a search, and see to it that its answer is a list of objects."""
        found = self.query(path, body)
        if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
            raise self._no_api(path, "answers with no list of objects")
        return found

    def count(self, path: str, body: Mapping[str, Any]) -> int:
        """POST a question that a number answers."""
        found = self.query(path, body)
        if not isinstance(found, int):
            raise self._no_api(path, "answers with no number")
        return found

    def post(self, path: str, body: Any = None, query: Mapping[str, Any] | None = None) -> Any:
        """POST what must not happen twice."""
        self._forget()  # a kept connection may have been closed, and a second try could do it twice
        return self._send_json("POST", path, body, query)

    def put(self, path: str, body: Any) -> Any:
        """PUT a resource."""
        return self._send_json("PUT", path, body, None)

    def patch(self, path: str, body: Any) -> Any:
        """PATCH a resource."""
        return self._send_json("PATCH", path, body, None)

    def delete(self, path: str, body: Any = None) -> Any:
        """DELETE a resource."""
        return self._send_json("DELETE", path, body, None)

    def open(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> http.client.HTTPResponse:
        """Send a request whose answer is read bit by bit; the caller closes the answer."""
        data = None if body is None else json.dumps(body).encode()
        try:
            response = self._answer(self._connect(kept=False), method, path, data, headers or {})
            failure = response.read() if response.status >= 400 else None
        except TimeoutError as exc:
            raise self._timed_out() from exc
        except (OSError, http.client.HTTPException) as exc:
            raise self._unreachable(exc) from exc
        if failure is not None:
            self._fail(response, failure, path)
        return response

    def broken_off(self, exc: Exception) -> CliError:
        """Return the error for an answer that ended in the middle."""
        return self._timed_out() if isinstance(exc, TimeoutError) else self._unreachable(exc)

    def close(self) -> None:
        """Close every connection."""
        for opened in self._opened:
            opened.close()

    def _send_json(self, method: str, path: str, body: Any, query: Mapping[str, Any] | None) -> Any:
        text = urlencode({k: v for k, v in (query or {}).items() if v is not None})
        data = None if body is None else json.dumps(body).encode()
        return self._request(method, f"{path}?{text}" if text else path, data)

    def _forget(self) -> None:
        kept: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        if kept is not None:
            kept.close()

    def _request(self, method: str, path: str, body: bytes | None = None) -> Any:
        return self._decode(self._fetch(method, path, body), path)

    def _fetch(self, method: str, path: str, body: bytes | None) -> bytes:
        try:
            response, data = self._exchange(method, path, body)
        except TimeoutError as exc:
            raise self._timed_out() from exc
        except (OSError, http.client.HTTPException) as exc:
            raise self._unreachable(exc) from exc
        if response.status >= 400:
            self._fail(response, data, path)
        return data

    def _exchange(
        self, method: str, path: str, body: bytes | None
    ) -> tuple[http.client.HTTPResponse, bytes]:
        """Send and read; a kept connection that the server has closed is opened anew once."""
        kept: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        if kept is not None and kept.sock is not None:
            try:
                return self._send(kept, method, path, body)
            except (ConnectionError, http.client.BadStatusLine):
                kept.close()
        return self._send(self._connect(), method, path, body)

    def _connect(self, *, kept: bool = True) -> http.client.HTTPConnection:
        secure = self._target.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        limit = self.connection.timeout_seconds
        opened = kind(
            self._target.hostname or "",
            self._target.port,
            timeout=min(_CONNECT_SECONDS, limit),
        )
        try:
            opened.connect()
        except TimeoutError as exc:
            raise ConnectionError("no answer to the connection attempt") from exc
        opened.sock.settimeout(limit)
        self._opened.append(opened)
        if kept:
            self._local.connection = opened
        return opened

    def _send(
        self, opened: http.client.HTTPConnection, method: str, path: str, body: bytes | None
    ) -> tuple[http.client.HTTPResponse, bytes]:
        response = self._answer(opened, method, path, body, {})
        return response, response.read()

    def _answer(
        self,
        opened: http.client.HTTPConnection,
        method: str,
        path: str,
        body: bytes | None,
        more: Mapping[str, str],
    ) -> http.client.HTTPResponse:
        headers = {"accept": "*/*", **dict(self.connection.headers), **more}
        if self.connection.api_key:
            headers["x-api-key"] = self.connection.api_key
        if body is not None:
            headers["content-type"] = "application/json"
        opened.request(method, self._target.path.rstrip("/") + path, body, headers)
        return opened.getresponse()

    def _decode(self, data: bytes, path: str) -> Any:
        try:
            return json.loads(data) if data else None
        except ValueError as exc:
            raise self._no_api(path, "does not answer in JSON") from exc

    def _no_api(self, path: str, what: str) -> CliError:
        return CliError(
            f"{self.connection.url}{path} {what}",
            code="E_NOT_AN_API",
            hint=f"is this a LangGraph server? (address from {self.connection.url_source})",
            url=self.connection.url + path,
        )

    def _fail(self, response: http.client.HTTPResponse, data: bytes, path: str) -> NoReturn:
        exit_code, code = _STATUS_MEANING.get(response.status, (ExitCode.FAILED, "E_SERVER"))
        if exit_code is ExitCode.DENIED:
            raise self._denied(response, code)
        detail = _detail(data, response.reason)
        raise CliError(
            f"{response.status} from {self.connection.url}{path}: {detail}",
            code=code,
            exit_code=exit_code,
            hint=self._hint(response.status, data, detail),
            status=response.status,
            url=self.connection.url + path,
        )

    def _hint(self, status: int, data: bytes, detail: str) -> str | None:
        """Tell a thing that is not there from an address that is not served."""
        if found := _NOT_FOUND.match(detail):
            return f"list them: lgserve {found[1].lower()}s list"
        if status in _NO_ROUTE and (not _is_json(data) or detail in ("Not Found", "{}")):
            return f"is this a LangGraph server? (address from {self.connection.url_source})"
        return None

    def _denied(self, response: http.client.HTTPResponse, code: str) -> CliError:
        source = self.connection.api_key_source
        about = f"key source: {source}" if source else "no API key is set"
        reason = "not allowed" if response.status == 403 else "API key missing or wrong"
        return CliError(
            f"{response.status} from {self.connection.url}: {reason}",
            code=code,
            exit_code=ExitCode.DENIED,
            hint=f"{about} · set another with --api-key or LGSERVE_API_KEY",
            status=response.status,
            url=self.connection.url,
        )

    def _timed_out(self) -> CliError:
        limit = self.connection.timeout_seconds
        return CliError(
            f"{self.connection.url} did not answer within {limit:g} s",
            code="E_TIMEOUT",
            exit_code=ExitCode.TIMED_OUT,
            hint="give it longer with --timeout"
            f" (this address comes from {self.connection.url_source})",
            url=self.connection.url,
        )

    def _unreachable(self, exc: Exception) -> CliError:
        return CliError(
            f"cannot reach {self.connection.url} ({_reason(exc)})",
            code="E_UNREACHABLE",
            exit_code=ExitCode.UNREACHABLE,
            hint=f"{_START_HINT} (this address comes from {self.connection.url_source})",
            url=self.connection.url,
        )


def _split(url: str) -> SplitResult:
    """Take an address apart, or say what is wrong with it."""
    try:
        target = urlsplit(url)
        valid = target.scheme in ("http", "https") and target.hostname and target.port != 0
    except ValueError:
        valid, target = False, urlsplit("")
    if not valid:
        raise usage_error(f"{url!r} is not an address", "write it as http://host:port")
    return target


def _detail(data: bytes, reason: str) -> str:
    """Return the sentence of an error body."""
    try:
        body = json.loads(data)
    except ValueError:
        text = data.decode("utf-8", "replace").strip()
        return text.splitlines()[0][:300] if text and not text.startswith("<") else reason
    detail = body.get("detail", body) if isinstance(body, dict) else body
    if not isinstance(detail, str) or not detail.strip():
        return json.dumps(detail)
    first = detail.splitlines()[0]
    # A sentence that announces a list is nothing without it.
    return " ".join(detail.split()) if first.endswith(":") else first


def _is_json(data: bytes) -> bool:
    try:
        json.loads(data)
    except ValueError:
        return False
    return True


def _reason(exc: Exception) -> str:
    """Return why a connection failed, in plain words."""
    if isinstance(exc, http.client.RemoteDisconnected):
        return "it closed the connection without an answer"
    if isinstance(exc, http.client.IncompleteRead):
        return "its answer broke off"
    if isinstance(exc, ConnectionRefusedError):
        return "connection refused"
    if isinstance(exc, socket.gaierror):
        return "host name not found"
    if isinstance(exc, http.client.HTTPException):
        return f"not an HTTP server: {type(exc).__name__}"
    return (exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)) or "failed"

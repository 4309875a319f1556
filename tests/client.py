"""Chatify's clients as tests see them: REST, Server-Sent Events and sockets, each with a timeout."""

import json
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import httpx
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

_TIMEOUT = httpx.Timeout(30, connect=5)
_TLS = ssl.create_default_context()  # not used, but each client would take 18 ms to make one of its own
_RECV_SECONDS = 15.0
_END_EVENTS = ("reply.completed", "reply.failed", "reply.cancelled")


@dataclass(frozen=True)
class Event:
    """One Server-Sent Event."""

    name: str
    data: dict[str, Any]
    id: str = ""


class Socket:
    """A WebSocket that speaks JSON. `seen` keeps every frame that came."""

    def __init__(self, url: str, headers: dict[str, str]) -> None:
        # The server pings; a ping of ours every 20 s would only blur its heartbeat.
        opening = connect(
            url, additional_headers=headers, open_timeout=10, close_timeout=2, ping_interval=None, proxy=None
        )
        self._stack = ExitStack()
        self._connection: ClientConnection = self._stack.enter_context(opening)
        self.seen: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def send(self, type: str, **fields: Any) -> None:
        """Send a frame."""
        self.send_raw(json.dumps({"type": type, **fields}))

    def send_raw(self, frame: str | bytes) -> None:
        """Send a frame as it is."""
        self._connection.send(frame)

    def recv(self, timeout: float = _RECV_SECONDS) -> dict[str, Any]:
        """The next frame. Raises TimeoutError, or ConnectionClosed."""
        frame: dict[str, Any] = json.loads(self._connection.recv(timeout))
        self.seen.append(frame)
        return frame

    def recv_until(self, *types: str, timeout: float = _RECV_SECONDS) -> dict[str, Any]:
        """The next frame of one of the types; those before it are in `seen`. `timeout` is between two frames."""
        while (frame := self.recv(timeout))["type"] not in types:
            pass
        return frame

    def recv_reply(self, timeout: float = _RECV_SECONDS) -> dict[str, Any]:
        """The end event of the running reply, however it ends."""
        return self.recv_until(*_END_EVENTS, timeout=timeout)

    def say(self, content: str, **fields: Any) -> dict[str, Any]:
        """Send a message and give the end event of the reply."""
        self.send("message.send", content=content, **fields)
        return self.recv_reply()

    def types(self) -> list[str]:
        """The types of all frames so far."""
        return [frame["type"] for frame in self.seen]

    def text_of(self, message_id: str) -> str:
        """The text of a reply, put together from its deltas as a client does it. Raises AssertionError at a gap."""
        text = ""
        for frame in self.seen:
            if frame["type"] == "reply.delta" and frame["message_id"] == message_id:
                assert frame["offset"] <= len(text), f"a gap: {frame['offset']} after {len(text)} characters"
                text = text[: frame["offset"]] + frame["text"]
        return text

    def wait_closed(self, timeout: float = _RECV_SECONDS) -> int:
        """Read until the server closes, and give its close code."""
        with suppress(ConnectionClosed):
            while True:
                self.recv(timeout)
        assert self._connection.close_code is not None, "the line is not closed"
        return self._connection.close_code

    def close(self) -> None:
        """Close from this side."""
        self._stack.close()


class ApiClient:
    """One end user of one tenant. Paths are whole (`/api/v1/sessions/`)."""

    def __init__(self, url: str, key: str, external_id: str = "") -> None:
        self.url, self.key = url, key
        self.external_id = external_id or f"person-{uuid4()}"
        self.headers = {"Authorization": f"Bearer {key}"} if key else {}
        self.http = httpx.Client(base_url=url, headers=self.headers, timeout=_TIMEOUT, trust_env=False, verify=_TLS)
        self._sockets: list[Socket] = []

    def get(self, path: str, **options: Any) -> httpx.Response:
        """GET."""
        return self.http.get(path, **options)

    def post(self, path: str, body: Any = None, **options: Any) -> httpx.Response:
        """POST; `body` goes as JSON."""
        return self.http.post(path, **({"json": body} if body is not None else {}), **options)

    def patch(self, path: str, body: Any = None, **options: Any) -> httpx.Response:
        """PATCH; `body` goes as JSON."""
        return self.http.patch(path, **({"json": body} if body is not None else {}), **options)

    def delete(self, path: str, **options: Any) -> httpx.Response:
        """DELETE."""
        return self.http.delete(path, **options)

    def start(self, template: str | None = "casual_chat", **user: Any) -> dict[str, Any]:
        """Start a chat session; `user` is the profile. Gives the chat session object."""
        body = {"user": {"external_id": self.external_id, **user}, **({"template": template} if template else {})}
        return _expect(self.post("/api/v1/sessions/", body), 201)

    def send(self, session_id: str, content: str, client_message_id: str | None = None) -> dict[str, Any]:
        """Send a message and wait for the reply: `{message, reply}`."""
        extra = {"client_message_id": client_message_id} if client_message_id is not None else {}
        path = f"/api/v1/sessions/{session_id}/messages/"
        return _expect(self.post(path, {"content": content, **extra}, timeout=90), 200, 202)

    def messages(self, session_id: str, **params: Any) -> list[dict[str, Any]]:
        """The messages of a chat session, by `seq`."""
        results = _expect(self.get(f"/api/v1/sessions/{session_id}/messages/", params=params), 200)["results"]
        return list(results)

    def sse(self, session_id: str, content: str, **fields: Any) -> Iterator[Event]:
        """Send a message and follow the reply. Closing the iterator hangs up."""
        path = f"/api/v1/sessions/{session_id}/messages/"
        return self._events("POST", path, json={"content": content, **fields})

    def resume(self, session_id: str, last_event_id: str = "") -> Iterator[Event]:
        """Follow the running reply from where `last_event_id` was; nothing comes when none runs."""
        headers = {"Last-Event-ID": last_event_id} if last_event_id else {}
        return self._events("GET", f"/api/v1/sessions/{session_id}/stream/", headers=headers)

    def socket(self, session_id: str, ticket: str = "", user: str = "") -> Socket:
        """Open a socket, with the key in its header (for `user`), or as a browser does with a ticket."""
        base = "ws" + self.url.removeprefix("http")
        query = f"?ticket={ticket}" if ticket else f"?user={user}" if user else ""
        socket = Socket(f"{base}/ws/v1/sessions/{session_id}/{query}", {} if ticket else self.headers)
        self._sockets.append(socket)
        return socket

    def close(self) -> None:
        """Close every socket and the HTTP connections."""
        for socket in self._sockets:
            socket.close()
        self.http.close()

    @contextmanager
    def stream(self, method: str, path: str, **options: Any) -> Iterator[httpx.Response]:
        """An answer as Server-Sent Events, not read yet."""
        headers = {"Accept": "text/event-stream", **options.pop("headers", {})}
        with self.http.stream(method, path, headers=headers, **options) as response:
            yield response

    def _events(self, method: str, path: str, **options: Any) -> Iterator[Event]:
        with self.stream(method, path, **options) as response:
            if response.status_code not in (200, 204):
                response.read()
            assert response.status_code in (200, 204), f"{response.status_code}: {response.text}"
            yield from parse_events(response.iter_lines())


def parse_events(lines: Iterator[str]) -> Iterator[Event]:
    """Server-Sent Events out of lines, as the HTML standard has them (comments are dropped)."""
    fields: dict[str, str] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            fields[name] = f"{fields['data']}\n{value}" if name == "data" and "data" in fields else value
        elif "data" in fields:
            yield Event(fields.get("event", "message"), json.loads(fields["data"]), fields.get("id", ""))
            fields = {}
        else:
            fields = {}


def _expect(response: httpx.Response, *statuses: int) -> dict[str, Any]:
    request = response.request
    assert response.status_code in statuses, f"{request.method} {request.url}: {response.status_code} {response.text}"
    body: dict[str, Any] = response.json()
    return body

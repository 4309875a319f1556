"""A small HTTP/1.1 client for streamed answers: asyncio, and httptools' parser in C.

The general clients cost more CPU for each piece of a stream than all the rest of a turn (docs/decisions.md).
This one does what the token path needs and no more: POST, keep-alive, TLS, chunked bodies, a timeout between
pieces, backpressure. No redirects, no compression, no proxies.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from typing import cast
from urllib.parse import SplitResult, urlsplit

import httptools

CONNECT_SECONDS = 5.0
READ_SECONDS = 20.0
IDLE_SECONDS = 55.0
"""Servers tend to close idle connections after a minute; we do it before them."""

MAX_BUFFERED = 256 * 1024


class StreamError(Exception):
    """The connection failed, or was cut. `is_begun`: after the answer had begun."""

    def __init__(self, message: str, *, is_begun: bool = False) -> None:
        super().__init__(message)
        self.is_begun = is_begun


class StreamPool:
    """Connections to one server, used again while they last. Bound to the event loop that uses it first."""

    def __init__(self, base_url: str, headers: dict[str, str]) -> None:
        self._url: SplitResult = urlsplit(base_url)
        self._tls = ssl.create_default_context() if self._url.scheme == "https" else None
        host = self._url.netloc.rpartition("@")[2]
        lines = [f"Host: {host}", "Content-Type: application/json", "Accept: text/event-stream"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self._head = "\r\n".join(lines)
        self._idle: deque[Connection] = deque()

    async def post(self, path: str, body: bytes) -> Connection:
        """Send a request and wait for the head of its answer.

        The caller reads the body with `read()` and has to call `release()`. Raises StreamError, TimeoutError.
        """
        head = f"POST {self._url.path}{path} HTTP/1.1\r\n{self._head}\r\nContent-Length: {len(body)}\r\n\r\n"
        request = head.encode("latin-1") + body
        idle = self._take()
        if idle is not None:
            try:
                return await _ask(idle, request)
            except StreamError as error:
                if error.is_begun:
                    raise  # otherwise the server closed it while it was idle: that is no failure
        return await _ask(await self._connect(), request)

    def close(self) -> None:
        """Close the idle connections."""
        while self._idle:
            self._idle.pop().abort()

    def give_back(self, connection: Connection) -> None:
        """A connection that can serve again."""
        connection.idle_since = asyncio.get_running_loop().time()
        self._idle.append(connection)

    def _take(self) -> Connection | None:
        oldest = asyncio.get_running_loop().time() - IDLE_SECONDS
        while self._idle and (self._idle[0].is_closed or self._idle[0].idle_since < oldest):
            self._idle.popleft().abort()
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed:
                return connection
        return None

    async def _connect(self) -> Connection:
        loop, url = asyncio.get_running_loop(), self._url
        port = url.port or (443 if self._tls else 80)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                _, connection = await loop.create_connection(
                    lambda: Connection(self), url.hostname or "", port, ssl=self._tls
                )
        except OSError as error:
            if isinstance(error, TimeoutError):
                raise
            raise StreamError(f"No connection ({type(error).__name__}).") from None
        return connection


async def _ask(connection: Connection, request: bytes) -> Connection:
    try:
        await connection.ask(request)
    except BaseException:
        connection.abort()
        raise
    return connection


class Connection(asyncio.Protocol):
    """One connection, and the answer that is being read from it."""

    status = 0
    headers: dict[str, str]

    def __init__(self, pool: StreamPool) -> None:
        self._pool = pool
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._heard_at = 0.0
        self._is_paused = False
        self.is_closed = False
        self.idle_since = 0.0
        self._reset()

    def _reset(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self.status, self.headers = 0, {}
        self._body: list[bytes] = []
        self._buffered = 0
        self._has_head = self._is_whole = self._can_stay = False
        self._error: Exception | None = None

    # For the pool and the reader ----------------------------------------------------------------

    async def ask(self, request: bytes) -> None:
        """Send a request and wait for the head of the answer. Raises StreamError, TimeoutError."""
        self._reset()
        assert self._transport is not None
        self._heard_at = self._loop.time()
        self._timer = self._loop.call_at(self._heard_at + READ_SECONDS, self._check_time)
        self._transport.write(request)
        while not self._has_head:
            await self._wait()

    async def read(self) -> bytes:
        """What has come of the body since the last time; empty at its end. Raises StreamError, TimeoutError."""
        while not self._body:
            if self._is_whole:
                return b""
            await self._wait()
        data = b"".join(self._body) if len(self._body) > 1 else self._body[0]
        self._body.clear()
        self._buffered = 0
        if self._is_paused and self._transport is not None:
            self._is_paused = False
            self._transport.resume_reading()
        return data

    def release(self) -> None:
        """The answer is read, or not wanted any more."""
        if self._timer is not None:
            self._timer.cancel()
        if self._is_whole and self._can_stay and not (self.is_closed or self._is_paused):
            self._pool.give_back(self)
        else:
            self.abort()

    def abort(self) -> None:
        """Close at once."""
        if self._timer is not None:
            self._timer.cancel()
        self.is_closed = True
        if self._transport is not None:
            self._transport.abort()

    async def _wait(self) -> None:
        if self._error is None:
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        if self._error is not None and not self._body:  # what came before the error is read first
            raise self._error

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, error: Exception) -> None:
        self._error = self._error or error
        self.is_closed = True
        self._wake()

    def _check_time(self) -> None:
        """One timer for a whole answer: it looks when the last piece came, and comes again."""
        due = self._heard_at + READ_SECONDS
        if self._loop.time() < due:
            self._timer = self._loop.call_at(due, self._check_time)
        else:
            self._fail(TimeoutError("Nothing came for too long."))

    # asyncio.Protocol ---------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by name

    def data_received(self, data: bytes) -> None:
        """Bytes of the answer."""
        self._heard_at = self._loop.time()
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(StreamError(f"Not HTTP ({type(error).__name__}).", is_begun=self._has_head))
            return
        if self._buffered > MAX_BUFFERED and not self._is_paused and self._transport is not None:
            self._is_paused = True
            self._transport.pause_reading()
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """The peer is gone. A body without a length ends that way (RFC 9112, 6.3); any other one is cut."""
        self.is_closed = True
        is_end = self._has_head and not {"content-length", "transfer-encoding"} & self.headers.keys()
        if is_end and exc is None:
            self._is_whole = True
            self._wake()
        elif not self._is_whole:
            self._fail(StreamError("The connection broke.", is_begun=self._has_head))

    # httptools ----------------------------------------------------------------------------------

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """The head is there."""
        self.status = self._parser.get_status_code()
        self._has_head = self.status >= 200

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._body.append(body)
        self._buffered += len(body)

    def on_message_complete(self) -> None:
        """The answer is whole (a 1xx is none)."""
        if self._has_head:
            self._is_whole = True
            self._can_stay = bool(self._parser.should_keep_alive())

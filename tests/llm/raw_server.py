"""A provider that is nothing but bytes: what it is told to send goes out piece by piece, as it is."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"


def event(**fields: Any) -> bytes:
    """One event of a stream."""
    return b"data: " + json.dumps(fields, ensure_ascii=False).encode() + b"\n\n"


def text(content: str, finish_reason: str | None = None) -> bytes:
    """An event with a piece of text."""
    return event(choices=[{"index": 0, "delta": {"content": content}, "finish_reason": finish_reason}])


def chunked(body: bytes, sizes: Sequence[int] = ()) -> list[bytes]:
    """A body as chunks of HTTP (RFC 9112, 7.1) of these sizes, the last one with the rest."""
    pieces, start = [], 0
    for size in [*sizes, len(body)]:
        if piece := body[start : start + size]:
            pieces.append(b"%x\r\n%s\r\n" % (len(piece), piece))
        start += size
    return pieces


@dataclass
class RawServer:
    """`answer` goes out in pieces for each request; after it the line is closed if `is_closing`."""

    answer: list[bytes] = field(default_factory=list)
    is_closing: bool = False
    is_hanging: bool = False
    requests: list[dict[str, Any]] = field(default_factory=list)
    connections: int = 0
    closed: int = 0
    port: int = 0
    _serving: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def base_url(self) -> str:
        """What to call."""
        return f"http://127.0.0.1:{self.port}/v1"

    def send(self, body: bytes, sizes: Sequence[int] = ()) -> None:
        """Answer with this body as a stream that ends well."""
        self.answer = [HEAD, *chunked(body, sizes), LAST_CHUNK]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.connections += 1
        self._serving.add(asyncio.current_task())
        with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            await self._answer(reader, writer)
            while not self.is_closing:
                await self._answer(reader, writer)
        self.closed += 1
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    async def stop(self) -> None:
        """Hang up on everybody."""
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
        self.requests.append(json.loads(await reader.readexactly(length)))
        for piece in self.answer:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)  # lets the client read what is there: pieces stay pieces
        if self.is_hanging:
            await reader.read()


@asynccontextmanager
async def raw_server() -> AsyncIterator[RawServer]:
    """Serve for a while."""
    raw = RawServer()
    server = await asyncio.start_server(raw.serve, "127.0.0.1", 0)
    raw.port = server.sockets[0].getsockname()[1]
    try:
        yield raw
    finally:
        server.close()
        await raw.stop()

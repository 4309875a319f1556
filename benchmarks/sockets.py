"""A WebSocket client (RFC 6455) that costs little enough to play hundreds of people from one core."""

import asyncio
import struct
from typing import Any, cast

import orjson

OP_TEXT, OP_CLOSE, OP_PING, OP_PONG = 1, 8, 9, 10
FIN = 0x80
MASKED = 0x80
ZERO_KEY = b"\0\0\0\0"


class Refused(Exception):
    """The socket did not open, or closed; the text says how."""


class JsonSocket(asyncio.Protocol):
    """Sends and receives JSON objects; a subclass says what to do with them.

    It offers no extensions and masks with the key zero, which is valid and leaves the payload as it is.
    """

    def __init__(self, host: str, path: str, headers: dict[str, str]) -> None:
        self.host, self.path, self.headers = host, path, headers
        self.buffer = b""
        self.is_upgraded = False
        self.is_closed = False

    def received(self, frame: dict[str, Any]) -> None:
        """Called with every JSON object that the server sends."""
        raise NotImplementedError

    def upgraded(self) -> None:
        """Called once, when the server has accepted the WebSocket."""

    def closed(self, reason: str) -> None:
        """Called once, when the connection is over."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        lines = [
            f"GET {self.path} HTTP/1.1",
            f"Host: {self.host}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: Y2hhdGlmeS1iZW5jaG1hcg==",
            *(f"{name}: {value}" for name, value in self.headers.items()),
        ]
        self.transport.write("\r\n".join([*lines, "", ""]).encode())

    def connection_lost(self, exc: Exception | None) -> None:
        self.end(f"connection lost: {exc or 'closed by the server'}")

    def end(self, reason: str) -> None:
        """Close, for the first reason given."""
        if not self.is_closed:
            self.is_closed = True
            self.closed(reason)
            self.transport.close()

    def send(self, frame: dict[str, Any]) -> None:
        """Send a JSON object as a text frame."""
        self.send_frame(OP_TEXT, orjson.dumps(frame))

    def send_frame(self, opcode: int, payload: bytes) -> None:
        """Send one unfragmented frame of less than 64 KiB."""
        size = len(payload)
        head = bytes((FIN | opcode, MASKED | size)) if size < 126 else struct.pack(">BBH", FIN | opcode, 0xFE, size)
        self.transport.write(head + ZERO_KEY + payload)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if not self.is_upgraded and not self.read_upgrade():
            return
        while not self.is_closed and (frame := self.next_frame()):
            self.take_frame(*frame)

    def read_upgrade(self) -> bool:
        """Read the answer to the upgrade request; False while it is not complete, or was a refusal."""
        head, end, rest = self.buffer.partition(b"\r\n\r\n")
        if not end:
            return False
        if not head.startswith(b"HTTP/1.1 101"):
            self.end(f"refused: {head.splitlines()[0].decode()}")
            return False
        self.is_upgraded, self.buffer = True, rest
        self.upgraded()
        return True

    def next_frame(self) -> tuple[int, bytes] | None:
        """Cut one whole frame off the buffer: its opcode byte and payload."""
        buffer = self.buffer
        if len(buffer) < 2:
            return None
        size, start = buffer[1], 2
        if size == 126:
            size, start = int.from_bytes(buffer[2:4]), 4
        elif size == 127:
            size, start = int.from_bytes(buffer[2:10]), 10
        end = start + size
        if len(buffer) < end:
            return None
        self.buffer = buffer[end:]
        return buffer[0], buffer[start:end]

    def take_frame(self, first_byte: int, payload: bytes) -> None:
        """Act on a frame."""
        if first_byte == FIN | OP_TEXT:
            self.received(orjson.loads(payload))
        elif first_byte == FIN | OP_PING:
            self.send_frame(OP_PONG, payload)
        elif first_byte == FIN | OP_CLOSE:
            code = int.from_bytes(payload[:2]) if payload else 1005
            self.end(f"closed by the server: {code} {payload[2:].decode(errors='replace')}".rstrip())
        elif first_byte != FIN | OP_PONG:
            self.end(f"frame not understood: first byte 0x{first_byte:02x}")

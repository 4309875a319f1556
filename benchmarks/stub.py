"""A model server that speaks the OpenAI wire format and streams stamped tokens at a fixed pace.

`python -m benchmarks.stub --port 9000 --ttft 200 --tokens 40 --gap 20`. It answers
`POST /v1/chat/completions` (streamed or whole) and `GET /v1/models`, everything else with 404.
"""

import argparse
import asyncio
from dataclasses import dataclass
from typing import cast

import httptools
import orjson
import uvloop

from benchmarks.tokens import FIRST_TOKEN_LENGTH, MAX_TOKENS, TOKEN_LENGTH, clock, write_first_token, write_token

PROMPT_TOKENS = 24
STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
    b"cache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n"
)
ENVELOPE = {
    "id": "chatcmpl-stub",
    "object": "chat.completion.chunk",
    "created": 1735689600,
    "model": "stub",
    "system_fingerprint": "fp_stub",
}


@dataclass(frozen=True)
class Pace:
    """How a reply is streamed; times in seconds."""

    first_token: float
    gap: float
    tokens: int


def http_chunk(payload: bytes) -> bytes:
    """`payload` as one chunk of a chunked HTTP body."""
    return b"%x\r\n%s\r\n" % (len(payload), payload)


def event(data: bytes) -> bytes:
    """One server-sent event in an HTTP chunk of its own, as model servers send them."""
    return http_chunk(b"data: " + data + b"\n\n")


def delta_event(delta: dict[str, str], finish_reason: str | None = None) -> bytes:
    """A `chat.completion.chunk` with one choice."""
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return event(orjson.dumps({**ENVELOPE, "choices": [choice]}))


def token_frame(length: int) -> tuple[bytes, bytes]:
    """What stands before and behind a token of `length` characters on the wire.

    A stamp has a fixed width, so the JSON around it is made once and not for every token.
    """
    filler = "?" * length
    before, _, behind = delta_event({"content": filler}).partition(filler.encode())
    return before, behind


ROLE = delta_event({"role": "assistant", "content": ""})
FIRST_TOKEN_FRAME = token_frame(FIRST_TOKEN_LENGTH)
TOKEN_FRAME = token_frame(TOKEN_LENGTH)
STOP = delta_event({}, "stop")
DONE = event(b"[DONE]") + b"0\r\n\r\n"


def usage_of(tokens: int) -> dict[str, int]:
    """The `usage` object of a reply of `tokens` tokens."""
    return {
        "prompt_tokens": PROMPT_TOKENS,
        "completion_tokens": tokens,
        "total_tokens": PROMPT_TOKENS + tokens,
    }


class StubConnection(asyncio.Protocol):
    """One client connection; serves its requests one after another."""

    def __init__(self, pace: Pace) -> None:
        self.pace = pace
        self.timer: asyncio.TimerHandle | None = None
        self.loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.parser = httptools.HttpRequestParser(self)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.timer:
            self.timer.cancel()

    def data_received(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self.transport.close()

    # Called by the parser:

    def on_message_begin(self) -> None:
        self.url, self.body = b"", b""

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        route = (self.parser.get_method(), self.url.partition(b"?")[0])
        if route == (b"POST", b"/v1/chat/completions"):
            self.complete_chat()
        elif route == (b"GET", b"/v1/models"):
            model = {"id": "stub", "object": "model", "created": ENVELOPE["created"], "owned_by": "benchmarks"}
            self.answer(b"200 OK", {"object": "list", "data": [model]})
        else:
            self.answer(b"404 Not Found", {"error": {"message": "no such route", "type": "invalid_request_error"}})

    # Answers:

    def answer(self, status: bytes, content: dict[str, object]) -> None:
        """Send a whole JSON response."""
        body = orjson.dumps(content)
        head = b"HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
        self.transport.write(head % (status, len(body)) + body)

    def complete_chat(self) -> None:
        """Start the reply to the request that was just read."""
        arrived = clock()
        try:
            request = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            self.answer(b"400 Bad Request", {"error": {"message": "not JSON", "type": "invalid_request_error"}})
            return
        if not request.get("stream"):
            wait = self.pace.first_token + self.pace.gap * self.pace.tokens
            self.timer = self.loop.call_later(wait, self.send_whole, arrived)
            return
        self.arrived, self.index = arrived, 0
        self.with_usage = bool((request.get("stream_options") or {}).get("include_usage"))
        self.transport.write(STREAM_HEAD)
        self.first_due = self.loop.time() + self.pace.first_token
        self.timer = self.loop.call_at(self.first_due, self.send_token)

    def send_token(self) -> None:
        """Send the next token and book the one after it; each is due at a fixed time, so delays do not add up."""
        if self.index == 0:
            before, behind = FIRST_TOKEN_FRAME
            data = ROLE + before + write_first_token(self.arrived, clock()).encode() + behind
        else:
            before, behind = TOKEN_FRAME
            data = before + write_token(self.index, clock()).encode() + behind
        self.index += 1
        if self.index < self.pace.tokens:
            self.timer = self.loop.call_at(self.first_due + self.index * self.pace.gap, self.send_token)
            self.transport.write(data)
        else:
            self.transport.write(data + self.ending())

    def ending(self) -> bytes:
        """The end of a stream: finish reason, usage if it was asked for, `[DONE]`."""
        usage = b""
        if self.with_usage:
            usage = event(orjson.dumps({**ENVELOPE, "choices": [], "usage": usage_of(self.pace.tokens)}))
        return STOP + usage + DONE

    def send_whole(self, arrived: int) -> None:
        """Send a reply that was asked for without `stream`."""
        words = [write_first_token(arrived, clock())]
        words += [write_token(index, clock()) for index in range(1, self.pace.tokens)]
        message = {"role": "assistant", "content": "".join(words)}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        whole = {**ENVELOPE, "object": "chat.completion", "choices": [choice], "usage": usage_of(self.pace.tokens)}
        self.answer(b"200 OK", whole)


async def serve(port: int, pace: Pace) -> None:
    """Serve on 127.0.0.1 until cancelled."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: StubConnection(pace), "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stub", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--ttft", type=float, default=200, help="milliseconds to the first token (200)")
    parser.add_argument("--tokens", type=int, default=40, help="tokens of a reply (40)")
    parser.add_argument("--gap", type=float, default=20, help="milliseconds between tokens (20)")
    options = parser.parse_args()
    if not 1 <= options.tokens <= MAX_TOKENS:
        parser.error(f"--tokens must be 1 to {MAX_TOKENS}")
    uvloop.run(serve(options.port, Pace(options.ttft / 1000, options.gap / 1000, options.tokens)))


if __name__ == "__main__":
    main()

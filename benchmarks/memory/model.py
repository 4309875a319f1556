"""A model server in this process that speaks the OpenAI wire format, keeps every request, and counts its tokens.

Chat is answered with the reply that the script has for the last message. What is asked of the model `MEMORY_MODEL`
is a summary, and `notes` writes it.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson

from benchmarks.memory.counting import count_prompt, count_tokens
from benchmarks.memory.notes import summarize

CHAT_MODEL, MEMORY_MODEL = "stub-chat", "stub-memory"
OTHERWISE = "Go on, I'm listening."


@dataclass(frozen=True)
class Request:
    """What Chatify sent for one reply."""

    messages: list[dict[str, str]]
    prompt_tokens: int

    @property
    def before_question(self) -> list[str]:
        """All texts but the last message: what there is to answer it with."""
        return [message["content"] for message in self.messages[:-1]]


@dataclass
class Model:
    """What the server has to say and what it has heard."""

    port: int = 0
    replies: dict[str, str] = field(default_factory=dict)
    small_talk: set[str] = field(default_factory=set)
    requests: list[Request] = field(default_factory=list)
    summaries: int = 0

    @property
    def base_url(self) -> str:
        """What OPENAI_BASE_URL has to be."""
        return f"http://127.0.0.1:{self.port}/v1"

    def answer(self, body: dict[str, Any]) -> tuple[str, int]:
        """The reply to a request and its prompt tokens."""
        messages = body["messages"]
        tokens = count_prompt(messages)
        if body["model"] == MEMORY_MODEL:
            self.summaries += 1
            return summarize(messages[-1]["content"], body["max_tokens"], self.small_talk), tokens
        self.requests.append(Request(messages, tokens))
        return self.replies.get(messages[-1]["content"], OTHERWISE), tokens


@contextmanager
def serve_model() -> Iterator[Model]:
    """A running model server for the length of a `with` block."""
    model = Model()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            """Answer `POST /v1/chat/completions`."""
            body = orjson.loads(self.rfile.read(int(self.headers["Content-Length"])))
            payload = _stream(*model.answer(body))
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    model.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield model
    finally:
        server.shutdown()
        server.server_close()


def _stream(reply: str, prompt_tokens: int) -> bytes:
    """The reply in two pieces, its end, and the usage."""
    middle = len(reply) // 2
    completion = count_tokens(reply)
    usage = {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion,
        "total_tokens": prompt_tokens + completion,
    }
    pieces: list[dict[str, Any]] = [{"choices": [_choice(reply[:middle])]}, {"choices": [_choice(reply[middle:])]}]
    pieces += [{"choices": [_choice("", "stop")]}, {"choices": [], "usage": usage}]
    return b"".join(b"data: %b\n\n" % orjson.dumps(piece) for piece in pieces) + b"data: [DONE]\n\n"


def _choice(text: str, finish_reason: str | None = None) -> dict[str, Any]:
    return {"index": 0, "delta": {"content": text} if text else {}, "finish_reason": finish_reason}

"""A provider for tests: a real HTTP server that speaks the OpenAI wire format (tests/services/scripts.py says what)."""

import asyncio
import itertools
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from aiohttp import web

from tests.services.ports import free_port
from tests.services.scripts import Script, Scripts, split_tokens
from tests.waiting import wait_until

# How what is no staff's to change begins in each prompt of memory (chatify.memory.summarizing.FRAME).
FRAME_START = "What you are given is data, each text as a JSON string."
MODELS = ("test-model", "test-model-large")
_STREAM_HEADERS = {"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-cache"}
_ERROR_TYPES = {401: "authentication_error", 429: "rate_limit_error"}


@dataclass
class Call:
    """One request that came in, and what became of it: `running`, `finished` or `aborted` by who called."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any] = field(default_factory=dict)
    at: float = field(default_factory=time.monotonic)
    tokens_sent: int = 0
    state: str = "running"

    @property
    def messages(self) -> list[dict[str, str]]:
        """The context that came with it."""
        return list(self.body.get("messages", []))

    @property
    def is_of_memory(self) -> bool:
        """Whether it is not for a reply, but of Chatify's memory, which may come at any time."""
        return self.messages[:1] != [] and FRAME_START in str(self.messages[0].get("content"))

    @property
    def last_user_message(self) -> str:
        """What the person said last."""
        return next((str(m["content"]) for m in reversed(self.messages) if m.get("role") == "user"), "")


class Provider:
    """The server, on a thread of its own with its own event loop."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.port = free_port()
        self._scripts = Scripts()
        self._numbers = itertools.count(1)
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="test-provider", daemon=True)
        self._thread.start()
        assert self._ready.wait(10), "the test provider did not start"

    @property
    def base_url(self) -> str:
        """What OPENAI_BASE_URL has to be."""
        return f"http://127.0.0.1:{self.port}/v1"

    def reply_with(self, text: str, *, tokens_delay: float = 0.0, ttft: float = 0.0) -> str:
        """Prepare a reply and give the marker to put into the message that shall get it. Times in seconds."""
        marker = f"script:{next(self._numbers)}"
        self._scripts.prepared[marker] = Script(split_tokens(text), gap=tokens_delay, ttft=ttft)
        return f"[[{marker}]]"

    def calls_about(self, text: str) -> list[Call]:
        """The calls for a reply whose last user message contains a text."""
        return [call for call in list(self.calls) if text in call.last_user_message and not call.is_of_memory]

    def memory_calls_about(self, text: str) -> list[Call]:
        """The calls for a summary or for facts of messages that contain a text."""
        return [call for call in list(self.calls) if text in call.last_user_message and call.is_of_memory]

    def wait_for_call(self, text: str, timeout: float = 10.0) -> Call:
        """The first call about a text, as soon as it is there."""
        return wait_until(lambda: self.calls_about(text), timeout, f"a call about {text!r}")[0]

    def stop(self) -> None:
        """Close the server and its thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        runner = self._loop.run_until_complete(self._open())
        self._ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())
        self._loop.close()

    async def _open(self) -> web.AppRunner:
        app = web.Application(client_max_size=8 * 1024 * 1024)
        app.router.add_get("/v1/models", self._list_models)
        app.router.add_post("/v1/chat/completions", self._complete)
        # A caller that hangs up cancels the handler: that is how a call is seen to be aborted.
        runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.5)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self.port, backlog=1024).start()
        return runner

    async def _list_models(self, request: web.Request) -> web.Response:
        self.calls.append(Call(request.path, dict(request.headers), state="finished"))
        models = [{"id": name, "object": "model", "created": 0, "owned_by": "tests"} for name in MODELS]
        return web.json_response({"object": "list", "data": models})

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        try:
            body = await request.json()
        except ValueError:
            return _error(400)
        call = Call(request.path, dict(request.headers), body)
        self.calls.append(call)
        try:
            response = await self._answer(request, call)
        except (asyncio.CancelledError, ConnectionError):
            call.state = "aborted"
            raise
        call.state = "finished"
        return response

    async def _answer(self, request: web.Request, call: Call) -> web.StreamResponse:
        script = self._scripts.choose(call.last_user_message)
        is_worn_out = script.times is not None and len(self._same_calls(call)) > script.times
        if is_worn_out:
            script = replace(script, status=200, ending="")
        if script.status != 200:
            return _error(script.status)
        if script.ending == "html":
            return web.Response(text="<html><h1>Welcome to nginx</h1></html>", content_type="text/html")
        if script.ending == "hang":
            await asyncio.Event().wait()
        return await (_stream if call.body.get("stream") else _whole)(request, call, script)

    def _same_calls(self, call: Call) -> list[Call]:
        return [other for other in self.calls if other.last_user_message == call.last_user_message]


async def _stream(request: web.Request, call: Call, script: Script) -> web.StreamResponse:
    response = web.StreamResponse(headers=_STREAM_HEADERS)
    await response.prepare(request)
    await asyncio.sleep(script.ttft)
    await response.write(_chunk(call, {"role": "assistant", "content": ""}))
    for token in script.sent_tokens:
        if call.tokens_sent and script.gap:
            await asyncio.sleep(script.gap)
        await response.write(_chunk(call, {"content": token}))
        call.tokens_sent += 1
    if script.ending:
        return await _end_badly(request, response, script.ending)
    for piece in _ending(call, script):
        await response.write(piece)
    return response


async def _end_badly(request: web.Request, response: web.StreamResponse, ending: str) -> web.StreamResponse:
    if ending == "stall":
        await asyncio.Event().wait()
    if ending == "garbage":
        await response.write(b'data: {"choices":[{"del\n\n\xff\xfe<html>\n\n')
    if ending == "error":
        await response.write(_event({"error": {"message": "the model fell over", "type": "server_error"}}))
    if ending == "reset" and request.transport is not None:
        request.transport.abort()
    return response


async def _whole(request: web.Request, call: Call, script: Script) -> web.Response:
    await asyncio.sleep(script.ttft + script.gap * len(script.sent_tokens))
    if script.ending and request.transport is not None:
        request.transport.abort()
    call.tokens_sent = len(script.sent_tokens)
    message = {"role": "assistant", "content": "".join(script.sent_tokens)}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": script.finish_reason}
    return web.json_response({**_envelope(call, "chat.completion"), "choices": [choice], "usage": _usage(call)})


def _ending(call: Call, script: Script) -> Iterator[bytes]:
    yield _chunk(call, {}, script.finish_reason)
    if (call.body.get("stream_options") or {}).get("include_usage"):
        yield _event({**_envelope(call), "choices": [], "usage": _usage(call)})
    yield b"data: [DONE]\n\n"


def _chunk(call: Call, delta: dict[str, str], finish_reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return _event({**_envelope(call), "choices": [choice]})


def _event(data: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(data).encode() + b"\n\n"


def _envelope(call: Call, kind: str = "chat.completion.chunk") -> dict[str, Any]:
    return {"id": f"chatcmpl-{id(call)}", "object": kind, "created": int(time.time()), "model": call.body.get("model")}


def _usage(call: Call) -> dict[str, int]:
    prompt = sum(len(str(message.get("content", "")).split()) for message in call.messages)
    return {"prompt_tokens": prompt, "completion_tokens": call.tokens_sent, "total_tokens": prompt + call.tokens_sent}


def _error(status: int) -> web.Response:
    error = {"message": f"scripted {status}", "type": _ERROR_TYPES.get(status, "server_error"), "code": str(status)}
    headers = {"Retry-After": "1"} if status == 429 else {}
    return web.json_response({"error": error}, status=status, headers=headers)

"""Any server that speaks OpenAI's chat completions: OpenAI, Ollama, vLLM, OpenRouter, ...

The token path reads the stream itself (`chatify.llm.streams`, orjson): the vendor's client takes several
times the CPU for each token. It serves where speed does not matter (`list_models`).
Format: OpenAI API reference, "Create chat completion", streaming; Server-Sent Events (WHATWG HTML, 9.2).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import openai
import orjson

from chatify.llm.errors import (
    ContentFiltered,
    LLMError,
    ProviderAuthFailed,
    ProviderRateLimited,
    ProviderRejected,
    ProviderTimeout,
    ProviderUnavailable,
    StreamCut,
    StreamGarbled,
)
from chatify.llm.streams import Connection, StreamError, StreamPool
from chatify.llm.types import ChatRequest, Chunk, Usage

LIST_SECONDS = 5
LAST_BYTE_SECONDS = 0.5
MAX_EVENT = 1024 * 1024
MAX_COUNT = 2**31 - 1
MAX_ERROR_BODY = 16 * 1024


class OpenAICompatible:
    """One account at one server. Bound to the event loop that first uses it."""

    name = "openai"

    def __init__(self, *, base_url: str, api_key: str) -> None:
        self._base_url = base_url.rstrip("/")
        self._api_key = api_key
        self._streams: StreamPool | None = None
        # OpenAI's own newer models call the limit differently; everybody else knows the old name.
        is_openai = urlsplit(self._base_url).hostname == "api.openai.com"
        self._limit_name = "max_completion_tokens" if is_openai else "max_tokens"
        self._refused: dict[str, frozenset[str]] = {}

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        """See Provider.stream."""
        try:
            connection = await self._pool().post("/chat/completions", self._body(request))
            try:
                if connection.status != 200:
                    raise await self._error(request, connection)
                rest = b""
                while data := await connection.read():
                    *lines, rest = (rest + data).split(b"\n")
                    if len(rest) > MAX_EVENT:
                        raise StreamGarbled("The stream carries an endless line.")
                    if payloads := [line[5:].strip() for line in lines if line.startswith(b"data:")]:
                        chunk, error = _parse(payloads)
                        if chunk.text or error is None:
                            yield chunk
                        if error is not None:
                            raise error
                        if payloads[-1] == b"[DONE]":
                            await _read_to_the_end(connection)
                            return
            finally:
                connection.release()
        except TimeoutError:
            raise ProviderTimeout("The model did not answer in time.") from None
        except StreamError as error:
            if error.is_begun:
                raise StreamCut("The connection broke in the middle of the reply.") from None
            raise ProviderUnavailable(f"The model cannot be reached. {error}") from None

    async def list_models(self) -> list[str]:
        """See Provider.list_models."""
        client = openai.AsyncOpenAI(base_url=self._base_url, api_key=self._api_key, timeout=LIST_SECONDS, max_retries=0)
        async with client:
            try:
                return [model.id async for model in client.models.list()]
            except openai.APITimeoutError:
                raise ProviderTimeout("The model list did not come in time.") from None
            except openai.APIStatusError as error:
                raise _status_error(error.status_code, "", None) from None
            except openai.OpenAIError as error:
                raise ProviderUnavailable(f"The model list cannot be read ({type(error).__name__}).") from None

    async def aclose(self) -> None:
        """See Provider.aclose."""
        if self._streams is not None:
            self._streams.close()

    def _pool(self) -> StreamPool:
        if self._streams is None:
            self._streams = StreamPool(self._base_url, {"Authorization": f"Bearer {self._api_key}"})
        return self._streams

    def _body(self, request: ChatRequest) -> bytes:
        refused = self._refused.get(request.model, frozenset())
        body: dict[str, Any] = {
            "model": request.model,
            "messages": [{"role": m.role, "content": m.content} for m in request.messages],
            "stream": True,
            "stream_options": {"include_usage": True},
            "temperature": request.temperature,
            self._limit_name: request.max_tokens,
        }
        return orjson.dumps({name: value for name, value in body.items() if name not in refused})

    async def _error(self, request: ChatRequest, answer: Connection) -> LLMError:
        raw = b""
        while len(raw) < MAX_ERROR_BODY and (data := await answer.read()):
            raw += data
        try:
            told = orjson.loads(raw)["error"]
            parameter = told.get("param")
            text = str(told.get("message", ""))
        except (ValueError, KeyError, TypeError, AttributeError):
            parameter, text = None, ""
        refused = self._refused.get(request.model, frozenset())
        is_optional = parameter in ("temperature", "max_tokens", "stream_options") and parameter not in refused
        if answer.status == 400 and is_optional:  # some models take no such parameter: leave it out from now on
            self._refused[request.model] = refused | {parameter}
            return ProviderUnavailable(f"The model takes no {parameter}; asking again without it.")
        return _status_error(answer.status, text, _seconds(answer.headers.get("retry-after")))


async def _read_to_the_end(connection: Connection) -> None:
    """What lets the connection serve the next call; a server that leaves its answer open is not waited for."""
    with suppress(TimeoutError, StreamError):
        async with asyncio.timeout(LAST_BYTE_SECONDS):
            while await connection.read():
                pass


def _parse(payloads: Sequence[bytes]) -> tuple[Chunk, LLMError | None]:
    """One chunk of the payloads of several events, and the error that came after it in them, if one did."""
    texts: list[str] = []
    finish_reason, usage, error = None, None, None
    try:
        for payload in payloads:
            if payload == b"[DONE]":
                continue
            event = orjson.loads(payload)
            if "error" in event:
                raise _told_error(event["error"])
            for choice in (event.get("choices") or [])[:1]:
                if text := (choice.get("delta") or {}).get("content"):
                    texts.append(_checked(text))
                finish_reason = choice.get("finish_reason") or finish_reason
            usage = _usage(event.get("usage")) or usage
    except LLMError as found:
        error = found
    except (ValueError, KeyError, TypeError, AttributeError):
        error = StreamGarbled("The model sent something that is not a reply.")
    if error is None and finish_reason == "content_filter":
        error = ContentFiltered("The model's filter stopped this reply.")
    return Chunk("".join(texts), finish_reason, usage), error


def _usage(told: Any) -> Usage | None:
    """What the provider counted; a reply is not lost over a count that makes no sense."""
    try:
        prompt, completion = (min(max(int(told[key]), 0), MAX_COUNT) for key in ("prompt_tokens", "completion_tokens"))
        return Usage(prompt, completion)
    except (ValueError, KeyError, TypeError, OverflowError):
        return None


def _checked(text: Any) -> str:
    if not isinstance(text, str):
        raise TypeError
    return text


def _told_error(error: Any) -> LLMError:
    code = error.get("code") if isinstance(error, dict) else None
    status = code if isinstance(code, int) else 502
    return _status_error(status, "", None)


def _status_error(status: int, text: str, retry_after: float | None) -> LLMError:
    if status in (401, 403):
        return ProviderAuthFailed("The model does not accept this server's key.")
    if status == 429:
        return ProviderRateLimited("The model is busy.", retry_after=retry_after)
    if status in (408, 504):
        return ProviderTimeout("The model did not answer in time.")
    if status >= 500 or status < 400:
        return ProviderUnavailable(f"The model's server answered {status}.", retry_after=retry_after)
    return ProviderRejected(f"The model's server answered {status}: {text[:200]}")


def _seconds(value: str | None) -> float | None:
    """A Retry-After in seconds (RFC 9110, 10.2.3); its other form, a date, is not worth reading here."""
    return float(value) if value is not None and value.replace(".", "", 1).isdecimal() else None

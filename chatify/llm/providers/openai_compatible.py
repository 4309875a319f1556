"""Any server that speaks OpenAI's chat completions: OpenAI, Ollama, vLLM, OpenRouter, ...

The token path reads the stream itself, with aiohttp and orjson: the vendor's client takes several times
the CPU for each token. It serves where speed does not matter (`list_models`).
Format: OpenAI API reference, "Create chat completion", streaming; Server-Sent Events (WHATWG HTML, 9.2).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from typing import Any
from urllib.parse import urlsplit

import aiohttp
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
from chatify.llm.types import ChatRequest, Chunk, Usage

CONNECT_SECONDS = 5
READ_SECONDS = 20
LAST_BYTE_SECONDS = 0.5
MAX_EVENT = 1024 * 1024
MAX_ERROR_BODY = 16 * 1024


class OpenAICompatible:
    """One account at one server. Bound to the event loop that first uses it."""

    name = "openai"

    def __init__(self, *, base_url: str, api_key: str) -> None:
        self._base_url = base_url.rstrip("/")
        self._api_key = api_key
        self._http: aiohttp.ClientSession | None = None
        # OpenAI's own newer models call the limit differently; everybody else knows the old name.
        is_openai = urlsplit(self._base_url).hostname == "api.openai.com"
        self._limit_name = "max_completion_tokens" if is_openai else "max_tokens"
        self._refused: dict[str, frozenset[str]] = {}

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        """See Provider.stream."""
        try:
            async with self._session().post(self._url, data=self._body(request)) as response:
                if response.status != 200:
                    raise await self._error(request, response)
                async with aclosing(_chunks(response.content)) as chunks:
                    async for chunk in chunks:
                        yield chunk
        except TimeoutError:
            raise ProviderTimeout("The model did not answer in time.") from None
        except aiohttp.ClientPayloadError:
            raise StreamCut("The connection broke in the middle of the reply.") from None
        except aiohttp.ClientError as error:
            raise ProviderUnavailable(f"The model cannot be reached ({type(error).__name__}).") from None

    async def list_models(self) -> list[str]:
        """See Provider.list_models."""
        client = openai.AsyncOpenAI(
            base_url=self._base_url, api_key=self._api_key, timeout=CONNECT_SECONDS, max_retries=0
        )
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
        if self._http is not None:
            await self._http.close()

    @property
    def _url(self) -> str:
        return f"{self._base_url}/chat/completions"

    def _session(self) -> aiohttp.ClientSession:
        if self._http is None:
            self._http = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=60),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=READ_SECONDS),
                headers={"Authorization": f"Bearer {self._api_key}", "Content-Type": "application/json"},
                auto_decompress=True,
            )
        return self._http

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

    async def _error(self, request: ChatRequest, response: aiohttp.ClientResponse) -> LLMError:
        raw = await response.content.read(MAX_ERROR_BODY)
        try:
            told = orjson.loads(raw)["error"]
            parameter = told.get("param")
            text = str(told.get("message", ""))
        except (ValueError, KeyError, TypeError, AttributeError):
            parameter, text = None, ""
        refused = self._refused.get(request.model, frozenset())
        is_optional = parameter in ("temperature", "max_tokens", "stream_options") and parameter not in refused
        if response.status == 400 and is_optional:  # some models take no such parameter: leave it out from now on
            self._refused[request.model] = refused | {parameter}
            return ProviderUnavailable(f"The model takes no {parameter}; asking again without it.")
        return _status_error(response.status, text, _seconds(response.headers.get("Retry-After")))


async def _chunks(content: aiohttp.StreamReader) -> AsyncGenerator[Chunk, None]:
    """Chunks of a stream, one for all the events that one read of the socket brought."""
    rest = b""
    while data := await content.readany():
        *lines, rest = (rest + data).split(b"\n")
        if len(rest) > MAX_EVENT:
            raise StreamGarbled("The stream carries an endless line.")
        payloads = [line[5:].strip() for line in lines if line.startswith(b"data:")]
        if payloads:
            is_done = payloads[-1] == b"[DONE]"
            yield _parse(payloads[:-1] if is_done else payloads)
            if is_done:
                # Reading to the very end is what lets the connection serve the next call.
                with suppress(TimeoutError):
                    await asyncio.wait_for(content.readany(), LAST_BYTE_SECONDS)
                return


def _parse(payloads: Sequence[bytes]) -> Chunk:
    """One chunk of the payloads of several events. Raises StreamGarbled, ContentFiltered or the told error."""
    texts: list[str] = []
    finish_reason, usage = None, None
    try:
        for payload in payloads:
            event = orjson.loads(payload)
            if "error" in event:
                raise _told_error(event["error"])
            for choice in event["choices"][:1]:
                if text := choice["delta"].get("content"):
                    texts.append(text)
                finish_reason = choice.get("finish_reason") or finish_reason
            if told := event.get("usage"):
                usage = Usage(int(told["prompt_tokens"]), int(told["completion_tokens"]))
        text = "".join(texts)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise StreamGarbled("The model sent something that is not a reply.") from None
    if finish_reason == "content_filter":
        raise ContentFiltered("The model's filter stopped this reply.")
    return Chunk(text, finish_reason, usage)


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
    return float(value) if value is not None and value.replace(".", "", 1).isdigit() else None

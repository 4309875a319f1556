"""Asking a model for one whole text, where nobody waits for its first word."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field

from chatify.common.tokens import estimate_tokens
from chatify.llm.errors import EmptyReply, ProviderTimeout, StreamCut
from chatify.llm.types import ChatMessage, ChatRequest, Chunk, Provider, Usage
from chatify.memory import meters

ASK_SECONDS = 60.0
MAX_ANSWER = 40_000
"""Code points. What is longer is not what was asked for, and the call is ended."""

_TEMPERATURE = 0.2


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said, without white space around it, and what it cost."""

    text: str
    usage: Usage


@dataclass(slots=True)
class _Heard:
    """What has come of an answer so far."""

    pieces: list[str] = field(default_factory=list)
    finish_reason: str | None = None
    usage: Usage | None = None

    @property
    def text(self) -> str:
        return "".join(self.pieces).strip()

    async def listen(self, chunks: AsyncGenerator[Chunk, None]) -> None:
        length = 0
        async for chunk in chunks:
            self.pieces.append(chunk.text)
            self.usage = chunk.usage or self.usage
            self.finish_reason = self.finish_reason or chunk.finish_reason
            length += len(chunk.text)
            if length > MAX_ANSWER:
                self.finish_reason = "stop"
                return

    def used(self, request: ChatRequest) -> Usage:
        """What the provider says, else an estimate."""
        asked = sum(estimate_tokens(message.content) for message in request.messages)
        return self.usage or Usage(asked, estimate_tokens(self.text), is_estimated=True)


async def ask(provider: Provider, *, model: str, system: str, text: str, max_tokens: int) -> Answer:
    """Give a model its instructions (`system`) and what they are about (`text`), and wait for all of its answer.

    What it cost is metered, whatever becomes of it. Raises LLMError: EmptyReply for an answer without a word,
    StreamCut for half of one, ProviderTimeout when it takes longer than a minute.
    """
    messages = (ChatMessage("system", system), ChatMessage("user", text))
    request = ChatRequest(model=model, messages=messages, temperature=_TEMPERATURE, max_tokens=max_tokens)
    heard = _Heard()
    try:
        await _hear(provider, request, heard)
    finally:
        if heard.pieces:
            meters.tokens_used(heard.used(request))
    if heard.finish_reason == "length":
        raise StreamCut(f"The model's answer did not end within {max_tokens} tokens.")
    if not heard.text:
        raise EmptyReply("The model said nothing.")
    return Answer(heard.text, heard.used(request))


async def _hear(provider: Provider, request: ChatRequest, heard: _Heard) -> None:
    try:
        async with asyncio.timeout(ASK_SECONDS), aclosing(provider.stream(request)) as chunks:
            await heard.listen(chunks)
    except TimeoutError:
        raise ProviderTimeout("The model did not come to an end in time.") from None
    if heard.finish_reason is None:
        raise StreamCut("The model's answer was cut.")

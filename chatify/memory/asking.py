"""Asking a model for one whole text, where nobody waits for its first word."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from chatify.common.tokens import estimate_tokens
from chatify.llm.errors import EmptyReply, ProviderTimeout, StreamCut
from chatify.llm.types import ChatMessage, ChatRequest, Chunk, Provider, Usage

ASK_SECONDS = 60.0
MAX_ANSWER = 40_000
"""Code points. What is longer is not what was asked for, and the call is ended."""

_TEMPERATURE = 0.2


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said, without white space around it, and what it cost."""

    text: str
    usage: Usage


async def ask(provider: Provider, *, model: str, system: str, text: str, max_tokens: int) -> Answer:
    """Give a model its instructions (`system`) and what they are about (`text`), and wait for all of its answer.

    Raises LLMError: EmptyReply for one without a word, ProviderTimeout when it takes longer than a minute.
    """
    messages = (ChatMessage("system", system), ChatMessage("user", text))
    request = ChatRequest(model=model, messages=messages, temperature=_TEMPERATURE, max_tokens=max_tokens)
    try:
        async with asyncio.timeout(ASK_SECONDS), aclosing(provider.stream(request)) as chunks:
            answer, usage = await _collect(chunks)
    except TimeoutError:
        raise ProviderTimeout("The model did not come to an end in time.") from None
    if not answer:
        raise EmptyReply("The model said nothing.")
    asked = sum(estimate_tokens(message.content) for message in messages)
    return Answer(answer, usage or Usage(asked, estimate_tokens(answer), is_estimated=True))


async def _collect(chunks: AsyncGenerator[Chunk, None]) -> tuple[str, Usage | None]:
    pieces: list[str] = []
    usage, length, is_finished = None, 0, False
    async for chunk in chunks:
        pieces.append(chunk.text)
        length += len(chunk.text)
        usage = chunk.usage or usage
        is_finished = is_finished or chunk.finish_reason is not None
        if length > MAX_ANSWER:
            is_finished = True
            break
    if not is_finished:
        raise StreamCut("The model's answer was cut.")
    return "".join(pieces).strip(), usage

"""The provider that needs nothing: it composes its reply from patterns and streams it like a model."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator

from chatify.llm.providers.offline.compose import reply_to
from chatify.llm.types import ChatRequest, Chunk, Usage

MODEL = "offline-companion"
CHARACTERS_PER_TOKEN = 4
_PIECES_BEFORE_FIRST = 10


class OfflineCompanion:
    """A provider without network or key. The same request always gets the same reply.

    `delay` is the time in seconds between two pieces; the first one takes ten times as long.
    """

    name = "offline"

    def __init__(self, delay: float = 0.025) -> None:
        self._delay = delay

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        """Yield the reply word by word, then its end with the estimated usage. Never raises LLMError."""
        text, finish_reason = fit(reply_to(request), request.max_tokens)
        await asyncio.sleep(self._delay * _PIECES_BEFORE_FIRST)
        for index, piece in enumerate(re.findall(r"\S+\s*", text)):
            if index:
                await asyncio.sleep(self._delay)
            yield Chunk(text=piece)
        yield Chunk(finish_reason=finish_reason, usage=_usage(request, text))

    async def list_models(self) -> list[str]:
        """The one name it answers to."""
        return [MODEL]

    async def aclose(self) -> None:
        """Nothing to give back."""


def fit(text: str, max_tokens: int) -> tuple[str, str]:
    """The text cut to `max_tokens` at the end of a sentence ("stop") or, if not even one fits, a word ("length")."""
    limit = max(max_tokens, 1) * CHARACTERS_PER_TOKEN
    if len(text) <= limit:
        return text, "stop"
    ends = [match.end() for match in re.finditer(r"[.!?…]['\")]*(?=\s)", text) if match.end() <= limit]
    if ends:
        return text[: ends[-1]], "stop"
    head, space, _ = text[: limit + 1].rpartition(" ")
    return (head if space else text[:limit]), "length"


def _usage(request: ChatRequest, text: str) -> Usage:
    prompt = sum(len(message.content) for message in request.messages)
    return Usage(_tokens(prompt), _tokens(len(text)), is_estimated=True)


def _tokens(characters: int) -> int:
    return -(-characters // CHARACTERS_PER_TOKEN)

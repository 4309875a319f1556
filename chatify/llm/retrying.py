"""Try again, inside one deadline, as long as nothing of the reply was seen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from chatify.llm.errors import LLMError
from chatify.llm.types import ChatRequest, Chunk, Provider

ATTEMPTS = 3
DEADLINE_SECONDS = 30.0
FIRST_PAUSE_SECONDS = 0.5


class Retrying:
    """A provider that asks another one up to three times within 30 seconds."""

    def __init__(self, inner: Provider, *, attempts: int = ATTEMPTS, deadline: float = DEADLINE_SECONDS) -> None:
        self.name = inner.name
        self._inner = inner
        self._attempts = attempts
        self._deadline = deadline

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        """See Provider.stream. What was yielded cannot be taken back: then an error is final."""
        ends_at = asyncio.get_running_loop().time() + self._deadline
        for attempt in range(1, self._attempts + 1):
            has_begun = False
            try:
                async with aclosing(self._inner.stream(request)) as chunks:
                    async for chunk in chunks:
                        has_begun = has_begun or bool(chunk.text)
                        yield chunk
                return
            except LLMError as error:
                if has_begun or not error.is_retryable or attempt == self._attempts:
                    raise
                pause = error.retry_after or FIRST_PAUSE_SECONDS * 2 ** (attempt - 1)
                if asyncio.get_running_loop().time() + pause >= ends_at:
                    raise
            await asyncio.sleep(pause)

    async def list_models(self) -> list[str]:
        """See Provider.list_models."""
        return await self._inner.list_models()

    async def aclose(self) -> None:
        """See Provider.aclose."""
        await self._inner.aclose()

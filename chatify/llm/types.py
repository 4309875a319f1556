"""What goes into a provider and what comes out of it. Pure data: no Django, no vendor."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message of the context that a model reads."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One call of a model.

    `messages` is the whole context, the system prompt first. `max_tokens` counts tokens of the reply.
    `speaker`, `traits`, `user_name` and `memories` (kind, text) repeat, as data, what the system prompt says in prose:
    the offline companion has no model to read prose with. `estimated_tokens` is what `messages` were thought to be when
    they were cut to a budget, else 0.
    """

    model: str
    messages: Sequence[ChatMessage]
    temperature: float
    max_tokens: int
    speaker: str = ""
    traits: Sequence[str] = ()
    user_name: str = ""
    memories: Sequence[tuple[str, str]] = ()
    estimated_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens that a reply cost. `is_estimated` when the provider did not say (characters / 4)."""

    prompt_tokens: int
    completion_tokens: int
    is_estimated: bool = False

    @property
    def total(self) -> int:
        """Of both kinds."""
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a streamed reply. `finish_reason` is set on the last piece that carries one."""

    text: str = ""
    finish_reason: str | None = None
    usage: Usage | None = None


class Provider(Protocol):
    """A service that runs language models."""

    name: str

    def stream(self, request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        """Yield the reply in pieces, in order.

        A stream that ends without any `finish_reason` was cut: the caller treats it as failed.
        Closing the iterator aborts the call. Raises LLMError.
        """
        ...

    async def list_models(self) -> list[str]:
        """Names of the models on offer. Raises LLMError."""
        ...

    async def aclose(self) -> None:
        """Give back connections. The provider is not used afterwards."""
        ...

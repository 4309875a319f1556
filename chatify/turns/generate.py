"""One reply: asks the provider, hands on what comes, and says how it ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from time import monotonic

import structlog

from chatify.llm.errors import LLMError
from chatify.llm.types import ChatRequest, Provider, Usage
from chatify.turns.spec import Outcome
from sessions.models import Message

REPLY_SECONDS = 300
MAX_REPLY = 200_000
"""Code points. No model's reply is that long; a provider that never stops is cut here."""

_CHARACTERS_PER_TOKEN = 4

log = structlog.get_logger(__name__)


async def generate(provider: Provider, request: ChatRequest, outcome: Outcome, hand_on: Callable[[str], None]) -> None:
    """Stream one reply into `outcome`, piece by piece through `hand_on`.

    `outcome` is complete after this in every case but cancellation, where the caller says why. Everything
    that the provider can do wrong ends as a failed outcome with a code.
    """
    started = monotonic()
    pieces: list[str] = []
    try:
        async with asyncio.timeout(REPLY_SECONDS):
            await _read(provider, request, outcome, pieces, hand_on, started)
    except LLMError as error:
        log.warning("provider_failed", code=error.code, provider=provider.name, detail=str(error))
        outcome.status, outcome.error_code = Message.Status.FAILED, error.code
    except TimeoutError:
        outcome.status, outcome.error_code = Message.Status.FAILED, "provider_timeout"
    except Exception:
        log.exception("generation_failed", provider=provider.name)
        outcome.status, outcome.error_code = Message.Status.FAILED, "internal_error"
    finally:
        outcome.text = "".join(pieces)
        outcome.latency_ms = round((monotonic() - started) * 1000)
        if outcome.usage is None and outcome.text:
            outcome.usage = estimate(request, outcome.text)


async def _read(
    provider: Provider,
    request: ChatRequest,
    outcome: Outcome,
    pieces: list[str],
    hand_on: Callable[[str], None],
    started: float,
) -> None:
    is_finished, length = False, 0
    async with aclosing(provider.stream(request)) as chunks:
        async for chunk in chunks:
            if text := chunk.text:
                if not pieces:
                    outcome.first_token_ms = round((monotonic() - started) * 1000)
                text = text.replace("\x00", "")  # PostgreSQL cannot store it
                pieces.append(text)
                length += len(text)
                hand_on(text)
            if chunk.usage is not None:
                outcome.usage = chunk.usage
            if chunk.finish_reason is not None or length > MAX_REPLY:
                is_finished = True
            if length > MAX_REPLY:
                break
    if not is_finished:
        outcome.status, outcome.error_code = Message.Status.FAILED, "stream_cut"
    elif not any(piece.strip() for piece in pieces):
        outcome.status, outcome.error_code = Message.Status.FAILED, "empty_reply"
    else:
        outcome.status, outcome.error_code = Message.Status.COMPLETE, ""


def estimate(request: ChatRequest, text: str) -> Usage:
    """Tokens as characters / 4, for providers that do not count."""
    asked = sum(len(message.content) for message in request.messages)
    return Usage(asked // _CHARACTERS_PER_TOKEN, -(-len(text) // _CHARACTERS_PER_TOKEN), is_estimated=True)

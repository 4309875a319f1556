"""Asking again: as long as nothing of the reply was seen, inside one deadline, and only where it can help."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace

import pytest

from chatify.llm import retrying
from chatify.llm.errors import LLMError, ProviderAuthFailed, ProviderRateLimited, ProviderUnavailable, StreamCut
from chatify.llm.retrying import Retrying
from chatify.llm.types import ChatRequest, Chunk

REQUEST = ChatRequest("m", (), 0.5, 9)
AWAY = ProviderUnavailable("away")


class Scripted:
    """A provider whose attempts go as told: texts are yielded, errors raised."""

    name = "scripted"

    def __init__(self, *attempts: list[str | LLMError]) -> None:
        self._attempts = list(attempts)
        self.asked: list[float] = []
        self.is_closed = False

    async def stream(self, request: ChatRequest) -> AsyncIterator[Chunk]:
        self.asked.append(asyncio.get_running_loop().time())
        for step in self._attempts.pop(0):
            if isinstance(step, LLMError):
                raise step
            yield Chunk(step)

    async def list_models(self) -> list[str]:
        return ["m"]

    async def aclose(self) -> None:
        self.is_closed = True


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrying, "FIRST_PAUSE_SECONDS", 0.02)


async def read(provider: Scripted, **options: float) -> list[str]:
    return [chunk.text async for chunk in Retrying(provider, **options).stream(REQUEST)]


async def test_good_reply_is_asked_for_once() -> None:
    provider = Scripted(["a", "b"])
    assert await read(provider) == ["a", "b"]
    assert len(provider.asked) == 1


async def test_provider_that_comes_back_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    provider, pauses, sleep = Scripted([AWAY], [AWAY], ["fine"]), list[float](), asyncio.sleep

    async def noted(seconds: float) -> None:
        pauses.append(seconds)  # how long it was on a busy machine says nothing
        await sleep(seconds)

    own = SimpleNamespace(sleep=noted, get_running_loop=asyncio.get_running_loop)  # others sleep in this loop, too
    monkeypatch.setattr(retrying, "asyncio", own)
    assert await read(provider) == ["fine"]
    assert len(provider.asked) == 3
    first, second = pauses
    assert second > first > 0, "each pause is longer than the last"


async def test_three_times_is_enough() -> None:
    provider = Scripted([AWAY], [AWAY], [AWAY], ["never"])
    with pytest.raises(ProviderUnavailable):
        await read(provider)
    assert len(provider.asked) == 3


async def test_what_was_seen_is_not_asked_for_again() -> None:
    provider, seen = Scripted(["half", StreamCut("cut")], ["never"]), []
    chunks = Retrying(provider).stream(REQUEST)
    seen.append((await anext(chunks)).text)
    with pytest.raises(StreamCut):
        await anext(chunks)
    assert (seen, len(provider.asked)) == (["half"], 1)


async def test_wrong_key_is_not_tried_again() -> None:
    provider = Scripted([ProviderAuthFailed("no")], ["never"])
    with pytest.raises(ProviderAuthFailed):
        await read(provider)
    assert len(provider.asked) == 1


async def test_provider_is_left_alone_for_as_long_as_it_asked() -> None:
    provider = Scripted([ProviderRateLimited("busy", retry_after=0.2)], ["fine"])
    assert await read(provider) == ["fine"]
    assert provider.asked[1] - provider.asked[0] >= 0.2


async def test_pause_beyond_the_deadline_is_not_slept() -> None:
    provider = Scripted([ProviderRateLimited("busy", retry_after=120)], ["never"])
    async with asyncio.timeout(1):
        with pytest.raises(ProviderRateLimited):
            await read(provider)
    assert len(provider.asked) == 1


async def test_deadline_ends_the_attempts() -> None:
    provider = Scripted([AWAY], [AWAY], ["never"])
    with pytest.raises(ProviderUnavailable):
        await read(provider, deadline=0.03)
    assert len(provider.asked) < 3


async def test_it_is_the_provider_otherwise() -> None:
    provider = Scripted()
    wrapped = Retrying(provider)
    assert (wrapped.name, await wrapped.list_models()) == ("scripted", ["m"])
    await wrapped.aclose()
    assert provider.is_closed

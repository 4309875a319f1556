"""The end of a process, seen from inside: replies that run get their time, and are kept with what they have."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from chatify.accounts.principal import Principal
from chatify.llm.types import ChatRequest, Chunk
from chatify.turns import following, relay, replies, runtime
from chatify.turns.runtime import Runtime
from chatify.turns.spec import Accepted
from sessions.models import ChatSession, Message


class Slow:
    """A provider that says one word, and the next when it is let go on."""

    name = "slow"

    def __init__(self) -> None:
        self.may_end = asyncio.Event()
        self.is_closed = False

    async def stream(self, request: ChatRequest) -> AsyncIterator[Chunk]:
        yield Chunk("first ")
        await self.may_end.wait()
        yield Chunk("last", "stop")

    async def list_models(self) -> list[str]:
        return []

    async def aclose(self) -> None:
        self.is_closed = True


@pytest.fixture(autouse=True)
def _on_the_connection_of_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    async def in_db_thread(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return await sync_to_async(function)(*args, **kwargs)

    for module in (following, relay, replies, runtime):
        monkeypatch.setattr(module, "in_db_thread", in_db_thread)


async def say(process: Runtime, principal: Principal, chat: ChatSession, content: str) -> Accepted:
    return await process.accept(
        principal=principal, chat_session_id=chat.id, end_user_id=chat.end_user_id, content=content
    )


async def speaking(principal: Principal, chat: ChatSession) -> tuple[Runtime, Slow]:
    """A runtime in the middle of a reply."""
    provider = Slow()
    process = Runtime(provider)
    await process.start(is_alone=True)
    accepted = await say(process, principal, chat, "hello")
    assert accepted.reply is not None
    async with asyncio.timeout(5):
        while not (live := process.replies.find(accepted.reply.message_id)) or not live.text:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    return process, provider


def reply_of(chat: ChatSession) -> tuple[str, str, str]:
    reply = Message.objects.get(chat_session=chat, role="assistant")
    return reply.status, reply.error_code, reply.content


async def test_reply_that_takes_too_long_is_interrupted_with_its_text(principal: Principal, chat: ChatSession) -> None:
    process, provider = await speaking(principal, chat)
    async with asyncio.timeout(3):
        await process.stop(patience=0.2)
    assert await sync_to_async(reply_of)(chat) == ("failed", "interrupted", "first ")
    assert provider.is_closed


async def test_reply_that_ends_in_time_is_complete(principal: Principal, chat: ChatSession) -> None:
    process, provider = await speaking(principal, chat)
    asyncio.get_running_loop().call_later(0.1, provider.may_end.set)
    async with asyncio.timeout(3):
        await process.stop(patience=30)
    assert await sync_to_async(reply_of)(chat) == ("complete", "", "first last")


async def test_reply_of_another_owner_is_given_up_without_a_word(principal: Principal, chat: ChatSession) -> None:
    process, _ = await speaking(principal, chat)
    taken = Message.objects.filter(chat_session=chat, role="assistant")
    await sync_to_async(taken.update)(lease_owner="process.other")
    async with asyncio.timeout(3):
        await process._renew()
        await process.stop(patience=1)
    assert await sync_to_async(reply_of)(chat) == ("streaming", "", "")


async def test_renewal_saves_the_text_and_obeys_a_stop(principal: Principal, chat: ChatSession) -> None:
    process, _ = await speaking(principal, chat)
    await process._renew()
    assert await sync_to_async(reply_of)(chat) == ("streaming", "", "first ")
    await sync_to_async(Message.objects.filter(chat_session=chat).update)(cancel_requested=True)
    async with asyncio.timeout(3):
        await process._renew()
        await process.stop(patience=1)
    assert await sync_to_async(reply_of)(chat) == ("cancelled", "", "first ")


async def test_start_of_a_lonely_process_ends_what_ran_and_answers_who_waited(
    principal: Principal, chat: ChatSession
) -> None:
    dead, _ = await speaking(principal, chat)
    await say(dead, principal, chat, "are you there?")
    provider = Slow()
    provider.may_end.set()
    process = Runtime(provider)
    await process.start(is_alone=True)
    await dead.stop(patience=0)
    await process.stop(patience=3)
    rows = await sync_to_async(list)(Message.objects.filter(chat_session=chat).order_by("seq"))
    assert [(row.seq, row.role, row.status) for row in rows] == [
        (1, "user", "complete"), (2, "assistant", "failed"), (3, "user", "complete"), (4, "assistant", "complete"),
    ]  # fmt: skip
    assert [row.answered_by_id for row in rows] == [rows[1].id, None, rows[3].id, None]

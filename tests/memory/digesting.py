"""Chat sessions with much said in them, whose memory is due."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

from django.db.models.functions import Now
from django.utils import timezone

from chatify.llm.types import Usage
from chatify.memory.claims import Claim, claim_due
from chatify.memory.steps import next_step
from chatify.memory.summarizing import Made, Source
from sessions.models import ChatSession, Message, Summary

MADE = Made("What was made.", "test-model", 0, Usage(10, 5), Decimal(0))


def say(chat: ChatSession, texts: Sequence[str], **fields: object) -> ChatSession:
    """What user and personality say in turns, all of it at once; memory is due then. `fields` of the chat session."""
    first = ChatSession.objects.get(id=chat.id).last_seq + 1
    Message.objects.bulk_create(
        Message(
            tenant_id=chat.tenant_id,
            chat_session=chat,
            seq=seq,
            role="user" if seq % 2 else "assistant",
            content=text,
            created_at=timezone.now(),
        )
        for seq, text in enumerate(texts, first)
    )
    change(chat, last_seq=first + len(texts) - 1, memory_due_at=timezone.now() - timedelta(seconds=1), **fields)
    return chat


def numbered(count: int, also: str = "", first: int = 1) -> list[str]:
    """So many different messages; `also` stands in the first one."""
    texts = [f"This is what I said as number {number}." for number in range(first, first + count)]
    return [f"{texts[0]} {also}".strip(), *texts[1:]]


def change(chat: ChatSession, **fields: object) -> None:
    """Write fields of a chat session."""
    ChatSession.objects.filter(id=chat.id).update(**fields)


def due_again(chat: ChatSession) -> None:
    """The pause, or the lease, is over."""
    change(chat, memory_due_at=Now() - timedelta(seconds=1))


def fresh(chat: ChatSession) -> ChatSession:
    """The row as it is now."""
    return ChatSession.objects.get(id=chat.id)


def ranges(chat: ChatSession) -> list[tuple[int, int]]:
    """Of its summaries."""
    return list(Summary.objects.filter(chat_session=chat).order_by("from_seq").values_list("from_seq", "to_seq"))


def summary_of(chat: ChatSession, from_seq: int, to_seq: int, text: str = "Before.", **fields: object) -> Summary:
    """A summary that has been made."""
    summary = Summary.objects.create(
        tenant_id=chat.tenant_id,
        chat_session=chat,
        from_seq=from_seq,
        to_seq=to_seq,
        text=text,
        model="test-model",
        **fields,
    )
    change(chat, summarized_seq=to_seq)
    return summary


def claim_one(chat: ChatSession) -> Claim:
    """Its claim, which is the only one that can be had."""
    [claim] = claim_due(8)
    assert claim.chat_session_id == chat.id
    return claim


def source_of(chat: ChatSession) -> Source:
    """What its next summary is made of."""
    source = next_step(fresh(chat))
    assert isinstance(source, Source)
    return source


def strange(claim: Claim) -> Claim:
    """The claim of somebody who has lost it."""
    return Claim(claim.chat_session_id, uuid4(), claim.attempts)

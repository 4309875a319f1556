"""What the tests of facts share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from django.db.models.functions import Now
from django.utils import timezone

from chatify.accounts.models import EndUser
from chatify.accounts.principal import Principal
from chatify.accounts.profile import UserInput
from chatify.memory.facts import read_for_facts, write_facts
from chatify.memory.finding import FactsInput, Found
from chatify.memory.models import Memory
from chatify.memory.texts import key_of
from sessions.actions import start_chat_session
from sessions.models import ChatSession, Message


def another_chat(chat: ChatSession) -> ChatSession:
    """Another chat session of the same person."""
    user = UserInput(external_id=chat.end_user.external_id)
    return start_chat_session(principal=Principal(chat.tenant_id), template_slug=None, user=user)


def say(chat: ChatSession, content: str, *, role: str = "user", at: datetime | None = None, **fields: Any) -> Message:
    """The next message, dated by the database's clock as those of turns are."""
    last_seq, now = ChatSession.objects.filter(id=chat.id).values_list("last_seq", Now()).get()
    seq = last_seq + 1
    common = {"tenant_id": chat.tenant_id, "chat_session": chat, "created_at": at or now, **fields}
    message = Message.objects.create(seq=seq, role=role, content=content, **common)
    ChatSession.objects.filter(id=chat.id).update(last_seq=seq)
    return message


def claim(chat: ChatSession) -> UUID:
    """A worker's claim."""
    token = uuid4()
    ChatSession.objects.filter(id=chat.id).update(memory_claim=token)
    return token


def read(chat: ChatSession) -> FactsInput:
    """What facts are looked for in."""
    found = read_for_facts(chat.id)
    assert found is not None
    return found


def digest(chat: ChatSession, words: Sequence[tuple[str, str]]) -> Callable[[], bool]:
    """A worker that has found these, and is about to write them."""
    seq = say(chat, "something").seq
    found = [Found(kind, text, seq) for kind, text in words]
    input, token = read(chat), claim(chat)
    return lambda: write_facts(input=input, found=found, model="test", prompt_version=1, claim=token)


def learn(chat: ChatSession, *found: tuple[str, str], at: datetime | None = None) -> bool:
    """Say something that tells these (kind, text), and remember them."""
    message = say(chat, "something", at=at)
    told = [Found(kind, text, message.seq) for kind, text in found]
    return write_facts(input=read(chat), found=told, model="test", prompt_version=3, claim=claim(chat))


def remember(end_user: EndUser, kind: str, text: str, **fields: Any) -> Memory:
    """A memory, as if it had been found."""
    fields = {"said_at": timezone.now(), **fields}
    common = {"tenant_id": end_user.tenant_id, "end_user": end_user}
    return Memory.objects.create(kind=kind, text=text, key=key_of(kind, text), **common, **fields)


def memories(chat: ChatSession) -> list[str]:
    """What is remembered of the person, as "kind text", in the order of their kinds."""
    rows = Memory.objects.filter(end_user_id=chat.end_user_id).order_by("kind", "text")
    return [f"{kind} {text}" for kind, text in rows.values_list("kind", "text")]

"""What documents hold, and which ones an event is about."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.utils import timezone

from chatify.accounts.actions import ensure_tenant
from chatify.accounts.principal import Principal
from chatify.events.models import OutboxRow
from chatify.mirror import payloads
from chatify.mirror.paths import DocKey, Kind
from chatify.mirror.payloads import keys_of, message_keys, payloads_of, transcript_of, utc_day
from sessions.actions import delete_chat_sessions
from sessions.models import ChatSession, Message, Summary
from templates_app.actions import Draft, delete_personality, save_personality
from templates_app.models import PromptTemplate
from tests.memory.talking import answer, ask, talk
from tests.mirror.syncing import mirrored_room

pytestmark = pytest.mark.django_db


def key_of(chat: ChatSession) -> DocKey:
    return DocKey(Kind.CHAT_SESSION, chat.tenant_id, chat.id)


def message_key(message: Message) -> DocKey:
    return DocKey(Kind.MESSAGE, message.chat_session.tenant_id, message.id, message.chat_session_id)


def payload(key: DocKey) -> Any:
    return payloads_of([key])[key]


def event(name: str, chat: ChatSession | None = None, subject_id: Any = None, tenant_id: Any = None) -> OutboxRow:
    chat_id = chat.id if chat else None
    tenant_id = chat.tenant_id if chat else tenant_id
    return OutboxRow(event=name, tenant_id=tenant_id, chat_session_id=chat_id, subject_id=subject_id)


# Documents ----------------------------------------------------------------------------------------
def test_chat_session(principal: Principal, chat: ChatSession) -> None:
    talk(principal, chat, 2)
    Summary.objects.create(tenant_id=chat.tenant_id, chat_session=chat, from_seq=1, to_seq=2, text="old", model="m")
    Summary.objects.create(tenant_id=chat.tenant_id, chat_session=chat, from_seq=3, to_seq=4, text="new", model="m")
    chat.refresh_from_db()
    assert payload(key_of(chat)) == {
        "session_id": str(chat.id), "user_id": "alice", "tenant": "demo",
        "template_type": "plain", "template_version": 1, "status": "active", "mode": "ai", "title": "question 1",
        "last_activity": chat.last_activity, "message_count": 4, "total_tokens_used": 30, "summary": "new",
        "started": chat.created_at, "ended": None, "end_reason": "", "date": utc_day(chat.created_at),
    }  # fmt: skip


def test_messages(principal: Principal, chat: ChatSession) -> None:
    talk(principal, chat, 1)
    asked, answered = Message.objects.order_by("seq")
    common = {"session_id": str(chat.id), "user_id": "alice", "tenant": "demo"}
    common |= {"status": "complete", "date": utc_day(asked.created_at)}
    assert payload(message_key(asked)) == {
        "seq": 1, "role": "user", "sender": "end_user", "content": "question 1", "tokens": None,
        "created_at": asked.created_at, **common,
    }  # fmt: skip
    assert payload(message_key(answered)) == {
        "seq": 2, "role": "assistant", "sender": "ai", "content": "answer 1", "tokens": 15,
        "created_at": answered.created_at, **common,
    }  # fmt: skip


def test_room_of_two_people() -> None:
    room = mirrored_room("alice", "bob")
    found = payload(key_of(room))
    assert (found["mode"], found["user_id"]) == ("human", None)  # or each of them would learn who the other is
    assert (found["template_type"], found["template_version"], found["message_count"]) == (None, None, 2)
    assert (found["total_tokens_used"], found["summary"]) == (0, "")
    told = [payload(message_key(message)) for message in Message.objects.order_by("seq")]
    assert [(one["role"], one["sender"], one["content"]) for one in told] == [
        ("user", "end_user", "alice is here"), ("human", "end_user", "bob is here"),
    ]  # fmt: skip
    assert [one["user_id"] for one in told] == [None, None]


def test_personality(chat: ChatSession) -> None:
    template = PromptTemplate.objects.get()
    found = payload(DocKey(Kind.TEMPLATE, None, "plain"))
    assert (found["name"], found["slug"], found["tenant"], found["version"]) == ("Plain", "plain", None, 1)
    assert found["system_prompt"] == "You are an AI companion. Be brief."
    assert (found["temperature"], found["max_tokens"], found["personality_traits"]) == (0.8, 400, [])
    assert (found["is_default"], found["is_active"], found["adult_only"]) == (True, True, False)
    assert (found["created_at"], found["updated_at"]) == (template.created_at, template.updated_at)


def test_personality_of_a_tenant_is_its_own(chat: ChatSession) -> None:
    tenant = ensure_tenant(slug="demo")
    save_personality(template=PromptTemplate(tenant=tenant, slug="plain", name="Ours"), draft=Draft("You are ours."))
    assert payload(DocKey(Kind.TEMPLATE, tenant.id, "plain"))["name"] == "Ours"
    assert payload(DocKey(Kind.TEMPLATE, None, "plain"))["name"] == "Plain"


def test_texts_of_people_go_through_the_mask(
    principal: Principal, chat: ChatSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk(principal, chat, 1)
    monkeypatch.setattr(payloads, "mask", lambda text: "*" * len(text))
    assert payload(key_of(chat))["title"] == "*" * len("question 1")
    assert {payload(message_key(message))["content"].strip("*") for message in Message.objects.all()} == {""}


def test_day_is_that_of_utc() -> None:
    assert utc_day(datetime(2026, 11, 21, 23, 59, tzinfo=UTC)) == "2026-11-21"
    assert utc_day(datetime.fromisoformat("2026-11-22T01:30:00+02:00")) == "2026-11-21"


# What has no business in Firestore ----------------------------------------------------------------
def test_reply_that_is_being_written_is_left_out(principal: Principal, chat: ChatSession) -> None:
    spec = ask(principal, chat, "hello")
    key = DocKey(Kind.MESSAGE, chat.tenant_id, spec.message_id, chat.id)
    assert payload(key) is None
    assert len(message_keys(transcript_of(key_of(chat)))) == 1
    answer(spec)
    assert payload(key)["content"] == "I see."


def test_deleted_chat_session_is_left_out(principal: Principal, chat: ChatSession) -> None:
    talk(principal, chat, 1)
    keys = [key_of(chat), *message_keys(transcript_of(key_of(chat)))]
    assert None not in payloads_of(keys).values()
    delete_chat_sessions(chat_session_ids=[chat.id])
    assert set(payloads_of(keys).values()) == {None}
    assert message_keys(transcript_of(key_of(chat))) == []


def test_deleted_and_unfinished_personalities_are_left_out(chat: ChatSession) -> None:
    PromptTemplate.objects.update(deleted_at=timezone.now())
    PromptTemplate.objects.create(slug="unfinished", name="Unfinished")
    assert payload(DocKey(Kind.TEMPLATE, None, "plain")) is None
    assert payload(DocKey(Kind.TEMPLATE, None, "unfinished")) is None


# Which documents an event is about ----------------------------------------------------------------
def test_event_of_a_message_is_about_two_documents(principal: Principal, chat: ChatSession) -> None:
    spec = ask(principal, chat, "hello")
    message = DocKey(Kind.MESSAGE, chat.tenant_id, spec.message_id, chat.id)
    assert keys_of(event("reply.complete", chat, spec.message_id)) == (message, key_of(chat))


@pytest.mark.parametrize("name", ["session.started", "session.renamed", "session.ended", "summary.created"])
def test_event_of_a_chat_session_is_about_its_document(chat: ChatSession, name: str) -> None:
    assert keys_of(event(name, chat, chat.id if name == "summary.created" else None)) == (key_of(chat),)


@pytest.mark.parametrize("name", ["session.deleted", "session.restored", "session.erased"])
def test_deletion_is_about_the_messages_too(chat: ChatSession, name: str) -> None:
    assert keys_of(event(name, chat)) == (transcript_of(key_of(chat)), key_of(chat))


def test_personality_that_is_gone_for_good_is_known_by_its_slug() -> None:
    template = save_personality(template=PromptTemplate(slug="gone", name="Gone"), draft=Draft("You are an AI."))
    changed = event("template.changed", subject_id=template.id)
    assert keys_of(changed) == (DocKey(Kind.TEMPLATE, None, "gone"),)
    delete_personality(template=template, who=None)
    assert keys_of(changed) == (DocKey(Kind.TEMPLATE, None, "gone"),)


def test_event_about_nothing_we_know_is_about_no_document() -> None:
    assert keys_of(event("template.changed", subject_id=None)) == ()
    assert keys_of(event("tenant.changed", subject_id=None)) == ()

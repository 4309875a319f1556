"""From the outbox to Firestore: complete, in order, once, and only what belongs there."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from google.cloud.firestore import Client

from chatify.accounts.actions import ensure_tenant
from chatify.accounts.erasure import erase_end_user
from chatify.accounts.models import EndUser, Tenant
from chatify.accounts.principal import Principal
from chatify.events.bus import emit
from chatify.events.models import OutboxRow
from chatify.memory.summaries import edit_summary
from chatify.mirror import writing
from chatify.mirror.paths import DocKey, Kind
from chatify.mirror.relay import Relay
from chatify.mirror.writing import Operation, Writer, batches
from sessions.actions import delete_chat_sessions, end_chat_session, rename_chat_session, restore_chat_sessions
from sessions.models import ChatSession, Message, Summary
from sessions.personalities import switch_personality
from templates_app.actions import Draft, delete_personality, save_personality
from templates_app.models import PromptTemplate
from tests.memory.talking import answer, ask, talk
from tests.mirror.relaying import contents, deliver, document, rows, session_document, transcript

pytestmark = pytest.mark.django_db
DEAD, PENDING = OutboxRow.State.DEAD, OutboxRow.State.PENDING


@pytest.fixture
def commits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of the batches that are committed."""
    sizes: list[int] = []
    commit = Writer._commit

    def counted(self: Writer, operations: list[Operation]) -> None:
        sizes.append(len(operations))
        commit(self, operations)

    monkeypatch.setattr(Writer, "_commit", counted)
    return sizes


# What arrives -------------------------------------------------------------------------------------
def test_conversation_arrives_as_it_is(mirror: Client, principal: Principal, chat: ChatSession) -> None:
    talk(principal, chat, 3)
    deliver()
    assert contents(mirror, chat) == ["question 1", "answer 1", "question 2", "answer 2", "question 3", "answer 3"]
    assert [message["seq"] for message in transcript(mirror, chat)] == [1, 2, 3, 4, 5, 6]
    found = session_document(mirror, chat)
    assert found is not None
    chat.refresh_from_db()
    assert (found["message_count"], found["total_tokens_used"], found["status"]) == (6, 45, "active")
    assert found["last_activity"] == chat.last_activity
    assert document(mirror, "prompt_templates/plain") is not None
    assert rows() == []


def test_reply_arrives_when_it_is_finished(mirror: Client, principal: Principal, chat: ChatSession) -> None:
    spec = ask(principal, chat, "hello")
    relay = deliver()
    assert contents(mirror, chat) == ["hello"]
    answer(spec, "half of", status="failed")
    deliver(relay)
    assert contents(mirror, chat) == ["hello", "half of"]
    assert transcript(mirror, chat)[1]["status"] == "failed"


def test_steps_of_a_chat_session_arrive(mirror: Client, principal: Principal, chat: ChatSession) -> None:
    rename_chat_session(chat_session=chat, title="Renamed")
    relay = deliver()
    assert (session_document(mirror, chat) or {})["title"] == "Renamed"
    end_chat_session(chat_session_id=chat.id, reason="bye")
    deliver(relay)
    found = session_document(mirror, chat) or {}
    assert (found["status"], found["end_reason"], found["ended"] is not None) == ("ended", "bye", True)


def test_summary_that_is_edited_arrives(mirror: Client, principal: Principal, chat: ChatSession) -> None:
    talk(principal, chat, 1)
    summary = Summary.objects.create(
        tenant_id=chat.tenant_id, chat_session=chat, from_seq=1, to_seq=2, text="made", model="m"
    )
    relay = deliver()
    assert (session_document(mirror, chat) or {})["summary"] == "made"
    edit_summary(summary_id=summary.id, text="edited", who=None)
    deliver(relay)
    assert (session_document(mirror, chat) or {})["summary"] == "edited"


def test_switch_of_the_personality_arrives(mirror: Client, principal: Principal, chat: ChatSession) -> None:
    save_personality(template=PromptTemplate(slug="other", name="Other"), draft=Draft("You are an AI."))
    relay = deliver()
    switch_personality(principal=principal, chat_session_id=chat.id, slug="other")
    deliver(relay)
    assert (session_document(mirror, chat) or {})["template_type"] == "other"
    assert [(message["role"], message["sender"]) for message in transcript(mirror, chat)] == [("notice", "chatify")]


def test_personality_is_changed_and_deleted(mirror: Client, chat: ChatSession) -> None:
    template = save_personality(template=PromptTemplate(slug="new", name="New"), draft=Draft("You are an AI."))
    relay = deliver()
    save_personality(template=template, draft=Draft("You are an AI, and kind."))
    deliver(relay)
    assert (document(mirror, "prompt_templates/new") or {})["version"] == 2
    delete_personality(template=template, who=None)
    deliver(relay)
    assert document(mirror, "prompt_templates/new") is None


def test_personality_that_is_the_default_no_more_says_so(mirror: Client, chat: ChatSession) -> None:
    relay = deliver()
    new = PromptTemplate(slug="new", name="New", is_default=True)
    save_personality(template=new, draft=Draft("You are an AI."))
    deliver(relay)
    assert (document(mirror, "prompt_templates/plain") or {})["is_default"] is False
    assert (document(mirror, "prompt_templates/new") or {})["is_default"] is True


def test_tenant_with_a_prefix_has_its_collections_below_it(
    mirror: Client, principal: Principal, chat: ChatSession
) -> None:
    Tenant.objects.update(firestore_prefix="tenants/demo")
    talk(principal, chat, 1)
    deliver()
    assert session_document(mirror, chat) is None
    found = document(mirror, f"tenants/demo/chatbot_sessions/{chat.id}") or {}
    assert found["message_count"] == 2
    below = f"tenants/demo/conversation_history/{chat.id}/messages"
    assert len(list(mirror.collection(below).stream())) == 2


# What disappears ----------------------------------------------------------------------------------
def test_deleted_chat_session_disappears_and_comes_back(
    mirror: Client, principal: Principal, chat: ChatSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "BATCH_WRITES", 2)
    talk(principal, chat, 3)
    relay = deliver()
    delete_chat_sessions(chat_session_ids=[chat.id])
    deliver(relay)
    assert (session_document(mirror, chat), transcript(mirror, chat)) == (None, [])
    restore_chat_sessions(chat_session_ids=[chat.id])
    deliver(relay)
    assert (session_document(mirror, chat) or {})["message_count"] == len(transcript(mirror, chat)) == 6


def test_erased_user_disappears(mirror: Client, principal: Principal, chat: ChatSession) -> None:
    talk(principal, chat, 2)
    relay = deliver()
    talk(principal, chat, 1, first=3)
    erase_end_user(end_user_id=chat.end_user_id, who=None)
    assert rows() == ["session.erased"], "what was not told yet is forgotten"
    deliver(relay)
    assert (session_document(mirror, chat), transcript(mirror, chat)) == (None, [])


def test_what_is_erased_between_reading_and_writing_is_gone_in_the_end(
    mirror: Client, principal: Principal, chat: ChatSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk(principal, chat, 1)
    commit = Writer._commit
    erasures = iter([EndUser.objects.get()])

    def erase_first(self: Writer, operations: list[Operation]) -> None:
        for end_user in erasures:
            erase_end_user(end_user_id=end_user.id, who=None)
        commit(self, operations)

    monkeypatch.setattr(Writer, "_commit", erase_first)
    deliver()
    assert (session_document(mirror, chat), transcript(mirror, chat), rows()) == (None, [], [])


# How often ----------------------------------------------------------------------------------------
def test_document_is_written_once_for_many_changes(
    mirror: Client, principal: Principal, chat: ChatSession, commits: list[int]
) -> None:
    talk(principal, chat, 20)
    Relay().run_once()
    assert sum(commits) == 40 + 1 + 1, "messages, chat session, personality"
    assert rows() == []


def test_document_is_written_at_most_once_a_second(
    mirror: Client, principal: Principal, chat: ChatSession, commits: list[int]
) -> None:
    relay = Relay()
    talk(principal, chat, 1)
    relay.run_once()
    for number in range(2, 5):
        talk(principal, chat, 1, first=number)
        done = relay.run_once()
    assert done.due_in is not None
    assert 0 < done.due_in <= 1
    assert (session_document(mirror, chat) or {})["message_count"] == 2
    assert len(contents(mirror, chat)) == 8, "messages do not wait"
    assert rows() == ["reply.complete"], "one row stands for all"
    written = sum(commits)
    deliver(relay)
    assert sum(commits) == written + 1, "nothing is repeated"
    assert (session_document(mirror, chat) or {})["message_count"] == 8


def test_rows_that_wait_do_not_keep_out_others(
    mirror: Client, principal: Principal, chat: ChatSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatify.mirror.relay.ROWS_AT_ONCE", 2)
    relay = deliver()
    relay.run_once()
    rename_chat_session(chat_session=chat, title="waits")
    relay._written_at[DocKey(Kind.CHAT_SESSION, chat.tenant_id, chat.id)] = float("inf")
    relay.run_once()
    talk(principal, chat, 2)
    for _ in range(3):
        relay.run_once()
    assert len(contents(mirror, chat)) == 4


def test_batches_are_as_large_as_firestore_takes() -> None:
    def operations(count: int, size: int) -> list[Operation]:
        key = DocKey(Kind.CHAT_SESSION, None, "x")
        return [Operation(key, str(number), {"text": "x" * size}) for number in range(count)]

    assert [len(batch) for batch in batches(operations(900, 10))] == [400, 400, 100]
    assert [len(batch) for batch in batches(operations(9, 1_000_000))] == [3, 3, 3]
    assert [len(batch) for batch in batches(operations(2, 9_000_000))] == [1, 1]
    assert list(batches([])) == []


# What Firestore refuses ---------------------------------------------------------------------------
def test_refused_document_is_laid_aside_and_the_others_arrive(
    mirror: Client, principal: Principal, chat: ChatSession
) -> None:
    answer(ask(principal, chat, "one"), "x" * 1_200_000)
    talk(principal, chat, 1, first=2)
    deliver()
    assert contents(mirror, chat) == ["one", "question 2", "answer 2"]
    dead = OutboxRow.objects.get()
    assert (dead.state, dead.event, dead.attempts) == (DEAD, "reply.complete", 1)
    assert f"conversation_history/{chat.id}/messages/{dead.subject_id}: InvalidArgument" in dead.error


def test_later_change_of_a_refused_document_settles_it(mirror: Client, principal: Principal, chat: ChatSession) -> None:
    answer(ask(principal, chat, "one"), "x" * 1_200_000)
    relay = deliver()
    dead = OutboxRow.objects.get(state=DEAD)
    Message.objects.filter(id=dead.subject_id).update(content="short")
    emit("message.edited", tenant_id=chat.tenant_id, chat_session_id=chat.id, subject_id=dead.subject_id)
    deliver(relay)
    assert contents(mirror, chat) == ["one", "short"]
    assert not OutboxRow.objects.exists()


def test_dead_row_that_is_replayed_is_tried_again(mirror: Client, principal: Principal, chat: ChatSession) -> None:
    answer(ask(principal, chat, "one"), "x" * 1_200_000)
    relay = deliver()
    for attempts in (1, 2):
        assert OutboxRow.objects.get(state=DEAD).attempts == attempts
        OutboxRow.objects.update(state=PENDING)
        deliver(relay)
    Message.objects.filter(seq=2).update(content="short")
    OutboxRow.objects.update(state=PENDING)
    deliver(relay)
    assert not OutboxRow.objects.exists()
    assert contents(mirror, chat) == ["one", "short"]


@pytest.mark.parametrize("prefix", ["tenants", "tenants/__acme__"])
def test_place_that_firestore_does_not_have_is_refused(
    mirror: Client, principal: Principal, chat: ChatSession, prefix: str
) -> None:
    deliver()
    Tenant.objects.update(firestore_prefix=prefix)
    talk(principal, chat, 1)
    delete_chat_sessions(chat_session_ids=[chat.id])
    save_personality(template=PromptTemplate(slug="fine", name="Fine"), draft=Draft("You are an AI."))
    deliver()
    assert rows(state=DEAD) == ["message.created", "reply.complete", "session.deleted"]
    assert document(mirror, "prompt_templates/fine") is not None


def test_personality_with_an_impossible_name_does_not_keep_back_others(mirror: Client, chat: ChatSession) -> None:
    seen: list[str] = []

    def look(client: Client, paths: list[str]) -> set[str]:
        list(client.get_all([client.document(path) for path in paths], retry=None, timeout=5))
        seen.extend(paths)
        return set()

    for slug in ("all", "fine"):
        save_personality(template=PromptTemplate(slug=slug, name="Name"), draft=Draft("You are an AI."))
    PromptTemplate.objects.filter(slug="all").update(slug="__all__")  # of a time when that could be saved
    deliver(Relay(look=look))
    assert "prompt_templates/fine" in seen
    assert document(mirror, "prompt_templates/fine") is not None
    assert rows() == ["template.changed"]


def test_event_of_a_tenant_that_is_gone_is_dropped(mirror: Client, chat: ChatSession) -> None:
    emit("session.started", tenant_id=chat.id, chat_session_id=chat.id)
    deliver()
    assert rows() == []


# Off ----------------------------------------------------------------------------------------------
def test_nothing_is_kept_for_a_mirror_that_is_off(principal: Principal, chat: ChatSession) -> None:
    talk(principal, chat, 1)
    end_chat_session(chat_session_id=chat.id, reason="bye")
    assert rows() == []


@pytest.mark.parametrize("is_on", [False, True])
def test_turn_costs_one_statement_more_at_most(
    settings: Any, principal: Principal, chat: ChatSession, is_on: bool
) -> None:
    settings.FIRESTORE_IS_ON = is_on
    talk(principal, chat, 1)  # what is compiled and cached the first time
    with CaptureQueriesContext(connection) as accepting:
        spec = ask(principal, chat, "hello")
    with CaptureQueriesContext(connection) as finishing:
        answer(spec)
    inserted = [query["sql"] for query in (*accepting, *finishing) if "events_outboxrow" in query["sql"]]
    assert len(inserted) == (2 if is_on else 0)


def test_tenants_do_not_share_documents(mirror: Client, principal: Principal, chat: ChatSession) -> None:
    tenant = ensure_tenant(slug="demo")
    own = PromptTemplate(tenant=tenant, slug="plain", name="Ours")
    save_personality(template=own, draft=Draft("You are ours, and an AI."))
    deliver()
    assert (document(mirror, "prompt_templates/plain") or {})["name"] == "Plain"
    assert (document(mirror, "prompt_templates/demo.plain") or {})["name"] == "Ours"


def test_personality_that_changes_its_tenant_leaves_its_old_place(mirror: Client, principal: Principal) -> None:
    template = PromptTemplate(slug="ina", name="Ina", description="Ina.")
    save_personality(template=template, draft=Draft("You are Ina, an AI."))
    deliver()
    assert document(mirror, "prompt_templates/ina") is not None
    template.tenant_id = principal.tenant_id
    save_personality(template=template, draft=Draft("You are Ina, an AI."))
    deliver()
    assert document(mirror, "prompt_templates/ina") is None
    assert document(mirror, "prompt_templates/demo.ina") is not None


def test_reply_that_is_being_written_is_not_counted(mirror: Client, principal: Principal, chat: ChatSession) -> None:
    ask(principal, chat, "hello")
    deliver()
    found = session_document(mirror, chat)
    assert found is not None
    assert (found["message_count"], contents(mirror, chat)) == (1, ["hello"])

"""A project that has the collections already: read once and for all, or as often as one likes."""

from __future__ import annotations

from datetime import timedelta
from time import monotonic
from typing import Any
from uuid import uuid4

import pytest
from google.api_core.exceptions import RetryError, ServiceUnavailable
from google.cloud.firestore import Client

from chatify.accounts.actions import ensure_tenant
from chatify.accounts.erasure import erase_end_user
from chatify.accounts.models import AuditEntry, EndUser, Tenant
from chatify.accounts.principal import Principal
from chatify.accounts.profile import UserInput
from chatify.events.models import OutboxRow
from chatify.mirror import client as connection_to_firestore
from chatify.mirror import importing
from chatify.mirror.foreign import derived_id
from chatify.mirror.models import MirrorCursor
from chatify.mirror.runs import unfinished_runs
from sessions.actions import delete_chat_sessions, purge_chat_sessions, start_chat_session
from sessions.models import ChatSession, Message, Summary
from templates_app.models import PromptTemplate
from tests.memory.talking import talk
from tests.mirror.edits import HUMAN, PROMPT, current, personality
from tests.mirror.imports import HELLO, NOON, chat_document, imported
from tests.mirror.relaying import deliver, document, transcript
from tests.mirror.syncing import run

pytestmark = pytest.mark.django_db


@pytest.fixture
def tenant(db: None) -> Tenant:
    personality("casual_chat", is_default=True)
    return ensure_tenant(slug="acme")


def said(chat: ChatSession) -> list[tuple[int, str, str]]:
    return list(chat.messages.order_by("seq").values_list("seq", "role", "content"))


def test_chat_session_comes_with_its_messages(mirror: Client, tenant: Tenant) -> None:
    path = chat_document(
        mirror, "abc", *HELLO, started=NOON, title="First", total_tokens_used=21, summary="Ann said hello."
    )
    assert imported()[0] == 0
    chat = ChatSession.objects.get()
    assert (chat.id, chat.tenant, chat.end_user.external_id) == (derived_id(path), tenant, "ann")
    assert (chat.status, chat.title, chat.total_tokens_used, chat.created_at) == ("active", "First", 21, NOON)
    assert (chat.last_seq, chat.last_activity) == (3, NOON + timedelta(minutes=2))
    assert said(chat) == [(1, "user", "Hello"), (2, "assistant", "Hi Ann!"), (3, "user", "And now?")]
    asked, answer, open_ = chat.messages.order_by("seq")
    assert (asked.answered_by, open_.answered_by, answer.completion_tokens) == (answer, None, 7)
    assert {one.sender.kind for one in (asked, answer) if one.sender} == {"end_user", "ai"}
    assert Summary.objects.get().text == "Ann said hello."


def test_imported_chat_session_goes_on(mirror: Client, tenant: Tenant) -> None:
    chat_document(mirror, "abc", *HELLO, summary="Ann said hello.")
    imported()
    chat = ChatSession.objects.get()
    talk(Principal(tenant.id), chat, 2)
    assert list(chat.messages.order_by("seq").values_list("seq", flat=True)) == list(range(1, 8))
    assert imported()[0] == 0
    assert chat.messages.count() == 7


def test_import_is_mirrored_under_our_ids(mirror: Client, tenant: Tenant) -> None:
    chat_document(mirror, "abc", *HELLO)
    imported()
    chat = ChatSession.objects.get()
    deliver()
    assert (document(mirror, f"chatbot_sessions/{chat.id}") or {})["message_count"] == 3
    assert [one["content"] for one in transcript(mirror, chat)] == ["Hello", "Hi Ann!", "And now?"]


def test_second_import_adds_only_what_is_new(mirror: Client, tenant: Tenant) -> None:
    chat_document(mirror, "abc", *HELLO)
    chat_document(mirror, str(uuid4()), ("user", "One"))
    imported()
    OutboxRow.objects.all().delete()
    assert "0 chat sessions, 0 messages" in imported()[1]
    assert not OutboxRow.objects.exists()
    chat_document(mirror, "abc", *HELLO, ("assistant", "Now we sail."))
    assert "0 chat sessions, 1 message" in imported()[1]
    assert said(ChatSession.objects.get(id=derived_id("chatbot_sessions/abc")))[-1] == (4, "assistant", "Now we sail.")
    assert (ChatSession.objects.count(), EndUser.objects.count(), Message.objects.count()) == (2, 1, 5)


def test_dry_run_says_the_same_and_writes_nothing(mirror: Client, tenant: Tenant) -> None:
    chat_document(mirror, "abc", *HELLO)
    mirror.document("prompt_templates/pirate").set({"name": "Jack", "system_prompt": PROMPT})
    OutboxRow.objects.all().delete()
    assert "1 personalities new or changed, 1 chat session, 3 messages" in imported("--dry-run")[1]
    for model in (ChatSession, Message, EndUser, OutboxRow, MirrorCursor):
        assert not model.objects.exists()
    assert not PromptTemplate.objects.filter(slug="pirate").exists()
    assert "1 personalities new or changed, 1 chat session, 3 messages" in imported()[1]


def test_personalities_pass_the_checks(mirror: Client, tenant: Tenant) -> None:
    mirror.document("prompt_templates/pirate").set({"name": "Jack", "system_prompt": PROMPT, "temperature": 1})
    mirror.document("prompt_templates/liar").set({"name": "Liar", "system_prompt": HUMAN})
    mirror.document("prompt_templates/casual_chat").set({"name": "Milo", "temperature": 0.3})
    status, told = imported()
    assert (status, "prompt_templates/liar: system_prompt: Line 1" in told) == (1, True)
    assert set(PromptTemplate.objects.values_list("slug", "name", "is_active")) == {
        ("casual_chat", "Milo", True), ("pirate", "Jack", True),
    }  # fmt: skip
    assert current(PromptTemplate.objects.get(slug="casual_chat")).temperature == 0.3


def test_own_personality_is_preferred_and_the_default_stands_in(mirror: Client, tenant: Tenant) -> None:
    own = personality("casual_chat", tenant=tenant, name="Own")
    chat_document(mirror, "a")
    chat_document(mirror, "b", template_type="nobody")
    imported()
    chats = {chat.id: chat.template for chat in ChatSession.objects.select_related("template")}
    assert chats[derived_id("chatbot_sessions/a")] == own
    assert chats[derived_id("chatbot_sessions/b")].slug == "casual_chat"


def test_what_makes_no_sense_is_left_out_and_told(mirror: Client, tenant: Tenant) -> None:
    chat_document(mirror, "abc", ("user", "Hello"), ("dog", "Woof"))
    chat_document(mirror, "nobody", user_id=None)
    status, told = imported()
    assert status == 1
    assert "chatbot_sessions/nobody: user_id: This is required." in told
    assert "conversation_history/abc/messages/m1: role: There is no role “dog”." in told
    assert "2 documents left out." in told
    assert Message.objects.count() == 1


def test_place_of_the_tenant_is_read_and_no_other(mirror: Client, tenant: Tenant) -> None:
    Tenant.objects.filter(id=tenant.id).update(firestore_prefix="tenants/acme")
    chat_document(mirror, "at-the-top", ("user", "Top"))
    chat_document(mirror, "own", ("user", "Own"), prefix="tenants/acme/")
    assert imported()[0] == 0
    assert list(Message.objects.values_list("content", flat=True)) == ["Own"]


def test_nothing_of_another_tenants_is_touched(mirror: Client, tenant: Tenant) -> None:
    other = Principal(ensure_tenant(slug="bolt").id)
    chat = start_chat_session(principal=other, template_slug=None, user=UserInput(external_id="bob"))
    chat_document(mirror, str(chat.id), ("user", "Hello"))
    chat_document(mirror, "theirs", ("user", "Hello"), tenant="bolt")
    status, told = imported()
    assert (status, "another tenant's" in told) == (1, True)
    assert not Message.objects.exists()
    assert ChatSession.objects.count() == 1


def test_own_mirror_is_nothing_new_and_what_is_gone_does_not_come_back(mirror: Client, tenant: Tenant) -> None:
    principal = Principal(tenant.id)
    kept, deleted, erased = (
        start_chat_session(principal=principal, template_slug=None, user=UserInput(external_id="ann")) for _ in "123"
    )
    for chat in (kept, deleted, erased):
        talk(principal, chat, 1)
    deliver()
    delete_chat_sessions(chat_session_ids=[deleted.id])
    purge_chat_sessions(chat_session_ids=[erased.id])
    status, told = imported()
    assert (status, "0 chat sessions, 0 messages" in told) == (1, True)
    assert "It was deleted here." in told
    assert "it was erased" in told
    assert Message.objects.filter(chat_session=kept).count() == 2
    assert not ChatSession.objects.filter(id=erased.id).exists()


def test_running_reply_is_left_alone(mirror: Client, tenant: Tenant) -> None:
    chat_document(mirror, "abc", *HELLO)
    imported()
    ChatSession.objects.update(running_reply_id=uuid4())
    chat_document(mirror, "abc", *HELLO, ("assistant", "Now we sail."))
    assert "A reply is being written" in imported()[1]
    assert Message.objects.count() == 3


def test_message_ids_that_two_chat_sessions_share_are_told_apart(mirror: Client, tenant: Tenant) -> None:
    shared = str(uuid4())
    for chat in ("a", "b"):
        chat_document(mirror, chat)
        message = {"role": "user", "content": f"Hello {chat}"}
        mirror.document(f"conversation_history/{chat}/messages/{shared}").set(message)
    imported()
    assert imported()[0] == 0
    assert set(Message.objects.values_list("content", flat=True)) == {"Hello a", "Hello b"}


# What is there now, and afterwards ---------------------------------------------------------------
def test_old_chat_session_without_times_has_those_of_its_messages(mirror: Client, tenant: Tenant) -> None:
    chat_document(mirror, "abc", *HELLO, last_activity="some day")
    assert imported()[0] == 0
    chat = ChatSession.objects.get()
    assert (chat.created_at, chat.last_activity) == (NOON, NOON + timedelta(minutes=2))


def test_unknown_personality_is_told(mirror: Client, tenant: Tenant) -> None:
    for id_ in ("a", "b"):
        chat_document(mirror, id_, template_type="pirate")
    chat_document(mirror, "c", template_type="")
    for arguments in (["--dry-run"], []):
        status, told = imported(*arguments)
        line = "template_type: “pirate” is no personality here; casual_chat answers in 2 chat sessions."
        assert (status, line in told, told.count("template_type")) == (0, True, 1)


def test_messages_without_a_chat_session_are_told_and_stay(mirror: Client, tenant: Tenant) -> None:
    orphan = "conversation_history/orphan/messages/x"
    mirror.document(orphan).set({"role": "user", "content": "Hello?"})
    chat_document(mirror, "abc", *HELLO)
    status, told = imported()
    assert (status, "1 chat session, 3 messages" in told) == (1, True)
    assert "conversation_history/orphan/messages: There is no chatbot_sessions/orphan." in told
    status, told = run("firestore_sync", "--rebuild", "--verify", wait=0)
    assert (status, told.count(f"{orphan}: not written by Chatify")) == (0, 2)
    assert "1 document that Chatify has neither written nor imported: a rebuild leaves them." in told
    assert document(mirror, orphan) is not None
    assert document(mirror, "chatbot_sessions/abc") is None


def test_chat_session_of_an_unknown_tenant_is_told_and_stays(mirror: Client, tenant: Tenant) -> None:
    ours = {"session_id": "x", "template_version": 1, "mode": "auto"}
    path = chat_document(mirror, str(uuid4()), ("user", "Hello"), tenant="ghost", **ours)
    status, told = imported()
    assert (status, f"{path}: tenant: There is no tenant “ghost” here." in told) == (1, True)
    status, told = run("firestore_sync", "--rebuild", wait=0)
    assert (status, f"{path}: not written by Chatify" in told, document(mirror, path) is not None) == (0, True, True)


def test_chat_sessions_of_another_tenant_are_counted(mirror: Client, tenant: Tenant) -> None:
    ensure_tenant(slug="bolt")
    chat_document(mirror, "theirs", tenant="bolt")
    status, told = imported()
    assert (status, "1 chat session there of the tenant bolt: not read." in told) == (0, True)


def test_what_was_not_read_survives_the_rebuild_and_what_was_goes(mirror: Client, tenant: Tenant) -> None:
    chat_document(mirror, "abc", *HELLO)
    path = chat_document(mirror, "nobody", user_id=None)
    imported()
    _, told = run("firestore_sync", "--rebuild", wait=0)
    assert f"{path}: not written by Chatify" in told
    left = [one.id for one in mirror.collection("chatbot_sessions").stream()]
    assert sorted(left) == sorted(["nobody", str(ChatSession.objects.get().id)])


def test_people_who_were_imported_and_erased_are_gone_after_the_rebuild(mirror: Client, tenant: Tenant) -> None:
    chat_document(mirror, "abc", *HELLO)
    chat_document(mirror, str(uuid4()), *HELLO)
    chat_document(mirror, "other", ("user", "I am Bob"), user_id="bob")
    imported()
    erase_end_user(end_user_id=EndUser.objects.get(external_id="ann").id, who=None)
    status, told = imported()
    assert (status, "chatbot_sessions/abc: It was imported before, and erased here." in told) == (1, True)
    assert run("firestore_sync", "--rebuild", "--verify", wait=0)[0] == 0
    bob = str(ChatSession.objects.get().id)
    assert [one.id for one in mirror.collection("chatbot_sessions").stream()] == [bob]
    assert [one.id for one in mirror.collection("conversation_history").list_documents()] == [bob]
    assert not MirrorCursor.objects.exists()


def test_notes_of_imports_are_no_unfinished_runs(mirror: Client, tenant: Tenant) -> None:
    chat_document(mirror, "abc", *HELLO)
    imported()
    assert (MirrorCursor.objects.count(), unfinished_runs()) == (1, [])


def test_firestore_that_is_away_is_told_at_once(mirror: Client, tenant: Tenant, settings: Any) -> None:
    connection_to_firestore.close()
    settings.FIRESTORE_EMULATOR_HOST = "127.0.0.1:9"
    started = monotonic()
    status, told = imported()
    assert (status, told.startswith("Firestore does not answer. ServiceUnavailable")) == (1, True)
    assert monotonic() - started < 10


def test_firestore_that_goes_away_meanwhile_is_not_waited_for(mirror: Client, tenant: Tenant) -> None:
    tries: list[float] = []

    class Away:
        def stream(self, *, retry: Any, timeout: float) -> Any:
            def fail() -> None:
                tries.append(monotonic())
                raise ServiceUnavailable("away")

            return retry(fail)()

    with pytest.raises(RetryError):
        next(importing._stream(Away()))
    assert tries[-1] - tries[0] < 15


def test_import_is_in_the_audit_log(mirror: Client, tenant: Tenant) -> None:
    chat_document(mirror, "abc", *HELLO)
    imported()
    entry = AuditEntry.objects.get(action="firestore.imported")
    assert (entry.tenant_id, entry.details) == (tenant.id, {"chat_sessions": 1, "messages": 3})


def test_command_says_what_it_lacks(db: None, settings: Any) -> None:
    settings.FIRESTORE_IS_ON = False
    assert imported() == (1, "The mirror is off. Set FIREBASE_PROJECT_ID, and GOOGLE_APPLICATION_CREDENTIALS or "
        "FIRESTORE_EMULATOR_HOST.")  # fmt: skip


def test_command_needs_a_tenant_that_is_there(mirror: Client, db: None) -> None:
    assert imported() == (1, "There is no tenant acme.")

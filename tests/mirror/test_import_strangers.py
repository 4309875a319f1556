"""Importing from a project in which others have written what they like."""

from __future__ import annotations

from typing import Any

import pytest
from google.cloud.firestore import Client, GeoPoint

from chatify.accounts.actions import ensure_tenant
from chatify.accounts.models import Tenant
from chatify.mirror.models import InboundReport
from sessions.models import ChatSession, Message
from templates_app.models import PromptTemplate
from tests.mirror.edits import PROMPT, personality, report
from tests.mirror.imports import HELLO, NOON, chat_document, imported
from tests.mirror.relaying import deliver
from tests.mirror.syncing import sync

ID = "abcdef00-e29b-41d4-a716-446655440000"
ODD = pytest.mark.parametrize("named", [["bolt"], {"slug": "bolt"}, GeoPoint(1, 2), b"bolt", 7, True, "bo\0lt"])
pytestmark = pytest.mark.django_db


@pytest.fixture
def tenant(db: None) -> Tenant:
    personality("casual_chat", is_default=True)
    return ensure_tenant(slug="acme")


# What names no tenant -----------------------------------------------------------------------------


@ODD
def test_messages_that_name_anything_as_their_tenant_are_told_and_stop_nothing(
    mirror: Client, tenant: Tenant, named: Any
) -> None:
    message = {"role": "user", "content": "Hi", "tenant": named, "session_id": "x", "seq": 1, "sender": "user"}
    mirror.document("conversation_history/orphan/messages/x").set(message)
    chat_document(mirror, "abc", *HELLO)
    status, told = imported()
    assert (status, "There is no chatbot_sessions/orphan." in told, "1 document left out." in told) == (1, True, True)
    for what in ("--rebuild", "--verify"):
        status, told = sync(what)
        assert (status, "orphan/messages/x: not written by Chatify" in told) == (0, True)


@ODD
def test_chat_session_that_names_anything_as_its_tenant_is_told_and_stops_nothing(
    mirror: Client, tenant: Tenant, named: Any
) -> None:
    path = chat_document(mirror, "odd", tenant=named, session_id="x", template_version=1, mode="auto")
    chat_document(mirror, "other", *HELLO)
    status, told = imported()
    assert (status, f"{path}: tenant: There is no tenant “" in told, " object at 0x" in told) == (1, True, False)
    assert ChatSession.objects.count() == 1
    for what in ("--rebuild", "--verify"):
        status, told = sync(what)
        assert (status, f"{path}: not written by Chatify" in told) == (0, True)


# Personalities of others --------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [[], ["--dry-run"]])
def test_personality_that_names_another_tenant_is_left_out(
    mirror: Client, tenant: Tenant, arguments: list[str]
) -> None:
    ensure_tenant(slug="bolt")
    mirror.document("prompt_templates/secret").set({"name": "Secret", "system_prompt": PROMPT, "tenant": "bolt"})
    mirror.document("prompt_templates/acme.own").set({"name": "Own", "system_prompt": PROMPT, "tenant": "acme"})
    chat_document(mirror, "theirs", tenant="bolt")
    for _ in range(2):
        status, told = imported(*arguments)
        assert (status, "1 document left out." in told) == (1, True)
        problem = "tenant: It says “bolt”, but in this place it would belong to everybody."
        assert f"prompt_templates/secret: {problem}" in told
    assert not PromptTemplate.objects.filter(slug="secret").exists()
    assert PromptTemplate.objects.filter(slug="own", tenant=tenant).exists() is not bool(arguments)
    if arguments:
        assert not InboundReport.objects.exists()
    else:
        assert (report("refused").detail, report().path) == (problem, "prompt_templates/secret")


# One id for two documents -------------------------------------------------------------------------


def message_document(mirror: Client, id_: str, content: str, chat: str = "abc") -> str:
    path = f"conversation_history/{chat}/messages/{id_}"
    mirror.document(path).set({"role": "user", "content": content, "created_at": NOON})
    return path


def contents() -> list[str]:
    return list(Message.objects.order_by("content").values_list("content", flat=True))


@pytest.mark.parametrize("second", ["Two", "One"])
def test_messages_whose_ids_differ_in_capitals_only_are_one_and_the_other_is_told(
    mirror: Client, tenant: Tenant, second: str
) -> None:
    chat_document(mirror, "abc")
    message_document(mirror, ID, "One")
    left_out = message_document(mirror, ID.upper(), second)
    for arguments in (["--dry-run"], [], []):
        status, told = imported(*arguments)
        assert (status, "1 document left out." in told) == (1, True)
        assert f"{left_out}: Another document has this id, in other capitals." in told
    assert contents() == ["One"]


def test_messages_with_one_id_in_two_chat_sessions_are_told_apart_whatever_their_capitals(
    mirror: Client, tenant: Tenant
) -> None:
    for chat in ("abc", "bcd"):
        chat_document(mirror, chat)
    message_document(mirror, ID, "One")
    left_out = message_document(mirror, ID.upper(), "Two", "bcd")
    message_document(mirror, ID.title(), "Three", "bcd")
    for _ in range(2):
        status, told = imported()
        assert (status, f"{left_out}: Another document" in told, "1 document left out." in told) == (1, True, True)
        assert contents() == ["One", "Three"]


def test_chat_sessions_whose_ids_differ_in_capitals_only_do_not_mix_two_people(mirror: Client, tenant: Tenant) -> None:
    chat_document(mirror, ID.upper(), ("user", "I am Ann."), user_id="ann")
    path = chat_document(mirror, ID, ("user", "I am Bob."), user_id="bob")
    for _ in range(2):
        status, told = imported()
        assert (status, f"{path}: user_id: There is a chat session of this id" in told) == (1, True)
    assert ChatSession.objects.get().end_user.external_id == "ann"
    assert contents() == ["I am Ann."]


def test_our_copy_of_an_imported_message_is_not_left_out(mirror: Client, tenant: Tenant) -> None:
    chat = "11111111-e29b-41d4-a716-446655440000"
    chat_document(mirror, chat)
    message_document(mirror, ID.upper(), "One", chat)
    assert imported()[0] == 0
    deliver()
    assert mirror.document(f"conversation_history/{chat}/messages/{ID}").get().exists
    status, told = imported()
    assert (status, "0 chat sessions, 0 messages" in told) == (0, True)
    message_document(mirror, ID.upper(), "Written since", chat)
    assert imported()[0] == 1
    assert contents() == ["One"]

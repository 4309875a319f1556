"""Staff read rooms of two people beside conversations with personalities."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import pytest
from django.test import Client
from django.utils import timezone

from sessions.models import ChatSession, Message
from tests.rooms.populate import make_room

LIST = "/admin/chat_sessions/chatsession/"
Start = Callable[..., ChatSession]


@pytest.fixture
def room(seeded: None) -> ChatSession:
    """A room in which both have said something."""
    room = make_room()
    for seq, (role, text) in enumerate([("user", "Ahoy from the first"), ("human", "Hello from the second")], 1):
        Message.objects.create(
            tenant_id=room.tenant_id, chat_session=room, seq=seq, role=role, content=text, created_at=timezone.now()
        )
    ChatSession.objects.filter(id=room.id).update(last_seq=2)
    return ChatSession.objects.get(id=room.id)


def read(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200, address
    return answer.content.decode()


def found(client: Client, query: str) -> set[UUID]:
    return {row.id for row in client.get(f"{LIST}?{query}").context["cl"].result_list}


def test_list_names_both(staff: Client, room: ChatSession) -> None:
    text = read(staff, LIST)
    for told in ("Room of two people", "two people", "Ada", "Ben"):
        assert told in text
    assert "None" not in text


def test_list_is_filtered_by_mode_and_by_person(staff: Client, room: ChatSession, start: Start) -> None:
    chat = start(external_id="mia")
    assert found(staff, "mode__exact=human") == {room.id}
    assert found(staff, "mode__exact=ai") == {chat.id}
    assert found(staff, f"person={room.end_user_id}") == found(staff, f"person={room.partner_id}") == {room.id}
    assert found(staff, f"person={chat.end_user_id}") == {chat.id}
    assert found(staff, "person=nobody") == set()


def test_search_finds_a_room_by_either(staff: Client, room: ChatSession, start: Start) -> None:
    start(external_id="mia")
    assert room.partner is not None
    for text in (room.end_user.external_id, room.partner.external_id, str(room.id)):
        assert found(staff, f"q={text}") == {room.id}


def test_transcript_tells_who_of_the_two_said_what(staff: Client, room: ChatSession) -> None:
    rows = staff.get(f"{LIST}{room.id}/change/").context["transcript"].rows
    assert [(row.who, row.message.content) for row in rows] == [
        ("Ada", "Ahoy from the first"), ("Ben", "Hello from the second"),
    ]  # fmt: skip


def test_page_of_a_room_leads_to_both_people_and_to_no_personality(staff: Client, room: ChatSession) -> None:
    text = read(staff, f"{LIST}{room.id}/change/")
    for person in (room.end_user_id, room.partner_id):
        assert f"/admin/accounts/enduser/{person}/change/" in text
    for unwanted in ('href=""', "None", "/None/", "Chosen by", "What is remembered", "rebuild_memories_this"):
        assert unwanted not in text
    assert "two people talk to each other" in text


def test_page_of_an_ended_room_offers_no_memories(staff: Client, room: ChatSession) -> None:
    ChatSession.objects.filter(id=room.id).update(status="ended")
    text = read(staff, f"{LIST}{room.id}/change/")
    assert ("rebuild_memories_this" in text, "retry_memory_this" in text) == (False, False)


def test_page_of_a_conversation_tells_who_answers(staff: Client, start: Start) -> None:
    chat = start()
    ChatSession.objects.filter(id=chat.id).update(speaker="nobody")
    text = read(staff, f"{LIST}{chat.id}/change/")
    assert ("Who answers" in text, "Nobody" in text) == (True, True)


def test_staff_end_delete_and_restore_rooms(staff: Client, room: ChatSession) -> None:
    for action in ("end", "delete"):
        staff.post(LIST, {"action": action, "_selected_action": [str(room.id)]})
    room.refresh_from_db()
    assert (room.status, room.end_reason, room.deleted_at is not None) == ("ended", "ended_by_staff", True)
    staff.post(f"{LIST}?deleted=only", {"action": "restore", "_selected_action": [str(room.id)]})
    room.refresh_from_db()
    assert room.deleted_at is None


def test_first_page_names_both(staff: Client, room: ChatSession) -> None:
    text = read(staff, "/admin/")
    assert ("Ada and Ben" in text, "with None" in text) == (True, False)


def test_page_of_either_person_leads_to_their_rooms(staff: Client, room: ChatSession) -> None:
    assert f"?person={room.partner_id}" in read(staff, f"/admin/accounts/enduser/{room.partner_id}/change/")

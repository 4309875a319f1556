"""What two people say to each other is remembered by nobody; nor is what one says about somebody else."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from chatify.common.errors import Conflict
from chatify.memory.claims import claim_due
from chatify.memory.digest import digester
from chatify.memory.facts import read_for_facts
from chatify.memory.models import Memory
from chatify.memory.summaries import rebuild_memories, retry_memory
from sessions.actions import end_chat_session
from sessions.models import ChatSession, Message, Summary
from tests.memory.digesting import change, fresh, numbered
from tests.memory.remembering import read, say
from tests.rooms.populate import make_room

pytestmark = pytest.mark.django_db


@pytest.fixture
def room() -> ChatSession:
    """A room in which much was said, all of it worth remembering."""
    room = make_room()
    texts = numbered(40, "My name is Ada. I love hiking. I live in Lisbon.")
    rows = [
        Message(tenant_id=room.tenant_id, chat_session=room, seq=seq, role="user" if seq % 2 else "human",
                content=text, created_at=timezone.now())
        for seq, text in enumerate(texts, 1)
    ]  # fmt: skip
    Message.objects.bulk_create(rows)
    change(room, last_seq=40)
    return fresh(room)


def check_nothing_is_kept() -> None:
    assert not Summary.objects.exists()
    assert not Memory.objects.exists()


def test_ended_room_is_not_due(room: ChatSession) -> None:
    end_chat_session(chat_session_id=room.id, reason="participant_left")
    assert fresh(room).memory_due_at is None
    assert claim_due(8) == []


def test_room_that_is_due_all_the_same_is_let_go_of(room: ChatSession) -> None:
    for status in ("active", "ended"):
        change(room, status=status, memory_due_at=timezone.now() - timedelta(seconds=1))
        digester.run()
        assert (fresh(room).memory_due_at, fresh(room).memory_claim) == (None, None)
    check_nothing_is_kept()


def test_no_facts_are_read_of_a_room(room: ChatSession) -> None:
    change(room, status="ended")
    assert read_for_facts(room.id) is None


def test_staff_have_nothing_of_a_room_remembered(room: ChatSession) -> None:
    change(room, status="ended")
    with pytest.raises(Conflict) as caught:
        rebuild_memories(chat_session_id=room.id, who=None)
    assert caught.value.code == "human_room"
    assert retry_memory(chat_session_ids=[room.id], who=None) == 0
    assert fresh(room).memory_due_at is None


def test_other_people_in_a_chat_session_tell_nothing_of_the_user(chat: ChatSession) -> None:
    say(chat, "I'm Ada")
    say(chat, "My name is Ben, and I love sailing.", role="human")
    assert [one.text for one in read(chat).spoken] == ["I'm Ada"]

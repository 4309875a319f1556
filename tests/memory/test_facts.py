"""Facts in the database: what is read for them, and how what was found is remembered."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.utils import timezone

from chatify.accounts.erasure import erase_end_user
from chatify.accounts.models import EndUser
from chatify.events.bus import Event, listen
from chatify.memory import facts
from chatify.memory.facts import read_for_facts, write_facts
from chatify.memory.finding import Found, find_by_rules
from chatify.memory.models import Memory
from chatify.memory.recalling import MAX_MEMORIES
from sessions.actions import delete_chat_sessions, purge_chat_sessions
from sessions.models import ChatSession
from tests.memory.remembering import another_chat, claim, learn, memories, read, remember, say


def facts_seq(chat: ChatSession) -> int:
    return ChatSession.objects.get(id=chat.id).facts_seq


# Reading ------------------------------------------------------------------------------------------
def test_what_was_said_is_read(chat: ChatSession) -> None:
    said = say(chat, "I'm Ada")
    say(chat, "x" * 5000, role="assistant")
    say(chat, "half", role="assistant", status="failed")
    say(chat, "Nora answers from now on.", role="notice")
    found = read(chat)
    assert [(one.seq, one.is_user, len(one.text)) for one in found.spoken] == [(1, True, 7), (2, False, 600)]
    assert (found.spoken[0].message_id, found.spoken[0].at) == (said.id, said.created_at)
    assert (found.chat_session_id, found.end_user_id, found.to_seq) == (chat.id, chat.end_user_id, 4)


def test_nothing_is_read_twice(chat: ChatSession) -> None:
    assert read_for_facts(chat.id) is None
    learn(chat)
    assert read_for_facts(chat.id) is None
    say(chat, "and more")
    assert [one.text for one in read(chat).spoken] == ["and more"]


def test_nothing_is_read_of_what_is_gone(chat: ChatSession) -> None:
    say(chat, "I'm Ada")
    delete_chat_sessions(chat_session_ids=[chat.id])
    assert read_for_facts(chat.id) is None
    assert read_for_facts(uuid4()) is None


def test_long_conversations_are_read_piece_by_piece(chat: ChatSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts, "MOST_MESSAGES", 2)
    monkeypatch.setattr(facts, "MOST_CHARACTERS", 100)
    for text in ("a" * 300, "b" * 60, "c" * 60, "d", "e", "f"):
        say(chat, text)
    pieces = []
    while (found := read_for_facts(chat.id)) is not None:
        pieces.append("".join(one.text[0] for one in found.spoken))
        assert write_facts(input=found, found=[], model="", prompt_version=0, claim=claim(chat))
    assert pieces == ["a", "b", "cd", "ef"]


def test_many_messages_of_others_end_a_piece_too(chat: ChatSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts, "MOST_MESSAGES", 2)
    for number in range(6):
        say(chat, f"answer {number}", role="assistant")
    assert read(chat).to_seq == 4
    ChatSession.objects.filter(id=chat.id).update(facts_seq=4)
    assert (read(chat).to_seq, len(read(chat).spoken)) == (6, 2)


def test_conversation_without_the_user_counts_as_read(chat: ChatSession) -> None:
    say(chat, "Nora answers from now on.", role="notice")
    found = read(chat)
    assert (found.spoken, find_by_rules(found)) == ((), [])
    assert write_facts(input=found, found=[], model="", prompt_version=0, claim=claim(chat))
    assert facts_seq(chat) == 1


# Writing ------------------------------------------------------------------------------------------
def test_what_is_found_is_remembered_with_its_source(chat: ChatSession) -> None:
    said = say(chat, "I love tea")
    input = read(chat)
    assert write_facts(input=input, found=[Found("like", "tea", 1)], model="gpt", prompt_version=3, claim=claim(chat))
    row = Memory.objects.get()
    assert (row.kind, row.text, row.said_at, row.source_id) == ("like", "tea", said.created_at, said.id)
    assert (row.chat_session_id, row.end_user_id, row.tenant_id) == (chat.id, chat.end_user_id, chat.tenant_id)
    assert (row.model, row.prompt_version, row.corrected_at) == ("gpt", 3, None)
    assert facts_seq(chat) == 1


def test_change_is_told_and_counted(chat: ChatSession, django_capture_on_commit_callbacks) -> None:  # type: ignore[no-untyped-def]
    heard: list[Event] = []
    stop = listen(heard.append)
    with django_capture_on_commit_callbacks(execute=True):
        learn(chat, ("name", "Ada"))
        learn(chat)
    stop()
    end_user = EndUser.objects.get()
    changes = [event for event in heard if event.name == "memory.changed"]
    assert changes == [Event("memory.changed", chat.tenant_id, None, end_user.id)]
    assert end_user.memory_version == 1, "nothing found is no change"


@pytest.mark.parametrize("loss", ["taken", "deleted", "done"])
def test_whoever_lost_the_claim_writes_nothing(chat: ChatSession, loss: str) -> None:
    say(chat, "I love tea")
    input, mine = read(chat), claim(chat)
    if loss == "taken":
        claim(chat)
    elif loss == "deleted":
        delete_chat_sessions(chat_session_ids=[chat.id])
    else:
        ChatSession.objects.filter(id=chat.id).update(facts_seq=1)
    assert not write_facts(input=input, found=[Found("like", "tea", 1)], model="", prompt_version=0, claim=mine)
    assert memories(chat) == []
    assert facts_seq(chat) == (1 if loss == "done" else 0)


def test_erasure_in_the_middle_leaves_nothing(chat: ChatSession) -> None:
    learn(chat, ("like", "cake"))
    seq = say(chat, "I love tea").seq
    input, mine = read(chat), claim(chat)
    erase_end_user(end_user_id=chat.end_user_id, who=None)
    assert not write_facts(input=input, found=[Found("like", "tea", seq)], model="", prompt_version=0, claim=mine)
    assert not Memory.objects.exists()
    assert not EndUser.objects.exists()


def test_same_thing_said_again_moves_forward(chat: ChatSession) -> None:
    learn(chat, ("like", "hiking"))
    first = Memory.objects.get()
    later = another_chat(chat)
    learn(later, ("like", "to hike"))
    again = Memory.objects.get()
    assert (again.id, again.text, again.chat_session_id) == (first.id, "to hike", later.id)
    assert again.said_at > first.said_at
    assert again.source_id != first.source_id
    assert again.created_at == first.created_at


def test_what_was_said_earlier_changes_nothing(chat: ChatSession) -> None:
    learn(chat, ("fact", "lives in Bonn"))
    learn(another_chat(chat), ("fact", "lives in Rome"), at=timezone.now() - timedelta(days=1))
    assert memories(chat) == ["fact lives in Bonn"]


def test_name_mood_and_home_are_only_one_each(chat: ChatSession) -> None:
    learn(chat, ("name", "Ad"), ("mood", "sad"), ("fact", "lives in Bonn"), ("fact", "has a dog"))
    learn(chat, ("name", "Ada"), ("mood", "happy"), ("fact", "lives in Ulm"))
    assert memories(chat) == ["fact has a dog", "fact lives in Ulm", "mood happy", "name Ada"]


def test_changed_mind_is_remembered(chat: ChatSession) -> None:
    learn(chat, ("dislike", "olives"))
    learn(chat, ("like", "olives"))
    assert memories(chat) == ["like olives"]
    learn(another_chat(chat), ("dislike", "olives"), at=timezone.now() - timedelta(days=1))
    assert memories(chat) == ["like olives"], "that was said before"


def test_what_a_person_corrected_stays(chat: ChatSession) -> None:
    now = timezone.now()
    remember(chat.end_user, "fact", "lives in Bonn", corrected_at=now, said_at=now)
    remember(chat.end_user, "dislike", "olives", corrected_at=now, said_at=now)
    learn(chat, ("fact", "lives in Rome"), ("like", "olives"))
    assert memories(chat) == ["dislike olives", "fact lives in Bonn"]


def test_deleted_memory_does_not_come_back(chat: ChatSession) -> None:
    learn(chat, ("like", "tea"))
    Memory.objects.all().delete()
    assert read_for_facts(chat.id) is None


def test_there_is_room_for_so_many(chat: ChatSession) -> None:
    start = timezone.now() - timedelta(days=10)
    for number in range(MAX_MEMORIES):
        corrected_at = start if number == 0 else None
        at = start + timedelta(minutes=number)
        remember(chat.end_user, "like", f"thing{number}word", said_at=at, corrected_at=corrected_at)
    learn(chat, ("like", "tea"), ("like", "cake"))
    kept = memories(chat)
    assert len(kept) == MAX_MEMORIES
    assert {"like tea", "like cake", "like thing0word"} < set(kept), "the new ones, and what somebody corrected"
    assert not {"like thing1word", "like thing2word"} & set(kept), "the oldest went"


# What prompts use ---------------------------------------------------------------------------------
def test_digest_for_prompts(chat: ChatSession) -> None:
    learn(chat, ("style", "keep it short"), ("topic", "music"))
    learn(chat, ("name", "Ada"), ("style", "talk like a pirate"), ("topic", "films"), ("mood", "sad"), ("like", "tea"))
    remembered = EndUser.objects.get().remembered
    assert remembered.pop("mood_at") == Memory.objects.get(kind="mood").said_at.isoformat()
    assert remembered == {
        "name": "Ada",
        "style": "talk like a pirate; keep it short",
        "mood": "sad",
        "topics": ["films", "music"],
    }


def test_styles_are_not_cut_in_the_middle(chat: ChatSession) -> None:
    learn(chat, ("style", "a" * 70), ("style", "b" * 70))
    assert EndUser.objects.get().remembered["style"] in ("a" * 70, "b" * 70)


# Erasing ------------------------------------------------------------------------------------------
def test_memory_outlives_its_chat_session(chat: ChatSession) -> None:
    learn(chat, ("like", "tea"))
    learn(another_chat(chat), ("like", "cake"))
    purge_chat_sessions(chat_session_ids=[chat.id])
    rows = {row.text: row for row in Memory.objects.all()}
    assert (rows["tea"].chat_session_id, rows["tea"].source_id) == (None, None)
    assert rows["cake"].source_id is not None


def test_which_database_this_ran_on(db: None) -> None:
    print(f"facts on {connection.vendor}")

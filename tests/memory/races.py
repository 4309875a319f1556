"""Several that write one person's memories at once. Only on PostgreSQL (test_facts_on_postgres.py runs this file)."""

from __future__ import annotations

from chatify.accounts.erasure import erase_end_user
from chatify.accounts.models import EndUser
from chatify.accounts.principal import Principal
from chatify.common.errors import NotFound
from chatify.memory.actions import correct_memory, forget_everything, forget_memories
from chatify.memory.models import Memory
from sessions.actions import purge_chat_sessions
from sessions.models import ChatSession
from tests.memory.remembering import another_chat, digest, learn, memories, remember
from tests.memory.talking import answer, ask
from tests.racing import RACES, at_once

THREADS = 6
ROUNDS = 5
WORDS = [("like", f"thing{number}word") for number in range(12)]
pytestmark = RACES


def version(chat: ChatSession) -> int:
    return EndUser.objects.get(id=chat.end_user_id).memory_version


def test_digests_of_one_person_at_once_remember_each_thing_once(chat: ChatSession) -> None:
    chats = [chat, *(another_chat(chat) for _ in range(THREADS - 1))]
    for _ in range(ROUNDS):
        jobs = [digest(one, WORDS if place % 2 else WORDS[::-1]) for place, one in enumerate(chats)]
        assert all(at_once(*jobs))
    assert memories(chat) == sorted(f"{kind} {text}" for kind, text in WORDS)
    assert set(ChatSession.objects.values_list("facts_seq", flat=True)) == {ROUNDS}


def test_worker_that_is_late_writes_nothing(chat: ChatSession) -> None:
    job = digest(chat, WORDS)
    assert sorted(at_once(*[job] * THREADS)) == [False] * (THREADS - 1) + [True]
    assert version(chat) == 1


def test_corrections_during_a_digest_stay(chat: ChatSession) -> None:
    for number in range(ROUNDS):
        memory = remember(chat.end_user, "fact", f"studies thing{number}word")
        correct = lambda memory=memory: correct_memory(memory=memory, text=f"{memory.text} in Bonn", who=None)  # noqa: E731
        at_once(correct, digest(chat, [("fact", memory.text), *WORDS]))
        memory.refresh_from_db()
        assert memory.text.endswith("in Bonn")


def test_forgetting_during_corrections(chat: ChatSession) -> None:
    def correct(memory: Memory) -> bool:
        try:
            return bool(correct_memory(memory=memory, text="something else", who=None))
        except NotFound:
            return False

    learn(chat, *WORDS)
    rows = list(Memory.objects.all())
    forget = lambda: forget_memories(memories=rows, who=None)  # noqa: E731
    done = at_once(*[lambda row=row: correct(row) for row in rows[:THREADS]], forget, forget)
    assert set(done[:THREADS]) <= {True, False}
    # What became one with another is gone as well.
    assert Memory.objects.count() == 0


def test_nothing_comes_back_that_was_forgotten_during_digests(chat: ChatSession) -> None:
    chats = [chat, *(another_chat(chat) for _ in range(THREADS - 1))]
    for _ in range(ROUNDS):
        jobs = [digest(one, WORDS) for one in chats]
        at_once(*jobs, lambda: forget_everything(end_user_id=chat.end_user_id, who=None))
        assert memories(chat) == []


def test_none_comes_back_that_was_deleted_during_digests(chat: ChatSession) -> None:
    learn(chat, *WORDS)
    chats = [chat, *(another_chat(chat) for _ in range(THREADS - 1))]
    rows = list(Memory.objects.all())
    jobs = [digest(one, WORDS) for one in chats]
    at_once(*jobs, *[lambda row=row: forget_memories(memories=[row], who=None) for row in rows[:THREADS]])
    assert memories(chat) == sorted(f"{row.kind} {row.text}" for row in rows[THREADS:])


def test_erasure_during_digests_leaves_nothing(chat: ChatSession) -> None:
    chats = [chat, *(another_chat(chat) for _ in range(THREADS - 1))]
    for one in chats:
        learn(one, *WORDS)
    jobs = [digest(one, WORDS) for one in chats]
    at_once(*jobs, lambda: erase_end_user(end_user_id=chat.end_user_id, who=None))
    assert not EndUser.objects.exists()
    assert not Memory.objects.exists()


def test_erasing_chat_sessions_during_digests(chat: ChatSession) -> None:
    last = another_chat(chat)
    for _ in range(ROUNDS):
        gone = another_chat(chat)
        learn(gone, *WORDS)
        at_once(digest(last, WORDS[::-1]), lambda gone=gone: purge_chat_sessions(chat_session_ids=[gone.id]))
    assert len(memories(chat)) == len(WORDS)
    assert set(Memory.objects.values_list("chat_session_id", flat=True)) == {last.id}


def test_conversation_goes_on_during_a_digest(chat: ChatSession, principal: Principal) -> None:
    def turn() -> bool:
        answer(ask(principal, chat, "hello"))
        return True

    for number in range(ROUNDS):
        seq = ChatSession.objects.get(id=chat.id).last_seq
        job = digest(chat, [("like", f"other{number}word")])
        assert at_once(job, turn) == [True, True]
        assert ChatSession.objects.get(id=chat.id).last_seq == seq + 3
    assert len(memories(chat)) == ROUNDS

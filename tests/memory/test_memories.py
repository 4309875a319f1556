"""Memories that people correct and delete, and their traces."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.utils import timezone

from chatify.accounts.actions import upsert_end_user
from chatify.accounts.models import AuditEntry, EndUser, User
from chatify.accounts.principal import Principal
from chatify.common.errors import InvalidInput, NotFound
from chatify.memory.actions import correct_memory, forget_everything, forget_memories
from chatify.memory.forgotten import MAX_REFUSED, is_forgotten, refused
from chatify.memory.models import Memory
from sessions.models import ChatSession
from tests.memory.remembering import another_chat, digest, learn, memories, read, remember, say


@pytest.fixture
def staff(db: None) -> User:
    return User.objects.create_user("staff@example.org", is_staff=True)


def audited() -> list[tuple[str, str]]:
    rows = AuditEntry.objects.filter(action__startswith="memory.").order_by("id")
    return [(row.action, str(row.subject_id)) for row in rows]


def note_in_admin(memory: Memory, staff: User) -> None:
    """Django's admin calls it by its text."""
    content_type = ContentType.objects.get_for_model(Memory)
    LogEntry.objects.create(
        user=staff, content_type=content_type, object_id=str(memory.pk), object_repr=str(memory), action_flag=CHANGE
    )


# Correcting ---------------------------------------------------------------------------------------
def test_corrected_text_stays(chat: ChatSession, staff: User) -> None:
    memory = remember(chat.end_user, "fact", "lives in Bonn")
    corrected = correct_memory(memory=memory, text=" lives in\u202e Köln ", who=staff)
    assert (corrected.text, corrected.corrected_by_id) == ("lives in Köln", staff.id)
    learn(chat, ("fact", "lives in Rome"))
    assert memories(chat) == ["fact lives in Köln"]
    assert EndUser.objects.get().memory_version == 1


def test_prompts_use_the_corrected_name(chat: ChatSession) -> None:
    learn(chat, ("name", "Adda"))
    correct_memory(memory=Memory.objects.get(), text="Ada", who=None)
    assert EndUser.objects.get().remembered == {"name": "Ada"}


def test_correction_that_says_the_same_as_another_makes_one_of_them(chat: ChatSession) -> None:
    wrong = remember(chat.end_user, "person", "sister Ana", said_at=timezone.now() - timedelta(days=1))
    right = remember(chat.end_user, "person", "sister Anna")
    other = remember(chat.end_user, "like", "sister Anna")
    merged = correct_memory(memory=wrong, text="Sister Anna", who=None)
    assert (merged.id, merged.said_at) == (wrong.id, right.said_at)
    assert memories(chat) == ["like sister Anna", "person Sister Anna"]
    assert Memory.objects.filter(id=other.id).exists(), "of another kind"


def test_same_text_again_counts_as_corrected(chat: ChatSession) -> None:
    memory = remember(chat.end_user, "fact", "lives in Bonn")
    assert correct_memory(memory=memory, text="lives in Bonn", who=None).corrected_at is not None


@pytest.mark.parametrize("text", ["", "  ", "\u202e", "\u27e6memory\u27e7"])
def test_memory_has_some_words(chat: ChatSession, text: str) -> None:
    memory = remember(chat.end_user, "fact", "lives in Bonn")
    with pytest.raises(InvalidInput) as error:
        correct_memory(memory=memory, text=text, who=None)
    assert error.value.code == "blank"
    assert memories(chat) == ["fact lives in Bonn"]


def test_memory_that_is_gone_cannot_be_corrected(chat: ChatSession) -> None:
    memory = remember(chat.end_user, "fact", "lives in Bonn")
    forget_memories(memories=[memory], who=None)
    with pytest.raises(NotFound):
        correct_memory(memory=memory, text="lives in Ulm", who=None)
    assert memories(chat) == []


# Forgetting ---------------------------------------------------------------------------------------
def test_forgotten_is_gone_from_prompts_too(chat: ChatSession) -> None:
    learn(chat, ("name", "Ada"), ("like", "tea"))
    assert forget_memories(memories=Memory.objects.all(), who=None) == 2
    end_user = EndUser.objects.get()
    assert (memories(chat), end_user.remembered, end_user.memory_version) == ([], {}, 2)


def test_forgetting_twice_changes_nothing(chat: ChatSession) -> None:
    memory = remember(chat.end_user, "like", "tea")
    assert [forget_memories(memories=[memory], who=None) for _ in range(2)] == [1, 0]
    assert EndUser.objects.get().memory_version == 1


def test_memories_of_several_people_are_forgotten_at_once(chat: ChatSession) -> None:
    bob = upsert_end_user(tenant_id=chat.tenant_id, external_id="bob", changes={})
    for end_user in (chat.end_user, bob):
        remember(end_user, "like", "tea")
        remember(end_user, "like", "cake")
    assert forget_memories(memories=Memory.objects.filter(text="tea"), who=None) == 2
    assert sorted(EndUser.objects.values_list("external_id", "memory_version")) == [("alice", 1), ("bob", 1)]
    assert set(Memory.objects.values_list("text", flat=True)) == {"cake"}


def test_everything_or_all_of_one_kind_is_forgotten(chat: ChatSession) -> None:
    bob = upsert_end_user(tenant_id=chat.tenant_id, external_id="bob", changes={})
    for end_user in (chat.end_user, bob):
        for kind in ("like", "fact", "plan"):
            remember(end_user, kind, "tea")
    assert forget_everything(end_user_id=chat.end_user_id, who=None, kind="fact") == 1
    assert memories(chat) == ["like tea", "plan tea"]
    assert forget_everything(end_user_id=chat.end_user_id, who=None) == 2
    assert forget_everything(end_user_id=chat.end_user_id, who=None) == 0
    assert EndUser.objects.get(id=chat.end_user_id).memory_version == 2, "nothing forgotten is no change"
    assert Memory.objects.filter(end_user=bob).count() == 3
    assert forget_everything(end_user_id=uuid4(), who=None) == 0


# Not found again ----------------------------------------------------------------------------------
def test_everything_forgotten_is_not_found_in_what_was_said_before(chat: ChatSession) -> None:
    job = digest(chat, [("like", "hiking")])  # in flight: it has found that already
    ended = another_chat(chat)
    say(ended, "I love chess")
    assert forget_everything(end_user_id=chat.end_user_id, who=None) == 0
    assert job()
    assert read(ended).spoken == (), "nor is it shown to a model"
    assert memories(chat) == []
    assert ChatSession.objects.get(id=chat.id).facts_seq == 1, "it counts as read"
    learn(chat, ("like", "hiking"))
    assert memories(chat) == ["like hiking"], "said once more, it is learnt again"


def test_kind_that_was_forgotten_is_not_found_in_what_was_said_before(chat: ChatSession) -> None:
    job = digest(chat, [("like", "hiking"), ("fact", "has a dog")])
    forget_everything(end_user_id=chat.end_user_id, who=None, kind="like")
    job()
    assert memories(chat) == ["fact has a dog"]
    learn(chat, ("like", "hiking"))
    assert memories(chat) == ["fact has a dog", "like hiking"]


def test_deleted_memory_is_not_found_in_what_was_said_before(chat: ChatSession) -> None:
    memory = remember(chat.end_user, "like", "hiking")
    job = digest(chat, [("like", "to hike"), ("dislike", "hiking"), ("like", "tea")])
    forget_memories(memories=[memory], who=None)
    job()
    assert memories(chat) == ["dislike hiking", "like tea"], "only of this kind, and in whatever form"
    forget_memories(memories=Memory.objects.filter(kind="dislike"), who=None)
    learn(chat, ("like", "hiking"))
    assert memories(chat) == ["like hiking", "like tea"]


def test_text_before_its_correction_is_not_found_again(chat: ChatSession) -> None:
    memory = remember(chat.end_user, "like", "hiking")
    job = digest(chat, [("like", "hiking")])
    correct_memory(memory=memory, text="biking", who=None)
    job()
    assert memories(chat) == ["like biking"]
    learn(chat, ("like", "hiking"))
    assert memories(chat) == ["like biking", "like hiking"]


def test_correction_of_the_spelling_refuses_nothing(chat: ChatSession) -> None:
    memory = remember(chat.end_user, "like", "hiking")
    correct_memory(memory=memory, text="Hiking!", who=None)
    assert EndUser.objects.get().memories_refused == {}


def test_what_was_forgotten_of_others_is_learnt(chat: ChatSession) -> None:
    bob = upsert_end_user(tenant_id=chat.tenant_id, external_id="bob", changes={})
    memory = remember(bob, "like", "hiking")
    job = digest(chat, [("like", "hiking")])
    forget_memories(memories=[memory], who=None)
    forget_everything(end_user_id=bob.id, who=None)
    job()
    assert memories(chat) == ["like hiking"]


def test_what_is_refused_does_not_grow_for_ever_and_tells_nothing(chat: ChatSession) -> None:
    for number in range(MAX_REFUSED + 2):
        end_user = EndUser.objects.get()
        at = timezone.now() + timedelta(seconds=number)
        EndUser.objects.update(memories_refused=refused(end_user, [("like", f"thing{number}word")], at))
    end_user = EndUser.objects.get()
    places = [("like", f"thing{number}word") for number in range(MAX_REFUSED + 2)]
    assert [is_forgotten(end_user, place, timezone.now()) for place in places] == [False] * 2 + [True] * MAX_REFUSED
    assert "word" not in str(end_user.memories_refused)
    forget_everything(end_user_id=end_user.id, who=None)
    assert EndUser.objects.get().memories_refused == {}, "all is forgotten up to now"


def test_same_digest_means_something_else_for_another_person(chat: ChatSession) -> None:
    bob = upsert_end_user(tenant_id=chat.tenant_id, external_id="bob", changes={})
    now = timezone.now()
    assert not set(refused(bob, [("like", "tea")], now)) & set(refused(chat.end_user, [("like", "tea")], now))


# Traces -------------------------------------------------------------------------------------------
def test_what_staff_do_is_audited(chat: ChatSession, staff: User) -> None:
    memory = remember(chat.end_user, "like", "tea")
    correct_memory(memory=memory, text="green tea", who=staff)
    forget_memories(memories=[memory], who=staff)
    assert audited() == [("memory.corrected", str(memory.id)), ("memory.deleted", str(memory.id))]
    assert not AuditEntry.objects.exclude(details={}).filter(action__startswith="memory.").exists(), "no text in it"


def test_what_people_do_with_their_own_is_theirs(chat: ChatSession) -> None:
    memory = remember(chat.end_user, "like", "tea")
    me = Principal(chat.tenant_id, chat.end_user_id)
    correct_memory(memory=memory, text="green tea", who=me)
    forget_memories(memories=[memory], who=me)
    assert audited() == []


def test_log_of_the_admin_forgets_the_text(chat: ChatSession, staff: User) -> None:
    gone, kept = remember(chat.end_user, "like", "tea"), remember(chat.end_user, "like", "cake")
    for memory in (gone, kept):
        note_in_admin(memory, staff)
    forget_memories(memories=[gone], who=staff)
    assert set(LogEntry.objects.values_list("object_repr", flat=True)) == {"(erased)", "cake"}

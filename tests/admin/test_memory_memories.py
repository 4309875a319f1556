"""Staff read what is remembered about people, put it right, and have it forgotten."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from chatify.accounts.models import AuditEntry, EndUser, User
from chatify.memory.actions import forget_memories
from chatify.memory.admin import memories
from chatify.memory.models import Memory
from chatify.memory.texts import key_of
from sessions.models import ChatSession

LIST = "/admin/memory/memory/"
USERS = "/admin/accounts/enduser/"
CONFIRMED = {"_form_submitted": "True"}
Start = Callable[..., ChatSession]
MakeStaff = Callable[..., Client]


@pytest.fixture
def chat_session(start: Start) -> ChatSession:
    """A conversation in which something was said."""
    return start(texts=["My sister Ana lives in Porto.", "How nice!"])


@pytest.fixture
def mia(chat_session: ChatSession) -> EndUser:
    """Who said it."""
    return chat_session.end_user


@pytest.fixture
def memory(chat_session: ChatSession) -> Memory:
    """What is remembered of it."""
    return _remember(chat_session, "person", "Her sister Ana lives in Porto")


def _remember(chat_session: ChatSession, kind: str, text: str) -> Memory:
    source = chat_session.messages.get(seq=1)
    return Memory.objects.create(
        tenant_id=chat_session.tenant_id, end_user=chat_session.end_user, kind=kind, text=text, key=key_of(kind, text),
        chat_session=chat_session, source=source, model="small", said_at=source.created_at,
    )  # fmt: skip


def _page(memory: Memory, name: str = "change") -> str:
    return f"{LIST}{memory.id}/{name}/"


def _of(user: EndUser, name: str = "change") -> str:
    return f"{USERS}{user.id}/{name}/"


def _read(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def _listed(client: Client, query: str) -> set[str]:
    return {row.text for row in client.get(f"{LIST}?{query}").context["cl"].result_list}


def _profile(**changes: str) -> dict[str, str]:
    return {"name": "Mia", "age": "", "interests": "", "style": "", "preferred_template": "", **changes}


# Memories -----------------------------------------------------------------------------------------
def test_list_leads_to_the_source(staff: Client, chat_session: ChatSession, memory: Memory) -> None:
    there = f"/admin/chat_sessions/chatsession/{chat_session.id}/change/?before=2#message-1"
    assert f'href="{there}"' in _read(staff, LIST)
    assert 'id="message-1"' in _read(staff, there)


def test_list_is_filtered_and_searched(staff: Client, chat_session: ChatSession, memory: Memory) -> None:
    _remember(chat_session, "like", "Likes jazz")
    person = {memory.text}
    assert _listed(staff, "kind__exact=like") == {"Likes jazz"}
    assert (_listed(staff, "q=porto"), _listed(staff, "q=mia")) == (person, person | {"Likes jazz"})
    assert _listed(staff, f"q={chat_session.end_user_id}") == person | {"Likes jazz"}
    assert _listed(staff, f"end_user__id__exact={chat_session.end_user_id}") == person | {"Likes jazz"}
    assert _listed(staff, f"chat_session__id__exact={chat_session.id}") == person | {"Likes jazz"}
    assert _listed(staff, f"q={uuid4()}") == set()


def test_empty_list_says_where_memories_come_from(staff: Client) -> None:
    assert "When a conversation ends, Chatify looks for what is worth remembering" in _read(staff, LIST)


def test_corrected_memory_is_written_and_told(staff: Client, root: User, mia: EndUser, memory: Memory) -> None:
    assert staff.post(_page(memory), {"text": " Her sister Ana  lives in Braga "}).status_code == 302
    memory.refresh_from_db()
    mia.refresh_from_db()
    assert (memory.text, memory.corrected_by) == ("Her sister Ana lives in Braga", root)
    assert (memory.corrected_at is not None, mia.memory_version) == (True, 1)
    entry = AuditEntry.objects.get(action="memory.corrected")
    assert (entry.actor_id, entry.subject_id, entry.details) == (root.id, memory.id, {})
    assert not LogEntry.objects.exists()
    assert "root@example.com" in _read(staff, _page(memory))


def test_memory_that_was_not_changed_is_not_corrected(staff: Client, memory: Memory) -> None:
    staff.post(_page(memory), {"text": memory.text})
    memory.refresh_from_db()
    assert memory.corrected_at is None


@pytest.mark.parametrize("text", ["", " ", "x" * 201, "a\0b"])
def test_bad_text_is_refused(staff: Client, memory: Memory, text: str) -> None:
    answer = staff.post(_page(memory), {"text": text})
    assert list(answer.context["adminform"].form.errors) == ["text"]
    memory.refresh_from_db()
    assert memory.text == "Her sister Ana lives in Porto"


def test_what_the_action_refuses_is_a_message(staff: Client, memory: Memory) -> None:
    answer = staff.post(_page(memory), {"text": "\u200b"}, follow=True)
    assert "This may not be empty." in answer.content.decode()
    memory.refresh_from_db()
    assert memory.corrected_at is None


def test_memory_that_is_gone_in_this_moment_is_a_message(
    staff: Client, root: User, memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    correct = memories.correct_memory

    def correct_too_late(**given: Any) -> Memory:
        forget_memories(memories=[memory], who=root)
        return correct(**given)

    monkeypatch.setattr(memories, "correct_memory", correct_too_late)
    answer = staff.post(_page(memory), {"text": "Something else"}, follow=True)
    assert answer.status_code == 200
    assert "There is no such memory." in answer.content.decode()


def test_two_that_say_the_same_become_one(staff: Client, chat_session: ChatSession, memory: Memory) -> None:
    other = _remember(chat_session, "person", "Ana")
    staff.post(_page(other), {"text": memory.text})
    assert list(Memory.objects.all()) == [other]


def test_memories_are_forgotten_one_and_many(
    staff: Client, root: User, chat_session: ChatSession, memory: Memory
) -> None:
    others = [_remember(chat_session, "like", text) for text in ("jazz", "tango")]
    staff.post(_page(memory, "delete"), {"post": "yes"})
    assert Memory.objects.count() == 2
    chosen = {"action": "delete_selected", "_selected_action": [str(one.id) for one in others], "post": "yes"}
    staff.post(LIST, chosen)
    assert not Memory.objects.exists()
    assert set(AuditEntry.objects.filter(action="memory.deleted").values_list("actor_id", flat=True)) == {root.id}
    assert not LogEntry.objects.exists()


def test_memory_that_was_forgotten_meanwhile_is_no_error(staff: Client, memory: Memory) -> None:
    page = _page(memory)
    memory.delete()
    assert "Perhaps it was deleted" in staff.post(page, {"text": "x"}, follow=True).content.decode()
    assert staff.get(f"{LIST}not-an-id/change/").status_code == 302


def test_memory_without_its_source_is_still_shown(staff: Client, memory: Memory) -> None:
    Memory.objects.filter(id=memory.id).update(source=None, chat_session=None, model="")
    assert "a person wrote it" in _read(staff, _page(memory))


def test_source_is_quoted_for_who_may_read_conversations(make_staff: MakeStaff, memory: Memory) -> None:
    said = "My sister Ana lives in Porto."
    assert said in _read(make_staff("view_memory", "view_chatsession"), _page(memory))
    text = _read(make_staff("view_memory"), _page(memory))
    assert (said in text, memory.text in text) == (False, True)


def test_viewer_corrects_and_forgets_nothing(make_staff: MakeStaff, memory: Memory) -> None:
    viewer = make_staff("view_memory")
    refused = [_page(memory), _page(memory, "delete"), f"{LIST}add/"]
    assert [viewer.post(page, {"text": "x", "post": "yes"}).status_code for page in refused] == [403, 403, 403]
    assert Memory.objects.filter(text=memory.text).exists()
    assert make_staff("view_chatsession", "view_enduser").get(LIST).status_code == 403


def test_list_takes_as_many_queries_for_many(
    staff: Client, chat_session: ChatSession, django_assert_max_num_queries: Callable[..., Any]
) -> None:
    for number in range(30):
        _remember(chat_session, "fact", f"number {number}")
    with django_assert_max_num_queries(8):
        assert len(_listed(staff, "")) == 30


def test_audit_log_names_a_memory_without_its_words(staff: Client, memory: Memory) -> None:
    staff.post(_page(memory), {"text": "Her sister Ana lives in Braga"}, follow=True)
    text = _read(staff, "/admin/accounts/auditentry/?action=memory.corrected")
    assert f'<a href="{_page(memory)}" class="text-link">Memory (person)</a>' in text
    assert "Braga" not in text


# The page of an end user --------------------------------------------------------------------------
def test_end_user_shows_the_newest_memories(staff: Client, mia: EndUser, chat_session: ChatSession) -> None:
    assert "Nothing yet." in _read(staff, _of(mia))
    for number in range(20):
        _remember(chat_session, "fact", f"number {number}.")
    text = _read(staff, _of(mia))
    assert ("number 0." in text, "Show all" in text) == (True, False)
    _remember(chat_session, "like", "<b>jazz</b>")
    text = _read(staff, _of(mia))
    assert ("&lt;b&gt;jazz" in text, f"{LIST}?end_user__id__exact={mia.id}" in text) == (True, True)


def test_everything_about_somebody_is_forgotten(
    staff: Client, root: User, mia: EndUser, memory: Memory, start: Start
) -> None:
    other = start(external_id="tom", texts=["Hi"])
    kept = _remember(other, "like", "films")
    staff.get(_of(mia, "forget_this"))
    assert Memory.objects.count() == 2
    answer = staff.post(_of(mia, "forget_this"), CONFIRMED)
    text = _read(staff, answer.headers["HX-Redirect"])
    assert ("Forgotten: 1 memory." in text, "forget_this" in text) == (True, False)
    assert list(Memory.objects.all()) == [kept]
    assert AuditEntry.objects.get(action="memory.deleted").actor_id == root.id
    mia.refresh_from_db()
    assert mia.memories_forgotten_at is not None, "nor is it found again"
    answer = staff.post(_of(mia, "forget_this"), CONFIRMED)
    assert "nothing; none was there" in _read(staff, answer.headers["HX-Redirect"])
    assert staff.post(f"{USERS}not-an-id/forget_this/", CONFIRMED).status_code == 200


def test_memories_are_for_who_may_see_them(make_staff: MakeStaff, mia: EndUser, memory: Memory) -> None:
    assert memory.text not in _read(make_staff("view_enduser"), _of(mia))
    viewer = make_staff("view_enduser", "view_memory")
    text = _read(viewer, _of(mia))
    assert (memory.text in text, "forget_this" in text) == (True, False)
    assert viewer.post(_of(mia, "forget_this"), CONFIRMED).status_code == 403
    assert Memory.objects.count() == 1


def test_preferred_personality_is_chosen_among_those_on_offer(staff: Client, mia: EndUser) -> None:
    staff.post(_of(mia), _profile(preferred_template="casual_chat"))
    mia.refresh_from_db()
    assert mia.preferred_template == "casual_chat"
    assert AuditEntry.objects.get(action="user.updated").details == {"fields": ["name", "preferred_template"]}
    answer = staff.post(_of(mia), _profile(preferred_template="nobody_of_this_name"))
    assert list(answer.context["adminform"].form.errors) == ["preferred_template"]
    staff.post(_of(mia), _profile())
    mia.refresh_from_db()
    assert mia.preferred_template == ""


def test_preferred_personality_that_is_gone_stays_until_it_is_changed(
    staff: Client, make_staff: MakeStaff, mia: EndUser
) -> None:
    EndUser.objects.filter(id=mia.id).update(preferred_template="old_one")
    assert "old_one (not on offer)" in _read(staff, _of(mia))
    assert "old_one (not on offer)" in _read(make_staff("view_enduser"), _of(mia))
    staff.post(_of(mia), _profile(preferred_template="old_one", style="short"))
    mia.refresh_from_db()
    assert (mia.preferred_template, mia.style) == ("old_one", "short")


def test_saved_profile_leaves_what_was_remembered_meanwhile(
    staff: Client, mia: EndUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    from chatify.memory.admin.end_users import RememberedUserForm

    def remember_meanwhile(form: RememberedUserForm) -> dict[str, Any]:
        EndUser.objects.filter(id=mia.id).update(remembered={"topics": ["jazz"]}, memory_version=7)
        return form.cleaned_data

    monkeypatch.setattr(RememberedUserForm, "clean", remember_meanwhile)
    staff.post(_of(mia), _profile(style="short"))
    mia.refresh_from_db()
    assert (mia.style, mia.remembered, mia.memory_version) == ("short", {"topics": ["jazz"]}, 7)

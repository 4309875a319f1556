"""What staff do with summaries: edit them, have them made again, and have what failed tried again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from chatify.accounts.models import AuditEntry, User
from chatify.common.errors import InvalidInput, NotFound
from chatify.events import bus
from chatify.memory.digest import digester
from chatify.memory.summaries import MAX_EDITED, edit_summary, followers, rebuild_summary, retry_memory
from sessions.actions import delete_chat_sessions
from sessions.models import ChatSession, Summary
from tests.memory.digesting import change, claim_one, fresh, numbered, say, summary_of


@pytest.fixture
def staff(db: None) -> User:
    """Somebody who may."""
    return User.objects.create(email="staff@example.com", is_staff=True)


@pytest.fixture
def three(chat: ChatSession) -> list[Summary]:
    """A chat session's summaries."""
    say(chat, numbered(45))
    change(chat, memory_due_at=None)
    return [summary_of(chat, first, first + 9) for first in (1, 11, 21)]


def stale(summaries: list[Summary]) -> list[bool]:
    return [Summary.objects.get(id=one.id).is_stale for one in summaries]


# Editing ------------------------------------------------------------------------------------------
def test_edited_summary_is_in_use_at_once_and_audited(chat: ChatSession, three: list[Summary], staff: User) -> None:
    edit_summary(summary_id=three[2].id, text="As I say.", who=staff)
    row = Summary.objects.get(id=three[2].id)
    assert (row.text, row.edited_by, row.is_stale, row.edited_at is not None) == ("As I say.", staff, False, True)
    assert fresh(chat).context_version == 1
    entry = AuditEntry.objects.get(action="summary.edited")
    assert (entry.actor_id, entry.subject_id, entry.tenant_id) == (staff.id, row.id, chat.tenant_id)


def test_summary_after_an_edited_one_is_made_again(chat: ChatSession, three: list[Summary], staff: User) -> None:
    edit_summary(summary_id=three[0].id, text="The user is called Rosa.", who=staff)
    assert stale(three) == [False, True, False]
    assert fresh(chat).memory_due_at is not None
    assert digester.run() == 4  # the next one at once, both after it, and the new one again
    assert stale(three) == [False, False, False]
    assert "The user is called Rosa." in Summary.objects.get(id=three[2].id).text


def test_edit_leaves_alone_what_a_person_wrote_after_it(chat: ChatSession, three: list[Summary], staff: User) -> None:
    edit_summary(summary_id=three[1].id, text="Mine.", who=staff)
    change(chat, memory_due_at=None)
    edit_summary(summary_id=three[0].id, text="Mine, too.", who=staff)
    assert stale(three) == [False, False, True]
    assert fresh(chat).memory_due_at is None


def test_edit_of_the_last_one_makes_nothing_due(chat: ChatSession, three: list[Summary], staff: User) -> None:
    edit_summary(summary_id=three[2].id, text="Mine.", who=staff)
    assert fresh(chat).memory_due_at is None


def test_same_text_is_no_edit(chat: ChatSession, three: list[Summary], staff: User) -> None:
    edit_summary(summary_id=three[0].id, text=three[0].text, who=staff)
    assert (fresh(chat).context_version, stale(three)) == (0, [False] * 3)
    assert not AuditEntry.objects.filter(action="summary.edited").exists()


@pytest.mark.parametrize(
    ("text", "code"), [(" \n", "blank"), ("x" * (MAX_EDITED + 1), "too_long"), ("\x00", "bad_characters")]
)
def test_wrong_text_is_refused(three: list[Summary], text: str, code: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        edit_summary(summary_id=three[0].id, text=text, who=None)
    assert caught.value.code == code
    assert Summary.objects.get(id=three[0].id).text == "Before."


@pytest.mark.django_db
def test_summary_that_is_not_there_is_not_found() -> None:
    for act in (lambda: edit_summary(summary_id=uuid4(), text="x", who=None),
                lambda: rebuild_summary(summary_id=uuid4(), who=None)):  # fmt: skip
        with pytest.raises(NotFound):
            act()


def test_summary_of_a_deleted_chat_session_is_not_found(chat: ChatSession, three: list[Summary]) -> None:
    delete_chat_sessions(chat_session_ids=[chat.id])
    for act in (lambda: edit_summary(summary_id=three[0].id, text="x", who=None),
                lambda: rebuild_summary(summary_id=three[0].id, who=None)):  # fmt: skip
        with pytest.raises(NotFound):
            act()
    assert (stale(three), fresh(chat).memory_due_at) == ([False] * 3, None)


def test_those_follow_that_come_later_up_to_one_that_a_person_wrote(three: list[Summary]) -> None:
    assert [followers(one) for one in three] == [[three[1].id, three[2].id], [three[2].id], []]
    edit_summary(summary_id=three[1].id, text="Mine.", who=None)
    assert [len(followers(one)) for one in three] == [0, 1, 0]


# Making again -------------------------------------------------------------------------------------
def test_rebuilt_summary_stays_in_use_until_it_is_made(chat: ChatSession, three: list[Summary], staff: User) -> None:
    edit_summary(summary_id=three[1].id, text="Wrong.", who=staff)
    change(chat, memory_attempts=6, memory_error="provider_timeout: x")
    rebuild_summary(summary_id=three[1].id, who=staff)
    row, found = Summary.objects.get(id=three[1].id), fresh(chat)
    assert (row.text, row.is_stale, row.edited_at, row.edited_by) == ("Wrong.", True, None, None)
    assert (found.memory_attempts, found.memory_error, found.memory_due_at is None) == (0, "", False)
    assert AuditEntry.objects.filter(action="summary.rebuilt", subject_id=row.id).exists()
    digester.run()
    row.refresh_from_db()
    assert "number 11." in row.text
    assert "Wrong." not in row.text


def test_listeners_hear_of_summaries(
    chat: ChatSession, three: list[Summary], django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    heard: list[tuple[str, Any]] = []
    unlisten = bus.listen(lambda event: heard.append((event.name, event.subject_id)))
    with django_capture_on_commit_callbacks(execute=True):
        edit_summary(summary_id=three[2].id, text="Mine.", who=None)
        retry_memory(chat_session_ids=[chat.id], who=None)
        digester.run()
    unlisten()
    new = Summary.objects.get(from_seq=31)
    assert heard == [("summary.changed", three[2].id), ("summary.created", new.id)]


# Trying again -------------------------------------------------------------------------------------
def test_retry_looks_at_once_whatever_failed_before(chat: ChatSession, staff: User) -> None:
    say(chat, numbered(20), memory_attempts=4, memory_error="provider_timeout: x")
    change(chat, memory_due_at=timezone.now() + timedelta(minutes=5))
    assert retry_memory(chat_session_ids=[chat.id], who=staff) == 1
    entry = AuditEntry.objects.get(action="memory.retried")
    assert (entry.actor_id, entry.subject_id, entry.tenant_id) == (staff.id, chat.id, chat.tenant_id)
    assert (fresh(chat).memory_attempts, fresh(chat).memory_error) == (0, "")
    assert digester.run() == 1


def test_retry_leaves_alone_what_a_worker_is_at(chat: ChatSession) -> None:
    say(chat, numbered(20))
    claim = claim_one(chat)
    assert retry_memory(chat_session_ids=[chat.id], who=None) == 0
    assert fresh(chat).memory_claim == claim.token
    assert not AuditEntry.objects.filter(action="memory.retried").exists()

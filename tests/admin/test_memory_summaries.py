"""Staff read summaries, put them right, and have them made again; and see how memory stands with a conversation."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.utils import timezone

from chatify.accounts.models import AuditEntry, User
from chatify.common.errors import Conflict, NotFound
from chatify.memory.summaries import rebuild_memories
from sessions.models import ChatSession, Summary

LIST = "/admin/chat_sessions/summary/"
CHATS = "/admin/chat_sessions/chatsession/"
CONFIRMED = {"_form_submitted": "True"}
Start = Callable[..., ChatSession]
MakeStaff = Callable[..., Client]


@pytest.fixture
def chat_session(start: Start) -> ChatSession:
    """A conversation of which the first eight messages are summarised, by two summaries."""
    row = start(texts=[f"text {number}" for number in range(1, 13)])
    _add_summary(row, 1, 4, "Mia has a cat.", cost=Decimal("0.000420"))
    _add_summary(row, 5, 8, "Mia has a cat named Tom.", prompt_version=2)
    ChatSession.objects.filter(id=row.id).update(summarized_seq=8)
    row.refresh_from_db()
    return row


def _add_summary(row: ChatSession, from_seq: int, to_seq: int, text: str, **values: Any) -> Summary:
    made = {"model": "small", "prompt_tokens": 1200, "completion_tokens": 34, **values}
    return Summary.objects.create(
        tenant_id=row.tenant_id, chat_session=row, from_seq=from_seq, to_seq=to_seq, text=text, **made
    )


def _read(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def _page(summary: Summary, name: str = "change") -> str:
    return f"{LIST}{summary.id}/{name}/"


def _chat(row: ChatSession, name: str = "change") -> str:
    return f"{CHATS}{row.id}/{name}/"


def _first(row: ChatSession) -> Summary:
    return row.summaries.get(from_seq=1)


def _set(row: ChatSession, **fields: Any) -> None:
    ChatSession.objects.filter(id=row.id).update(**fields)


def _mark(row: ChatSession) -> tuple[list[bool], bool]:
    """Which summaries are to be made again, and whether a worker is to look at them."""
    row.refresh_from_db()
    stale = list(row.summaries.order_by("from_seq").values_list("is_stale", flat=True))
    return stale, row.memory_due_at is not None


# Summaries ----------------------------------------------------------------------------------------
def test_list_shows_range_maker_tokens_and_cost(staff: Client, chat_session: ChatSession) -> None:
    text = _read(staff, LIST)
    for shown in ("Messages 1 to 4", "small · built-in prompt", "small · prompt 2", "1,234", "$0.00042", "unknown"):
        assert shown in text
    found = staff.get(f"{LIST}?q={chat_session.id}").context["cl"].result_list
    assert len(found) == 2
    assert not staff.get(f"{LIST}?q={uuid4()}").context["cl"].result_list


def test_empty_list_says_when_summaries_are_made(staff: Client) -> None:
    assert "One is made when a conversation outgrows its window" in _read(staff, LIST)


def test_extractive_summary_names_no_model(staff: Client, start: Start) -> None:
    made = _add_summary(start(texts=["a"]), 1, 1, "a", model="extractive", is_usage_estimated=True, prompt_tokens=0,
                        completion_tokens=0, cost=Decimal(0))  # fmt: skip
    text = _read(staff, _page(made))
    assert "picked sentences, no model" in text
    assert "$0<" in text


def test_edited_text_is_written_and_the_next_one_follows(staff: Client, root: User, chat_session: ChatSession) -> None:
    first = _first(chat_session)
    sent = {"text": "Mia has\r\na dog.", "initial-text": first.text}
    assert staff.post(_page(first), sent).status_code == 302
    first.refresh_from_db()
    assert (first.text, first.edited_by, first.is_stale) == ("Mia has\na dog.", root, False)
    assert _mark(chat_session) == ([False, True], True)
    assert chat_session.context_version == 1
    entry = AuditEntry.objects.get(action="summary.edited")
    assert (entry.actor_id, entry.subject_id, entry.tenant_id) == (root.id, first.id, chat_session.tenant_id)
    assert not LogEntry.objects.exists()


def test_edit_says_how_many_later_ones_follow(staff: Client, chat_session: ChatSession) -> None:
    _add_summary(chat_session, 9, 10, "Mia has a cat named Tom, and a dog.")
    first, second, third = chat_session.summaries.order_by("from_seq")
    told = {}
    for summary in (first, second, third):
        sent = {"text": "Mia has a dog.", "initial-text": summary.text}
        told[summary] = staff.post(_page(summary), sent, follow=True).content.decode()
    assert "To be made again after it: 2 summaries." in told[first]
    assert "To be made again after it: 1 summary." in told[second]
    assert "To be made again" not in told[third]


def test_text_that_was_not_changed_is_not_written(staff: Client, chat_session: ChatSession) -> None:
    first = _first(chat_session)
    staff.post(_page(first), {"text": first.text, "initial-text": first.text})
    first.refresh_from_db()
    assert (first.edited_at, AuditEntry.objects.filter(action="summary.edited").exists()) == (None, False)


def test_text_that_was_made_again_meanwhile_is_not_overwritten(staff: Client, chat_session: ChatSession) -> None:
    first = _first(chat_session)
    opened = first.text
    Summary.objects.filter(id=first.id).update(text="Mia has two cats.")
    answer = staff.post(_page(first), {"text": "Mia has a dog.", "initial-text": opened})
    assert "has changed since you opened it" in answer.context["adminform"].form.errors["text"][0]
    assert "Mia has a dog." in answer.content.decode()
    first.refresh_from_db()
    assert first.text == "Mia has two cats."


@pytest.mark.parametrize("text", ["", " \n ", "x" * 4001, "a\0b"])
def test_bad_text_is_refused(staff: Client, chat_session: ChatSession, text: str) -> None:
    first = _first(chat_session)
    answer = staff.post(_page(first), {"text": text, "initial-text": first.text})
    assert list(answer.context["adminform"].form.errors) == ["text"]
    first.refresh_from_db()
    assert first.text == "Mia has a cat."


def test_summary_is_made_again_when_asked_for(staff: Client, root: User, chat_session: ChatSession) -> None:
    first = _first(chat_session)
    assert staff.get(_page(first, "rebuild_this")).status_code == 200
    assert _mark(chat_session) == ([False, False], False)
    answer = staff.post(_page(first, "rebuild_this"), CONFIRMED)
    assert "To be made again: 1 summary, and 1 later summary after that." in _read(staff, answer.headers["HX-Redirect"])
    assert _mark(chat_session) == ([True, False], True)
    assert AuditEntry.objects.get(action="summary.rebuilt").actor_id == root.id
    assert "to be made again" in _read(staff, LIST)


def test_many_are_made_again_but_none_of_a_deleted_conversation(staff: Client, chat_session: ChatSession) -> None:
    both = {"action": "rebuild", "_selected_action": [str(one.id) for one in chat_session.summaries.all()]}
    _set(chat_session, deleted_at=timezone.now())
    assert "stay as they are" in staff.post(LIST, both, follow=True).content.decode()
    assert _mark(chat_session) == ([False, False], False)
    _set(chat_session, deleted_at=None)
    assert "To be made again: 2 summaries." in staff.post(LIST, both, follow=True).content.decode()
    assert _mark(chat_session) == ([True, True], True)


def test_summary_that_is_gone_meanwhile_is_no_error(staff: Client, chat_session: ChatSession) -> None:
    first = _first(chat_session)
    page, again = _page(first), _page(first, "rebuild_this")
    first.delete()
    assert "Perhaps it was deleted" in staff.post(page, {"text": "x"}, follow=True).content.decode()
    assert staff.post(again, CONFIRMED).status_code in (200, 302)
    assert staff.get(f"{LIST}not-an-id/rebuild_this/").status_code in (200, 302)


def test_summary_of_a_deleted_conversation_is_only_read(staff: Client, chat_session: ChatSession) -> None:
    _set(chat_session, deleted_at=timezone.now())
    first = _first(chat_session)
    assert "Mia has a cat." in _read(staff, _page(first))
    assert staff.post(_page(first), {"text": "x", "initial-text": first.text}).status_code == 403


def test_nobody_adds_or_deletes_summaries(staff: Client, chat_session: ChatSession) -> None:
    pages = [f"{LIST}add/", _page(_first(chat_session), "delete")]
    assert [staff.post(page, {"post": "yes", "text": "x"}).status_code for page in pages] == [403, 403]
    assert chat_session.summaries.count() == 2


def test_who_reads_conversations_reads_summaries_and_writes_none(
    make_staff: MakeStaff, chat_session: ChatSession
) -> None:
    viewer, first = make_staff("view_chatsession"), _first(chat_session)
    text = _read(viewer, _page(first))
    assert "Mia has a cat." in text
    assert "rebuild_this" not in text
    assert viewer.post(_page(first), {"text": "x"}).status_code == 403
    assert viewer.post(_page(first, "rebuild_this"), CONFIRMED).status_code == 403
    viewer.post(LIST, {"action": "rebuild", "_selected_action": [str(first.id)]})
    assert _mark(chat_session) == ([False, False], False)
    assert make_staff("view_feedback").get(LIST).status_code == 403


def test_summaries_take_as_many_queries_for_many(
    staff: Client, chat_session: ChatSession, django_assert_max_num_queries: Callable[..., Any]
) -> None:
    for number in range(13, 40):
        _add_summary(chat_session, number, number, "more")
    for page in (LIST, _chat(chat_session)):
        with django_assert_max_num_queries(14):
            _read(staff, page)


# The page of a chat session -----------------------------------------------------------------------
def test_conversation_shows_why_its_personality_was_chosen(
    staff: Client, chat_session: ChatSession, start: Start
) -> None:
    other = start("casual_chat", external_id="tom").template
    _set(chat_session, chosen_by="time", choice_reason="Evenings", suggested_template=other, suggestion_reason="Films")
    text = _read(staff, _chat(chat_session))
    for shown in ("time of day", "Evenings", f"{other.name}</a>", "Films"):
        assert shown in text
    assert {row.id for row in staff.get(f"{CHATS}?chosen_by__exact=time").context["cl"].result_list} == {
        chat_session.id
    }


def test_conversation_shows_its_newest_summaries(staff: Client, chat_session: ChatSession) -> None:
    text = _read(staff, _chat(chat_session))
    assert "Mia has a cat named Tom." in text
    assert text.index("Messages 5 to 8") < text.index("Messages 1 to 4") < text.index("$0.00042")
    assert "All summaries" not in text
    for number in range(9, 14):
        _add_summary(chat_session, number, number, "more")
    assert f"{LIST}?chat_session__id__exact={chat_session.id}" in _read(staff, _chat(chat_session))


def test_conversation_without_summaries_says_when_there_will_be_one(staff: Client, start: Start) -> None:
    text = _read(staff, _chat(start(texts=["Hello"])))
    assert "There is no summary yet." in text
    assert "Up to date." in text
    assert "retry_memory_this" not in text


@pytest.mark.parametrize(
    ("fields", "shown"),
    [({"seconds": -5}, "It is due"), ({"seconds": 100, "memory_claim": uuid4()}, "A worker is at it."),
     ({"seconds": 100, "memory_attempts": 3}, "Next try at"), ({"seconds": -5, "memory_claim": uuid4()}, "It is due"),
     ({"seconds": 100, "deleted_at": timezone.now()}, "Nothing is remembered of a deleted conversation.")],
)  # fmt: skip
def test_state_of_memory_is_told(staff: Client, chat_session: ChatSession, fields: dict[str, Any], shown: str) -> None:
    rest = {name: value for name, value in fields.items() if name != "seconds"}
    _set(chat_session, memory_due_at=timezone.now() + timedelta(seconds=fields["seconds"]), **rest)
    assert shown in _read(staff, _chat(chat_session))


def test_failure_is_shown_and_tried_again_at_once(staff: Client, root: User, chat_session: ChatSession) -> None:
    later = timezone.now() + timedelta(minutes=9)
    _set(chat_session, memory_due_at=later, memory_attempts=3, memory_error="<b>rate_limited</b>")
    text = _read(staff, _chat(chat_session))
    assert "It has failed 3 times." in text
    assert "&lt;b&gt;rate_limited" in text
    answer = staff.post(_chat(chat_session, "retry_memory_this"), CONFIRMED)
    assert "Tried again: 1 conversation." in _read(staff, answer.headers["HX-Redirect"])
    chat_session.refresh_from_db()
    assert chat_session.memory_due_at is not None
    assert chat_session.memory_due_at < later
    assert (chat_session.memory_attempts, chat_session.memory_error) == (0, "")
    assert AuditEntry.objects.get(action="memory.retried").actor_id == root.id


def test_memories_of_an_ended_conversation_are_looked_for_again(staff: Client, chat_session: ChatSession) -> None:
    _set(chat_session, facts_seq=2)
    assert "rebuild_memories_this" not in _read(staff, _chat(chat_session))  # it goes on
    _set(chat_session, status="ended", memory_due_at=None)
    assert "rebuild_memories_this" in _read(staff, _chat(chat_session))
    answer = staff.post(_chat(chat_session, "rebuild_memories_this"), CONFIRMED)
    assert "Looked for memories again: 1 conversation." in _read(staff, answer.headers["HX-Redirect"])
    chat_session.refresh_from_db()
    assert (chat_session.facts_seq, chat_session.memory_due_at is None) == (0, False)
    assert AuditEntry.objects.filter(action="memory.rebuilt").exists()


def test_memories_of_a_conversation_that_goes_on_are_not_looked_for(chat_session: ChatSession) -> None:
    with pytest.raises(Conflict, match="has ended"):
        rebuild_memories(chat_session_id=chat_session.id, who=None)
    _set(chat_session, deleted_at=timezone.now())
    with pytest.raises(NotFound):
        rebuild_memories(chat_session_id=chat_session.id, who=None)


def test_failing_ones_are_found_and_tried_again_together(
    staff: Client, chat_session: ChatSession, start: Start
) -> None:
    start(external_id="tom")
    _set(chat_session, memory_due_at=timezone.now(), memory_attempts=2)
    for query in ("memory=failing", "memory=due"):
        assert [row.id for row in staff.get(f"{CHATS}?{query}").context["cl"].result_list] == [chat_session.id]
    chosen = {"action": "retry_memory", "_selected_action": [str(chat_session.id)]}
    staff.post(f"{CHATS}?memory=failing", chosen)
    assert not staff.get(f"{CHATS}?memory=failing").context["cl"].result_list


def test_viewer_sees_the_failure_and_does_not_retry(make_staff: MakeStaff, chat_session: ChatSession) -> None:
    _set(chat_session, memory_due_at=timezone.now() + timedelta(minutes=9), memory_attempts=3, memory_error="away")
    viewer = make_staff("view_chatsession")
    text = _read(viewer, _chat(chat_session))
    assert ("away" in text, "retry_memory_this" in text) == (True, False)
    assert viewer.post(_chat(chat_session, "retry_memory_this"), CONFIRMED).status_code == 403
    chat_session.refresh_from_db()
    assert chat_session.memory_attempts == 3


def test_transcript_names_whoever_answered(staff: Client, start: Start) -> None:
    row = start(texts=["Hello", "Hi there"])
    before = start("casual_chat", external_id="tom").version
    row.messages.filter(seq=2).update(version=before)
    text = _read(staff, _chat(row))
    assert f"<strong>{before.template.name}</strong>" in text
    assert f"{before.template.name}, version 1" in text

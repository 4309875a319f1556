"""Staff read conversations, end, delete and restore them."""

from collections.abc import Callable
from uuid import UUID

import pytest
from django.test import Client

from chatify.events import bus
from sessions.admin.transcript import PAGE
from sessions.models import ChatSession, Feedback

LIST = "/admin/chat_sessions/chatsession/"
CONFIRMED = {"_form_submitted": "True"}
Start = Callable[..., ChatSession]
MakeStaff = Callable[..., Client]
MaxQueries = Callable[..., object]


def _page(chat_session: ChatSession) -> str:
    return f"{LIST}{chat_session.id}/change/"


def _read(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def _found(client: Client, query: str) -> set[UUID]:
    return {row.id for row in client.get(f"{LIST}?{query}").context["cl"].result_list}


def test_transcript_shows_who_said_what(staff: Client, start: Start) -> None:
    chat_session = start(texts=["What a day", "Tell me more"])
    Feedback.objects.create(
        tenant_id=chat_session.tenant_id, chat_session=chat_session, rating=4, message=chat_session.messages.get(seq=2)
    )
    text = _read(staff, _page(chat_session))
    assert text.index("What a day") < text.index("Tell me more") < text.index("Rated 4 of 5")
    assert chat_session.greeting.split(",")[0] in text


def test_transcript_shows_markup_as_text(staff: Client, start: Start) -> None:
    text = _read(staff, _page(start(texts=["<script>alert(1)</script>", "<img src=x onerror=alert(2)>"])))
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "<script>alert(1)" not in text
    assert "<img src=x" not in text


def test_long_transcript_starts_with_the_newest_and_leads_to_the_rest(staff: Client, start: Start) -> None:
    chat_session = start(texts=[f"text-{number}." for number in range(1, PAGE + 6)])
    newest = _read(staff, _page(chat_session))
    assert ("text-6." in newest, "text-5." in newest) == (True, False)
    assert 'href="?before=6"' in newest
    earlier = _read(staff, f"{_page(chat_session)}?before=6")
    assert ("text-6." in earlier, "text-5." in earlier) == (False, True)


@pytest.mark.parametrize("before", ["x", "-1", "9" * 30, "²", ""])
def test_odd_page_of_a_transcript_is_the_newest(staff: Client, start: Start, before: str) -> None:
    assert "Hello" in _read(staff, f"{_page(start(texts=['Hello']))}?before={before}")


def test_staff_end_conversations_once(staff: Client, start: Start) -> None:
    chat_session = start()
    for _ in range(2):
        staff.post(LIST, {"action": "end", "_selected_action": [str(chat_session.id)]})
    chat_session.refresh_from_db()
    assert (chat_session.status, chat_session.end_reason) == ("ended", "ended_by_staff")


def test_staff_delete_softly_and_restore(staff: Client, start: Start) -> None:
    chat_session = start()
    staff.post(LIST, {"action": "delete", "_selected_action": [str(chat_session.id)]})
    assert not ChatSession.objects.existing().filter(id=chat_session.id).exists()
    staff.post(LIST, {"action": "restore", "_selected_action": [str(chat_session.id)], "deleted": "only"})
    assert not ChatSession.objects.existing().filter(id=chat_session.id).exists()  # not among those on the list
    staff.post(f"{LIST}?deleted=only", {"action": "restore", "_selected_action": [str(chat_session.id)]})
    assert ChatSession.objects.existing().filter(id=chat_session.id).exists()


@pytest.mark.parametrize(("name", "event"), [("end_this", "session.ended"), ("delete_this", "session.deleted")])
def test_buttons_of_one_conversation_tell_the_others(
    staff: Client, start: Start, name: str, event: str, django_capture_on_commit_callbacks: Callable[..., object]
) -> None:
    told: list[str] = []
    stop = bus.listen(lambda one: told.append(one.name))
    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[attr-defined]
        answer = staff.post(f"{LIST}{start().id}/{name}/", CONFIRMED)
    stop()
    assert answer.headers["HX-Redirect"].endswith("/change/")
    assert event in told


def test_list_shows_deleted_ones_when_asked(staff: Client, start: Start) -> None:
    kept, gone = start(external_id="kept"), start(external_id="gone")
    staff.post(LIST, {"action": "delete", "_selected_action": [str(gone.id)]})
    assert _found(staff, "") == {kept.id}
    assert _found(staff, "deleted=only") == {gone.id}
    assert _found(staff, "deleted=all") == {kept.id, gone.id}


def test_search_finds_by_title_external_id_and_id(staff: Client, start: Start) -> None:
    wanted, _ = start(external_id="anna-7"), start(external_id="berta")
    for text in ("anna-7", "with ANNA", str(wanted.id), wanted.id.hex):
        assert _found(staff, f"q={text}") == {wanted.id}
    assert _found(staff, f"end_user__id__exact={wanted.end_user_id}") == {wanted.id}


def test_nothing_is_added_changed_or_destroyed(staff: Client, start: Start) -> None:
    chat_session = start()
    pages = [f"{LIST}add/", _page(chat_session), f"{LIST}{chat_session.id}/delete/"]
    assert [staff.post(page, {"post": "yes", "title": "x"}).status_code for page in pages] == [403, 403, 403]
    staff.post(LIST, {"action": "delete_selected", "_selected_action": [str(chat_session.id)], "post": "yes"})
    assert ChatSession.objects.existing().filter(id=chat_session.id).exists()


def test_viewer_reads_but_does_not_act(make_staff: MakeStaff, start: Start) -> None:
    chat_session, viewer = start(), make_staff("view_chatsession")
    assert "end_this" not in _read(viewer, _page(chat_session))
    for name in ("end_this", "delete_this", "restore_this"):
        assert viewer.post(f"{LIST}{chat_session.id}/{name}/", CONFIRMED).status_code == 403
    viewer.post(LIST, {"action": "end", "_selected_action": [str(chat_session.id)]})
    chat_session.refresh_from_db()
    assert chat_session.status == "active"


def test_list_takes_as_many_queries_for_many(
    staff: Client, start: Start, django_assert_max_num_queries: MaxQueries
) -> None:
    for number in range(30):
        start(external_id=f"person-{number}")
    with django_assert_max_num_queries(6):  # type: ignore[attr-defined]
        assert len(_found(staff, "")) == 30


def test_transcript_takes_as_many_queries_for_many(
    staff: Client, start: Start, django_assert_max_num_queries: MaxQueries
) -> None:
    chat_session = start(texts=["text"] * 150)
    with django_assert_max_num_queries(12):  # type: ignore[attr-defined]
        _read(staff, _page(chat_session))


@pytest.mark.parametrize("page", ["change", "end_this", "restore_this"])
def test_address_without_an_id_is_no_error(staff: Client, page: str) -> None:
    assert staff.get(f"{LIST}not-an-id/{page}/").status_code in (200, 302, 404)


def test_feedback_is_only_read(staff: Client, start: Start) -> None:
    chat_session = start()
    given = Feedback.objects.create(
        tenant_id=chat_session.tenant_id, chat_session=chat_session, rating=2, comment="Meh"
    )
    page = "/admin/chat_sessions/feedback/"
    assert "★★☆☆☆" in _read(staff, page)
    assert "Meh" in _read(staff, f"{page}{given.id}/change/")
    assert staff.post(f"{page}{given.id}/delete/", {"post": "yes"}).status_code == 403

"""Staff see who waits, handle reports, and take blocks away."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from chatify.accounts.models import AuditEntry, User
from chatify.common.errors import NotFound
from chatify.common.ids import uuid7
from chatify.matchmaking import rooms
from chatify.matchmaking.leaving import settle_all
from chatify.matchmaking.models import Block, MatchTicket, Report
from chatify.matchmaking.moderating import delete_blocks, end_reported_room, handle_report
from tests.matchmaking.crowd import Crowd, statuses
from tests.matchmaking_admin.conftest import Meet, tickets_of

TICKETS, REPORTS, BLOCKS = (f"/admin/matchmaking/{name}/" for name in ("matchticket", "report", "block"))
CONFIRMED = {"_form_submitted": "True"}
MakeStaff = Callable[..., Client]


def read(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200, address
    return answer.content.decode()


def found(client: Client, address: str) -> list[Any]:
    return [row.id for row in client.get(address).context["cl"].result_list]


def act(client: Client, report: Report, action: str) -> HttpResponse:
    return client.post(f"{REPORTS}{report.id}/{action}/", CONFIRMED)


def shown_actions(client: Client, report: Report) -> list[str]:
    answer = client.get(f"{REPORTS}{report.id}/change/").content.decode()
    return [name for name in ("uphold_this", "dismiss_this", "end_room_this") if name in answer]


# Match tickets ------------------------------------------------------------------------------------
def test_tickets_tell_who_waits_and_who_was_served(staff: Client, crowd: Crowd) -> None:
    chatting = crowd.chatting("mia", interests=["owls"], language="de")
    waiting = crowd.join_late("noa", waited=4)
    text = read(staff, TICKETS)
    for told in ("Mia", "owls", "served after", "Noa", "waiting for ", "with a personality"):
        assert told in text
    assert found(staff, f"{TICKETS}?status__exact=waiting") == [waiting.id]
    assert found(staff, f"{TICKETS}?live=no") == []
    assert set(found(staff, f"{TICKETS}?live=yes")) == {chatting.id, waiting.id}
    for text in (str(chatting.id), str(chatting.chat_session_id), "mia"):
        assert found(staff, f"{TICKETS}?q={text}") == [chatting.id]


def test_ticket_of_somebody_in_a_room_leads_to_both(staff: Client, meet: Meet) -> None:
    room = meet("ada", "ben")
    (ticket,) = tickets_of("ada")
    text = read(staff, f"{TICKETS}{ticket.id}/change/")
    assert f"/admin/chat_sessions/chatsession/{room.id}/change/" in text
    assert f"/admin/accounts/enduser/{ticket.end_user_id}/change/" in text
    assert ("Ben" in text, "with a person" in text) == (True, True)


def test_ticket_tells_why_it_was_closed(staff: Client, crowd: Crowd, meet: Meet) -> None:
    room = meet()
    rooms.leave_room(principal=crowd.user("ada"), chat_session_id=room.id)
    (ticket,) = tickets_of("ben")
    assert "partner_left" in read(staff, f"{TICKETS}{ticket.id}/change/")
    assert "closed" in read(staff, TICKETS)


def test_ticket_whose_conversations_are_gone_is_shown(staff: Client, crowd: Crowd) -> None:
    ticket = crowd.chatting("mia")
    MatchTicket.objects.update(chat_session=None)
    assert "served after" in read(staff, f"{TICKETS}{ticket.id}/change/")


def test_ticket_that_nobody_served_tells_when_they_went(staff: Client, crowd: Crowd) -> None:
    ticket = crowd.join("mia")
    MatchTicket.objects.update(status="cancelled", closed_at=ticket.created_at)
    assert "went after 0.0\u00a0s" in read(staff, TICKETS)


def test_tickets_are_only_read(staff: Client, crowd: Crowd) -> None:
    ticket = crowd.join("mia")
    pages = [f"{TICKETS}add/", f"{TICKETS}{ticket.id}/change/", f"{TICKETS}{ticket.id}/delete/"]
    assert [staff.post(page, {"post": "yes"}).status_code for page in pages] == [403, 403, 403]
    assert statuses(ticket) == ["waiting"]


# Reports ------------------------------------------------------------------------------------------
def test_report_shows_who_what_and_where(staff: Client, reported: Report) -> None:
    text = read(staff, f"{REPORTS}{reported.id}/change/")
    assert f"/admin/chat_sessions/chatsession/{reported.chat_session_id}/change/" in text
    for person in (reported.reporter_id, reported.reported_id):
        assert f"/admin/accounts/enduser/{person}/change/" in text
    assert ("&lt;b&gt;A boat" in text, "<b>A boat" in text) == (True, False)
    assert found(staff, f"{REPORTS}?q={reported.chat_session_id}") == [reported.id]
    assert found(staff, f"{REPORTS}?q=boat") == [reported.id]


def test_open_reports_come_first(staff: Client, crowd: Crowd, meet: Meet, reported: Report) -> None:
    room = meet("cleo", "dan")
    later = rooms.report(principal=crowd.user("cleo"), chat_session_id=room.id, reason="other")
    assert found(staff, REPORTS) == [later.id, reported.id]
    act(staff, later, "dismiss_this")
    assert found(staff, REPORTS) == [reported.id, later.id]
    assert found(staff, f"{REPORTS}?state__exact=open") == [reported.id]


@pytest.mark.parametrize(("action", "state"), [("uphold_this", "upheld"), ("dismiss_this", "dismissed")])
def test_report_is_handled_and_audited(staff: Client, root: User, reported: Report, action: str, state: str) -> None:
    for _ in range(2):  # once is enough
        act(staff, reported, action)
    reported.refresh_from_db()
    assert (reported.state, reported.handled_by) == (state, root)
    assert reported.handled_at is not None
    (entry,) = AuditEntry.objects.filter(subject_id=reported.id)
    assert (entry.action, entry.details) == (f"report.{state}", {"reported": str(reported.reported_id)})
    assert "root@example.com" in read(staff, f"{REPORTS}{reported.id}/change/")


def test_staff_may_come_to_think_otherwise(staff: Client, reported: Report) -> None:
    for action, left in (("uphold_this", ["dismiss_this"]), ("dismiss_this", ["uphold_this"])):
        act(staff, reported, action)
        assert [name for name in shown_actions(staff, reported) if name != "end_room_this"] == left
    assert Report.objects.get().state == "dismissed"


def test_many_are_handled_at_once(staff: Client, reported: Report) -> None:
    chosen = {"action": "uphold", "_selected_action": [str(reported.id)]}
    texts = [staff.post(REPORTS, chosen, follow=True).content.decode() for _ in range(2)]
    assert ["Upheld: 1." in texts[0], "there was nothing to do" in texts[1]] == [True, True]


def test_room_is_ended_from_its_report(staff: Client, reported: Report) -> None:
    assert shown_actions(staff, reported) == ["uphold_this", "dismiss_this", "end_room_this"]
    for _ in range(2):
        act(staff, reported, "end_room_this")
    reported.chat_session.refresh_from_db()
    assert (reported.chat_session.status, reported.chat_session.end_reason) == ("ended", "ended_by_staff")
    assert AuditEntry.objects.get(action="room.ended").subject_id == reported.chat_session_id
    assert shown_actions(staff, reported) == ["uphold_this", "dismiss_this"]
    settle_all()
    assert statuses(*tickets_of("ada"), *tickets_of("ben")) == ["matched_human closed"] * 2


def test_reader_of_reports_handles_none(make_staff: MakeStaff, reported: Report) -> None:
    reader = make_staff("view_report")
    assert shown_actions(reader, reported) == []
    assert act(reader, reported, "uphold_this").status_code == 403
    assert Report.objects.get().state == "open"


def test_report_that_is_gone_is_an_error(db: None) -> None:
    with pytest.raises(NotFound):
        handle_report(report_id=uuid7(), state=Report.State.UPHELD, who=None)
    with pytest.raises(NotFound):
        end_reported_room(report_id=uuid7(), who=None)
    assert delete_blocks(block_ids=[uuid7()], who=None) == 0


# Blocks -------------------------------------------------------------------------------------------
@pytest.fixture
def block(crowd: Crowd, meet: Meet) -> Block:
    room = meet()
    return rooms.block(principal=crowd.user("ada"), chat_session_id=room.id)


def test_block_is_read_and_not_changed(staff: Client, block: Block) -> None:
    assert ("Ada" in read(staff, BLOCKS), found(staff, f"{BLOCKS}?q=ben")) == (True, [block.id])
    page = f"{BLOCKS}{block.id}/change/"
    assert f"/admin/accounts/enduser/{block.blocked_id}/change/" in read(staff, page)
    assert [staff.post(one, {"name": "x"}).status_code for one in (page, f"{BLOCKS}add/")] == [403, 403]


@pytest.mark.parametrize("is_alone", [True, False])
def test_block_is_taken_away_and_audited_without_names(staff: Client, block: Block, is_alone: bool) -> None:
    chosen = {"action": "delete_selected", "_selected_action": [str(block.id)]}
    address, body = (f"{BLOCKS}{block.id}/delete/", {}) if is_alone else (BLOCKS, chosen)
    staff.post(address, {**body, "post": "yes"})
    assert not Block.objects.exists()
    (entry,) = AuditEntry.objects.filter(action="block.deleted")
    assert (entry.subject_id, entry.details) == (block.id, {})


# The first page -----------------------------------------------------------------------------------
def test_first_page_counts_people_and_open_reports(staff: Client, crowd: Crowd, reported: Report) -> None:
    crowd.join("zoe")
    text = read(staff, "/admin/")
    assert "1 waiting, 0 with a personality, 2 in rooms" in text
    assert f'<a href="{REPORTS}" class="text-link">1 report to look at</a>' in text
    handle_report(report_id=reported.id, state=Report.State.DISMISSED, who=None)
    assert "to look at" not in read(staff, "/admin/")


def test_first_page_leads_nobody_where_they_may_not_go(make_staff: MakeStaff, reported: Report) -> None:
    text = read(make_staff(), "/admin/")
    assert ("1 report to look at" in text, REPORTS in text) == (True, False)

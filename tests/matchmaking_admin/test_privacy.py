"""What matchmaking keeps about people: exported, erased with either of two, and not kept for ever."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.utils import timezone

from chatify.accounts import personal_data
from chatify.accounts.erasure import erase_end_user
from chatify.accounts.models import EndUser, User
from chatify.accounts.personal_data import Holding, holdings, register_holding
from chatify.common.ids import uuid7
from chatify.events import bus
from chatify.events.bus import Sink, register_sink, unregister_sink
from chatify.events.models import OutboxRow
from chatify.matchmaking import holdings as ours
from chatify.matchmaking import purging, rooms
from chatify.matchmaking.look import Lookout
from chatify.matchmaking.models import Block, MatchProposal, MatchTicket, Report
from chatify.matchmaking.purging import first_id_of
from chatify.matchmaking.tasks import purge_tickets
from sessions.models import ChatSession, Message
from tests.matchmaking.crowd import Crowd, check_sound, fresh, proposal_of, statuses
from tests.matchmaking_admin.conftest import Meet, tickets_of


def person(name: str) -> EndUser:
    return EndUser.objects.get(external_id=name)


def erase(name: str) -> None:
    erase_end_user(end_user_id=person(name).id, who=None)
    assert not EndUser.objects.filter(external_id=name).exists()


def exported(name: str, kind: str) -> list[dict[str, Any]]:
    (holding,) = [one for one in holdings() if one.name == kind]
    assert holding.export is not None
    found, after = holding.export(person(name), None)
    while after is not None:
        more, after = holding.export(person(name), after)
        found += more
    return found


# Exports ------------------------------------------------------------------------------------------
def test_export_has_tickets_blocks_and_reports_of_ones_own(crowd: Crowd, reported: Report) -> None:
    room = reported.chat_session
    rooms.block(principal=crowd.user("ada"), chat_session_id=room.id)
    (ticket,) = exported("ada", "match_tickets")
    assert (ticket["status"], ticket["session"], ticket["close_reason"]) == ("matched_human", str(room.id), "left")
    assert not {"user", "proposal", "ws_url"} & ticket.keys()
    assert [one["name"] for one in exported("ada", "blocks")] == ["Ben"]
    (told,) = exported("ada", "reports")
    assert (told["reason"], told["comment"], told["chat_session_id"]) == ("spam", "<b>A boat", room.id)


def test_export_does_not_tell_who_blocks_or_reports_one(crowd: Crowd, reported: Report) -> None:
    rooms.block(principal=crowd.user("ada"), chat_session_id=reported.chat_session_id)
    assert (exported("ben", "blocks"), exported("ben", "reports")) == ([], [])


def test_long_export_goes_on_from_page_to_page(crowd: Crowd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ours, "READ_AT_ONCE", 2)
    for _ in range(5):
        MatchTicket.objects.live().update(closed_at=timezone.now(), status="expired")
        crowd.join("ada")
    assert [one["id"] for one in exported("ada", "match_tickets")] == [str(one.id) for one in tickets_of("ada")]


# Erasure ------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("name", "other"), [("ada", "ben"), ("ben", "ada")])
def test_room_goes_with_either_and_the_other_is_told(crowd: Crowd, reported: Report, name: str, other: str) -> None:
    Message.objects.create(
        tenant_id=crowd.principal.tenant_id, chat_session=reported.chat_session, seq=1, role="human",
        content="hello", created_at=timezone.now(),
    )  # fmt: skip
    (ticket,) = tickets_of(other)
    erase(name)
    assert [model.objects.count() for model in (ChatSession, Message, Report)] == [0, 0, 0]
    left = fresh(ticket)
    assert (left.close_reason, left.room) == ("partner_left", None)
    again = crowd.join(other)
    assert (again.id != ticket.id, again.status) == (True, "waiting")


def test_who_waits_is_met_by_nobody_any_more(crowd: Crowd) -> None:
    crowd.join("ada")
    erase("ada")
    ben = crowd.join("ben")
    Lookout().look()
    assert (statuses(ben), MatchTicket.objects.count()) == (["waiting"], 1)


def test_who_was_asked_about_them_goes_on(crowd: Crowd) -> None:
    crowd.alone("ada")
    ben = crowd.chatting("ben")
    Lookout().look()
    assert proposal_of(ben).state == "open"
    erase("ada")
    assert (statuses(ben), fresh(ben).proposal, MatchProposal.objects.exists()) == (["with_chatbot"], None, False)
    check_sound()


def test_who_talks_to_a_personality_leaves_the_queue(crowd: Crowd) -> None:
    crowd.chatting("ada")
    erase("ada")
    assert [model.objects.count() for model in (ChatSession, MatchTicket)] == [0, 0]


@pytest.mark.parametrize("name", ["ada", "ben"])
def test_blocks_go_with_either(crowd: Crowd, meet: Meet, name: str) -> None:
    room = meet()
    block = rooms.block(principal=crowd.user("ada"), chat_session_id=room.id)
    staff = User.objects.create_user("staff@example.org")
    LogEntry.objects.create(
        user=staff, content_type=ContentType.objects.get_for_model(Block), object_id=str(block.id),
        object_repr=str(block), action_flag=3,
    )  # fmt: skip
    erase(name)
    assert not Block.objects.exists()
    assert LogEntry.objects.get().object_repr == "(erased)"


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test registers is forgotten after it."""
    monkeypatch.setattr(personal_data, "_holdings", dict(personal_data._holdings))


def test_who_is_queued_again_meanwhile_is_erased_all_the_same(registry: None, crowd: Crowd) -> None:
    def queue_again(end_user: EndUser) -> None:
        if len(tickets_of("ada")) == 1:
            crowd.join("ada")
            crowd.join("ben")
            Lookout().look()
            assert statuses(*tickets_of("ben")) == ["matched_human"]

    crowd.join("ada")
    register_holding(Holding("busy", erase=queue_again))
    erase("ada")
    (ben,) = tickets_of("ben")
    assert (statuses(ben), fresh(ben).close_reason) == (["matched_human closed"], "partner_left")


def test_they_leave_before_anything_is_hidden(registry: None, meet: Meet) -> None:
    """Match tickets are locked before chat sessions, as everywhere."""
    room, seen = meet(), list[str]()
    register_holding(Holding("witness", leave=lambda _: seen.append(ChatSession.objects.get(id=room.id).status)))
    unlisten = bus.listen(lambda event: seen.append(event.name))
    try:
        erase("ada")
    finally:
        unlisten()
    assert seen[0] == "ended"
    assert ChatSession.objects.filter(id=room.id).exists() is False


def test_nothing_about_the_erased_ticket_waits_for_sinks(crowd: Crowd, meet: Meet) -> None:
    meet()
    register_sink(Sink("test", lambda: True, lambda event: event.name.startswith("match.")))
    try:
        erase("ada")
    finally:
        unregister_sink("test")
    (ben,) = tickets_of("ben")
    assert list(OutboxRow.objects.values_list("event", "subject_id")) in ([], [("match.closed", ben.id)])


def test_erasure_goes_in_batches(crowd: Crowd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ours, "PURGED_AT_ONCE", 2)
    for _ in range(5):
        MatchTicket.objects.live().update(closed_at=timezone.now(), status="expired")
        crowd.join("ada")
    erase("ada")
    assert not MatchTicket.objects.exists()


# Retention ----------------------------------------------------------------------------------------
def aged(ticket: MatchTicket, days: float, *, is_closed: bool = True) -> MatchTicket:
    """The same ticket, as if it had been made so long ago, and perhaps closed at once."""
    then = timezone.now() - timedelta(days=days)
    MatchTicket.objects.filter(id=ticket.id).delete()
    ticket.id, ticket.created_at = first_id_of(then), then
    if is_closed:
        ticket.closed_at, ticket.status = then, MatchTicket.Status.EXPIRED
    ticket.save(force_insert=True)
    return ticket


def test_tickets_that_were_closed_long_ago_are_forgotten(crowd: Crowd) -> None:
    aged(crowd.join("ada"), 31)
    recent, live = aged(crowd.join("ada"), 29), aged(crowd.join("ben"), 31, is_closed=False)
    assert purge_tickets() == 1
    assert set(MatchTicket.objects.all()) == {recent, live}
    assert purge_tickets() == 0


def test_purge_goes_in_batches(crowd: Crowd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purging, "PURGED_AT_ONCE", 2)
    for day in range(5):
        aged(crowd.join("ada"), 40 + day)
    assert purge_tickets() == 5


def test_questions_go_with_their_tickets(crowd: Crowd) -> None:
    gone, asked = aged(crowd.join("ada"), 31), crowd.join("ben")
    now = timezone.now()
    question = MatchProposal.objects.create(
        tenant_id=asked.tenant_id, first=gone, second=asked, state="declined", created_at=now, expires_at=now
    )
    MatchTicket.objects.filter(id=asked.id).update(proposal=question)
    assert purge_tickets() == 1
    assert (MatchProposal.objects.exists(), fresh(asked).proposal) == (False, None)


def test_ids_tell_when_a_ticket_was_made() -> None:
    now = timezone.now()
    made = uuid7()
    assert first_id_of(now - timedelta(seconds=1)) < made < first_id_of(timezone.now() + timedelta(seconds=1))

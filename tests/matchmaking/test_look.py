"""A look at the queue: who meets, who gets a personality, who is gone."""

from __future__ import annotations

from datetime import timedelta
from time import monotonic

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from chatify.accounts.models import EndUser
from chatify.events import bus
from chatify.matchmaking import look
from chatify.matchmaking.look import Lookout
from chatify.matchmaking.models import Block, MatchTicket
from chatify.matchmaking.steps import is_gone
from sessions.models import ChatSession, Message
from templates_app.catalogue import catalogue
from templates_app.models import PromptTemplate
from tests.matchmaking.crowd import Crowd, check_sound, fresh, statuses, unseen_for, waited_for

pytestmark = pytest.mark.django_db


def test_two_who_wait_meet_at_once(crowd: Crowd, lookout: Lookout) -> None:
    alice, bob = crowd.join("alice", language="en"), crowd.join("bob", language="en-GB")
    lookout.look()
    alice, bob = fresh(alice), fresh(bob)
    assert statuses(alice, bob) == ["matched_human"] * 2
    assert alice.room_id == bob.room_id
    assert alice.room is not None
    assert (alice.room.mode, alice.room.end_user_id, alice.room.partner_id) == (
        "human",
        alice.end_user_id,
        bob.end_user_id,
    )
    assert alice.served_at is not None
    assert alice.version == 1


def test_who_is_due_gets_a_personality(crowd: Crowd, lookout: Lookout) -> None:
    ticket = crowd.join_late("alice", waited=10.1)
    lookout.look()
    ticket = fresh(ticket)
    assert ticket.status == "with_chatbot"
    assert ticket.closed_at is None
    chat = ticket.chat_session
    assert chat is not None
    assert chat.metadata == {"match_ticket": str(ticket.id), "reason": "chatbot_fallback_triggered"}
    assert (chat.mode, chat.participants.count(), chat.greeting) == ("ai", 2, "I am milo.")


def test_nobody_gets_a_personality_early(crowd: Crowd, lookout: Lookout) -> None:
    ticket = crowd.join_late("alice", waited=8)
    outlook = lookout.look()
    assert statuses(ticket) == ["waiting"]
    assert outlook.due_in is not None
    assert 0 < outlook.due_in < 2.1


def test_personality_that_was_asked_for(crowd: Crowd, lookout: Lookout) -> None:
    ticket = crowd.join_late("alice", waited=11, template="nora")
    lookout.look()
    chat = fresh(ticket).chat_session
    assert chat is not None
    assert (chat.template.slug, chat.chosen_by) == ("nora", "explicit")


def test_personality_that_is_gone_is_replaced(crowd: Crowd, lookout: Lookout) -> None:
    ticket = crowd.join_late("alice", waited=11, template="nora")
    PromptTemplate.objects.filter(slug="nora").update(is_active=False)
    catalogue.forget()
    lookout.look()
    assert fresh(ticket).chat_session.template.slug == "milo"


def test_personality_for_adults_is_replaced_for_who_became_younger(crowd: Crowd, lookout: Lookout) -> None:
    ticket = crowd.join_late("alice", waited=11, template="vivi")
    EndUser.objects.update(age=15)
    lookout.look()
    assert fresh(ticket).chat_session.template.slug == "milo"


def test_no_personality_on_offer_lets_them_wait_and_is_tried_again(
    crowd: Crowd, lookout: Lookout, caplog: pytest.LogCaptureFixture
) -> None:
    ticket = crowd.join_late("alice", waited=11)
    PromptTemplate.objects.update(is_active=False)
    catalogue.forget()
    lookout.look()
    lookout._held.clear()
    lookout.look()
    assert statuses(ticket) == ["waiting"]
    assert caplog.text.count("no_personality_for_waiting") == 1
    PromptTemplate.objects.update(is_active=True)
    catalogue.forget()
    lookout._held.clear()
    lookout.look()
    assert statuses(ticket) == ["with_chatbot"]


def test_who_is_held_is_not_tried_at_each_look(crowd: Crowd, lookout: Lookout) -> None:
    ticket = crowd.join_late("alice", waited=11)
    PromptTemplate.objects.update(is_active=False)
    catalogue.forget()
    lookout.look()
    PromptTemplate.objects.update(is_active=True)
    lookout.look()
    assert statuses(ticket) == ["waiting"], "a second has to pass"


def test_many_are_served_in_few_statements(crowd: Crowd, lookout: Lookout) -> None:
    tickets = [crowd.join_late(f"p{n}", waited=11, interests=[f"i{n}"], strict=["interests"]) for n in range(60)]
    with CaptureQueriesContext(
        connection,
    ) as queries:
        lookout.look()
    assert set(statuses(*tickets)) == {"with_chatbot"}
    assert len(queries) < 60
    assert ChatSession.objects.count() == 60


def test_look_at_an_empty_queue_is_one_query(crowd: Crowd, lookout: Lookout) -> None:
    lookout.look()
    with CaptureQueriesContext(connection) as queries:
        lookout.look()
    assert len(queries) == 1


def test_blocked_do_not_meet_but_others_do(crowd: Crowd, lookout: Lookout) -> None:
    alice, bob, carol = (crowd.join_late(name, waited=8) for name in ("alice", "bob", "carol"))
    Block.objects.create(tenant_id=alice.tenant_id, blocker=bob.end_user, blocked=alice.end_user)
    lookout.look()
    assert statuses(alice, bob, carol) == ["matched_human", "waiting", "matched_human"]
    check_sound()


def test_blocked_pair_is_left_alone(crowd: Crowd, lookout: Lookout) -> None:
    alice, bob = crowd.join("alice"), crowd.join("bob")
    Block.objects.create(tenant_id=alice.tenant_id, blocker=bob.end_user, blocked=alice.end_user)
    lookout.look()
    lookout.look()
    assert statuses(alice, bob) == ["waiting"] * 2


def test_bands_and_tenants_do_not_mix(crowd: Crowd, lookout: Lookout, stranger_crowd: Crowd) -> None:
    tickets = [
        waited_for(crowd.join("minor", age=17), 9),
        waited_for(crowd.join("adult", age=18), 9),
        waited_for(crowd.join("unknown", age=None), 9),
        waited_for(stranger_crowd.join("adult", age=18), 9),
    ]
    lookout.look()
    assert statuses(*tickets) == ["waiting"] * 4


def test_who_is_gone_expires(crowd: Crowd, lookout: Lookout, settings: object) -> None:
    settings.MATCH_TIMEOUT_SECONDS = 100
    ticket, here = crowd.join("alice", language="en", strict=["language"]), crowd.join("bob", language="de")
    unseen_for(ticket, 31)
    lookout.look()
    assert statuses(ticket, here) == ["expired closed", "waiting"]
    assert fresh(ticket).close_reason == "not_seen"


def test_who_was_here_at_their_deadline_is_served_late() -> None:
    now = timezone.now()
    assert not is_gone(now - timedelta(seconds=100), now - timedelta(seconds=90), now)
    assert is_gone(now - timedelta(seconds=100), now - timedelta(seconds=60), now)
    assert is_gone(now - timedelta(seconds=331), now - timedelta(seconds=330), now)
    assert not is_gone(now - timedelta(seconds=29), now + timedelta(seconds=60), now)
    assert is_gone(now - timedelta(seconds=31), now - timedelta(seconds=25), now, is_left_out=True)
    assert not is_gone(now - timedelta(seconds=29), now - timedelta(seconds=25), now, is_left_out=True)


def test_who_was_away_meets_nobody_but_gets_what_was_due(crowd: Crowd, lookout: Lookout) -> None:
    ghost, here = crowd.join_late("alice", waited=25), crowd.join("bob")
    unseen_for(ghost, 31)
    lookout.look()
    assert statuses(ghost, here) == ["with_chatbot", "waiting"]


def test_who_is_gone_while_there_is_no_personality_expires(crowd: Crowd, lookout: Lookout) -> None:
    ghost = crowd.join_late("alice", waited=40)
    PromptTemplate.objects.update(is_active=False)
    catalogue.forget()
    lookout.look()
    assert statuses(ghost) == ["waiting"]
    unseen_for(ghost, 31)
    lookout._held.clear()
    here = crowd.join("bob")
    lookout.look()
    assert statuses(ghost, here) == ["expired closed", "waiting"]


def test_one_who_is_erased_holds_up_nobody(crowd: Crowd, lookout: Lookout, monkeypatch: pytest.MonkeyPatch) -> None:
    from django.db import IntegrityError

    from chatify.matchmaking import deadlines

    tickets = [crowd.join_late(f"p{n}", waited=11, interests=[f"i{n}"], strict=["interests"]) for n in range(5)]
    bad = tickets[2].end_user_id
    real = deadlines.save_chat_sessions

    def save(rows: list[ChatSession]) -> None:
        if any(row.end_user_id == bad for row in rows):
            raise IntegrityError
        real(rows)

    monkeypatch.setattr(deadlines, "save_chat_sessions", save)
    lookout.look()
    assert statuses(*tickets) == ["with_chatbot"] * 2 + ["waiting"] + ["with_chatbot"] * 2


def test_events_are_told_for_both(crowd: Crowd, lookout: Lookout, django_capture_on_commit_callbacks: object) -> None:
    told: list[bus.Event] = []
    stop = bus.listen(told.append)
    try:
        with django_capture_on_commit_callbacks(execute=True):
            alice, bob = crowd.join("alice"), crowd.join("bob")
            lookout.look()
    finally:
        stop()
    room = fresh(alice).room_id
    match = [(one.name, one.subject_id, one.chat_session_id) for one in told if one.name.startswith("match.")]
    assert match == [
        ("match.joined", alice.id, None), ("match.joined", bob.id, None),
        ("match.human_found", alice.id, None), ("match.human_found", bob.id, None),
        ("match.matched", alice.id, room), ("match.matched", bob.id, room),
    ]  # fmt: skip


def test_room_and_chat_session_that_are_over_close_their_tickets(crowd: Crowd, lookout: Lookout) -> None:
    alice, bob = crowd.join("alice"), crowd.join("bob")
    lookout.look()
    carol = crowd.chatting("carol")
    ChatSession.objects.update(status="ended")
    lookout._done_at.clear()
    lookout.look()
    assert statuses(alice, bob, carol) == ["matched_human closed"] * 2 + ["with_chatbot closed"]
    assert [fresh(one).close_reason for one in (alice, carol)] == ["room_ended", "chat_ended"]


def test_chat_session_that_ended_just_now_closes_its_ticket(crowd: Crowd, lookout: Lookout) -> None:
    carol, dave = crowd.chatting("carol"), crowd.chatting("dave")
    lookout._done_at = {"talking": monotonic(), "settle": monotonic()}
    ChatSession.objects.update(status="ended")
    lookout.look([carol.chat_session_id])
    assert statuses(carol, dave) == ["with_chatbot closed", "with_chatbot"]


def test_all_whose_rooms_ended_just_now_are_closed(crowd: Crowd, lookout: Lookout) -> None:
    for number in range(54):
        crowd.join(f"p{number}")
    while lookout.look().is_more:  # when there was no time for all
        pass
    rooms = list(ChatSession.objects.filter(mode="human").values_list("id", flat=True))
    ChatSession.objects.update(status="ended")
    lookout._done_at["settle"] = monotonic()
    outlook = lookout.look(rooms)
    while outlook.is_more:
        outlook = lookout.look()
    assert not MatchTicket.objects.live().exists()


def test_nobody_has_two_live_tickets(crowd: Crowd) -> None:
    tickets = {crowd.join("alice").id for _ in range(3)}
    assert len(tickets) == 1
    assert MatchTicket.objects.count() == 1
    assert not Message.objects.exists()


@pytest.mark.parametrize("seconds", [60, 0])
def test_all_whose_talk_is_over_are_settled(
    crowd: Crowd, lookout: Lookout, monkeypatch: pytest.MonkeyPatch, seconds: int
) -> None:
    """After the servers were away, say, when no event told of it: in one look, or in several if there is no time."""
    monkeypatch.setattr(look, "BUSY_SECONDS", seconds)
    tickets = [
        crowd.join_late(f"user{number}", waited=11, interests=[f"i{number}"], strict=["interests"])
        for number in range(55)
    ]
    lookout.look()
    ChatSession.objects.update(status="ended", end_reason="silence", ended_at=timezone.now())
    lookout._done_at.clear()
    lookout.look()
    assert statuses(*tickets).count("with_chatbot closed") == (55 if seconds else 50)
    lookout.look()
    assert statuses(*tickets) == ["with_chatbot closed"] * 55

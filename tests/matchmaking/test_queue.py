"""Joining, cancelling, staying alive: for keys and for people, and idempotent."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from chatify.accounts.erasure import erase_end_user
from chatify.accounts.models import EndUser
from chatify.accounts.profile import UserInput
from chatify.common.errors import AgeRestricted, Conflict, Forbidden, InvalidInput, NotFound
from chatify.common.inputs import check
from chatify.matchmaking import queue
from chatify.matchmaking.look import Lookout
from chatify.matchmaking.models import MatchTicket
from chatify.matchmaking.objects import ticket_object
from chatify.matchmaking.preferences import Preferences, band_of, clean_interests, primary_language
from chatify.matchmaking.rooms import leave_room
from sessions.actions import delete_chat_sessions, end_chat_session
from sessions.models import ChatSession
from tests.matchmaking.crowd import Crowd, fresh, statuses, unseen_for

pytestmark = pytest.mark.django_db


def test_ticket_has_the_profile_and_the_deadline(crowd: Crowd) -> None:
    user = UserInput(external_id="alice", age=17, interests=["Music ", "music", "Go"])
    ticket, is_new = queue.join(principal=crowd.principal, user=user, preferences=Preferences(language="pt-BR"))
    assert is_new
    assert (ticket.band, ticket.language, ticket.interests) == ("minor", "pt-BR", ["music", "go"])
    assert ticket.deadline - ticket.created_at == timedelta(seconds=10)
    told = ticket_object(ticket, "ws://here")
    assert (told["status"], told["session"], told["proposal"], told["reason"]) == ("waiting", None, None, None)
    assert told["ws_url"] == "ws://here/ws/v1/match/"


def test_interests_of_the_call_go_before_those_of_the_profile(crowd: Crowd) -> None:
    user = UserInput(external_id="alice", interests=["music"])
    ticket, _ = queue.join(principal=crowd.principal, user=user, preferences=Preferences(interests=[]))
    assert ticket.interests == []


def test_joining_again_gives_the_same_ticket_and_renews_it(crowd: Crowd) -> None:
    ticket = crowd.join("alice")
    unseen_for(ticket, 20)
    again, is_new = queue.join(
        principal=crowd.principal, user=UserInput(external_id="alice"), preferences=Preferences(language="de")
    )
    assert (again.id, is_new, again.language) == (ticket.id, False, "")
    assert timezone.now() - fresh(ticket).seen_at < timedelta(seconds=5)


def test_join_in_a_room_gives_the_ticket_of_the_room(crowd: Crowd, lookout: Lookout) -> None:
    ticket = crowd.join("alice")
    crowd.join("bob")
    lookout.look()
    assert crowd.join("alice").id == ticket.id


def test_key_has_to_name_somebody(crowd: Crowd) -> None:
    with pytest.raises(InvalidInput) as caught:
        queue.join(principal=crowd.principal, user=None, preferences=Preferences())
    assert caught.value.errors[0].field == "user.external_id"


def test_people_join_for_themselves_only(crowd: Crowd) -> None:
    crowd.join("bob")
    crowd.join("alice")
    alice = crowd.user("alice")
    joined, _ = queue.join(principal=alice, user=None, preferences=Preferences())
    assert joined.end_user_id == alice.end_user_id
    with pytest.raises(InvalidInput, match="somebody else"):
        queue.join(principal=alice, user=UserInput(external_id="bob"), preferences=Preferences())


def test_credential_of_one_chat_session_does_not_queue(crowd: Crowd) -> None:
    ticket = crowd.join("alice")
    bound = replace(crowd.user("alice"), chat_session_id=uuid4())
    with pytest.raises(Forbidden, match="one chat session"):
        queue.join(principal=bound, user=None, preferences=Preferences())
    with pytest.raises(Forbidden):
        queue.get_ticket(bound, ticket.id)


def test_tickets_of_others_are_not_found(crowd: Crowd, stranger_crowd: Crowd) -> None:
    ticket = crowd.join("alice")
    crowd.join("bob")
    assert queue.get_ticket(crowd.principal, ticket.id) == ticket
    assert queue.get_ticket(crowd.user("alice"), ticket.id) == ticket
    for principal in (crowd.user("bob"), stranger_crowd.principal):
        with pytest.raises(NotFound):
            queue.get_ticket(principal, ticket.id)


def test_unknown_personality_is_refused_by_name(crowd: Crowd) -> None:
    with pytest.raises(InvalidInput) as caught:
        crowd.join("alice", template="nobody")
    assert (caught.value.code, caught.value.errors[0].field) == ("unknown_template", "preferences.template")
    assert not EndUser.objects.exists()


def test_personality_for_adults_is_refused_to_others(crowd: Crowd) -> None:
    with pytest.raises(AgeRestricted):
        crowd.join("alice", age=17, template="vivi")
    assert crowd.join("bob", age=18, template="vivi").template == "vivi"


def test_cancel_once_or_twice(crowd: Crowd) -> None:
    ticket = crowd.join("alice")
    for _ in range(2):
        assert queue.cancel(ticket_id=ticket.id).status == "cancelled"
    row = fresh(ticket)
    assert (row.close_reason, row.version) == ("cancelled", 1)
    assert crowd.join("alice").id != ticket.id
    with pytest.raises(NotFound):
        queue.cancel(ticket_id=uuid4())


def test_cancel_beside_a_personality_lets_the_chat_go_on(crowd: Crowd) -> None:
    ticket = crowd.chatting("alice")
    queue.cancel(ticket_id=ticket.id)
    assert statuses(ticket) == ["with_chatbot closed"]
    assert fresh(ticket).chat_session.status == "active"


def test_cancel_in_a_room_is_refused(crowd: Crowd, lookout: Lookout) -> None:
    ticket = crowd.join("alice")
    crowd.join("bob")
    lookout.look()
    with pytest.raises(Conflict) as caught:
        queue.cancel(ticket_id=ticket.id)
    assert caught.value.code == "in_room"
    ChatSession.objects.update(status="ended")
    assert queue.cancel(ticket_id=ticket.id).close_reason == "room_ended"


def test_heartbeats_keep_alive_who_is_live(crowd: Crowd) -> None:
    here, gone = crowd.join("alice"), crowd.join("bob")
    queue.cancel(ticket_id=gone.id)
    for one in (here, gone):
        unseen_for(one, 20)
    queue.heartbeat(ticket_ids=[here.id, gone.id, uuid4()])
    queue.heartbeat(ticket_ids=[])
    assert fresh(here).seen_at > timezone.now() - timedelta(seconds=5)
    assert fresh(gone).seen_at < timezone.now() - timedelta(seconds=15)
    assert fresh(here).version == 0


# The next one -----------------------------------------------------------------------------------------
def test_next_leaves_the_room_and_queues_again(crowd: Crowd, lookout: Lookout) -> None:
    first, bob = crowd.join("alice"), crowd.join("bob")
    lookout.look()
    ticket = crowd.join("alice", leave=True)
    assert ticket.id != first.id
    assert statuses(first, bob, ticket) == ["matched_human closed"] * 2 + ["waiting"]
    assert [fresh(one).close_reason for one in (first, bob)] == ["left", "partner_left"]
    room = fresh(first).room
    assert (room.status, room.end_reason) == ("ended", "participant_left")


def test_next_leaves_the_personality(crowd: Crowd) -> None:
    first = crowd.chatting("alice")
    ticket = crowd.join("alice", leave=True)
    assert statuses(first, ticket) == ["with_chatbot closed", "waiting"]
    assert fresh(first).chat_session.status == "ended"


def test_next_leaves_a_personality_that_was_deleted_in_this_moment(
    crowd: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = crowd.chatting("alice")

    def settle(_: object) -> int:
        delete_chat_sessions(chat_session_ids=[first.chat_session_id])
        return 0

    monkeypatch.setattr(queue, "settle", settle)
    ticket = crowd.join("alice", leave=True)
    assert statuses(first, ticket) == ["with_chatbot closed", "waiting"]


def test_next_keeps_the_place_of_who_waits(crowd: Crowd) -> None:
    assert crowd.join("alice").id == crowd.join("alice", leave=True).id


def test_last_partner_is_not_met_at_once_but_later(crowd: Crowd, lookout: Lookout) -> None:
    crowd.join("alice")
    crowd.join("bob")
    lookout.look()
    alice, bob = crowd.join("alice", leave=True), crowd.join("bob", leave=True)
    assert (alice.avoid_user_id, bob.avoid_user_id) == (bob.end_user_id, alice.end_user_id)
    lookout.look()
    assert statuses(alice, bob) == ["waiting"] * 2
    MatchTicket.objects.update(avoid_until=timezone.now() - timedelta(seconds=1))  # SQLite has milliseconds
    lookout = Lookout()
    lookout.look()
    assert statuses(alice, bob) == ["matched_human"] * 2


def test_ticket_of_a_room_that_is_over_is_replaced(crowd: Crowd, lookout: Lookout) -> None:
    first, bob = crowd.join("alice"), crowd.join("bob")
    lookout.look()
    end_chat_session(chat_session_id=fresh(first).room_id, reason="silence")
    ticket = crowd.join("alice")
    assert ticket.id != first.id
    assert statuses(first, bob) == ["matched_human closed"] * 2
    assert ticket.avoid_user_id == bob.end_user_id


def test_ticket_of_an_ai_chat_that_is_over_is_replaced(crowd: Crowd) -> None:
    first = crowd.chatting("alice")
    end_chat_session(chat_session_id=first.chat_session_id, reason="user")
    assert crowd.join("alice").id != first.id
    assert fresh(first).close_reason == "chat_ended"


def test_leaving_a_room_frees_both(crowd: Crowd, lookout: Lookout) -> None:
    alice, bob = crowd.join("alice"), crowd.join("bob")
    lookout.look()
    room_id = fresh(alice).room_id
    for _ in range(2):
        leave_room(principal=crowd.user("bob"), chat_session_id=room_id)
    assert [fresh(one).close_reason for one in (alice, bob)] == ["partner_left", "left"]


# Input ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"language": "e"}, "language"),
        ({"language": "en_GB"}, "language"),
        ({"language": "x" * 36}, "language"),
        ({"interests": ["x" * 41]}, "interests.0"),
        ({"interests": ["x"] * 21}, "interests"),
        ({"strict": ["age"]}, "strict.0"),
        ({"template": "no slug"}, "template"),
        ({"band": "adult"}, "band"),
    ],
)
def test_bad_preferences_name_the_field(given: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check(Preferences, given)
    assert caught.value.errors[0].field == field


def test_words_are_compared_without_case_and_regions() -> None:
    assert [band_of(age) for age in (None, 0, 17, 18, 99)] == ["unknown", "minor", "minor", "adult", "adult"]
    assert clean_interests([" Board  Games", "board games", "STRASSE", "straße", " "]) == ["board games", "strasse"]
    assert [primary_language(tag) for tag in ("en-GB", "EN", "")] == ["en", "en", ""]


def test_who_is_erased_in_this_moment_does_not_queue(crowd: Crowd, monkeypatch: pytest.MonkeyPatch) -> None:
    from django.db import IntegrityError

    def fail(work: object) -> None:
        raise IntegrityError

    monkeypatch.setattr(queue, "in_one_go", fail)
    with pytest.raises(Conflict) as caught:
        crowd.join("alice")
    assert caught.value.code == "user_erased"
    assert erase_end_user is not None

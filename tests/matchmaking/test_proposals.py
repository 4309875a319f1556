"""Asking who talks to a personality: accept, stay, no answer, and what comes in between."""

from __future__ import annotations

from datetime import timedelta
from time import monotonic
from uuid import uuid4

import pytest
from django.utils import timezone

from chatify.common.errors import Conflict
from chatify.matchmaking import queue
from chatify.matchmaking.look import Lookout
from chatify.matchmaking.models import Block, MatchProposal, MatchTicket
from chatify.matchmaking.objects import ticket_object
from sessions.actions import delete_chat_sessions
from sessions.models import Message
from templates_app.models import PromptTemplate
from tests.matchmaking.crowd import Crowd, check_sound, fresh, proposal_of, statuses, unseen_for, waited_for

pytestmark = pytest.mark.django_db


def look_again(lookout: Lookout) -> None:
    """As if time had passed for all that is done from time to time."""
    lookout._done_at.clear()
    lookout.look()


def over(proposal: MatchProposal) -> None:
    MatchProposal.objects.filter(id=proposal.id).update(expires_at=timezone.now() - timedelta(seconds=1))


def test_who_talks_to_a_personality_is_asked_and_who_waits_is_willing(crowd: Crowd, lookout: Lookout) -> None:
    alice, bob = crowd.chatting("alice"), crowd.alone("bob")
    lookout.look()
    assert statuses(alice, bob) == ["with_chatbot", "waiting"]
    proposal = proposal_of(alice)
    assert proposal == proposal_of(bob)
    assert proposal.expires_at - proposal.created_at == timedelta(seconds=20)
    told = [ticket_object(fresh(one), "")["proposal"] for one in (alice, bob)]
    assert [one["must_answer"] for one in told] == [True, False]
    assert told[0]["state"] == "open"


def test_who_has_just_come_may_still_meet_others_who_wait(crowd: Crowd, lookout: Lookout, settings: object) -> None:
    alice = crowd.chatting("alice")
    settings.MATCH_TIMEOUT_SECONDS = 100
    bob = crowd.join("bob")
    lookout.look()
    assert fresh(alice).proposal == fresh(bob).proposal is None
    waited_for(bob, 10)
    Lookout().look()
    assert proposal_of(alice) == proposal_of(bob)


def test_accept_opens_the_room_after_a_goodbye(crowd: Crowd, lookout: Lookout) -> None:
    PromptTemplate.objects.update(goodbye="Bye, {{ user.name }}!")
    alice, bob = crowd.chatting("alice"), crowd.alone("bob")
    lookout.look()
    accepted = queue.accept(ticket_id=alice.id, proposal_id=proposal_of(alice).id)
    assert accepted.status == "matched_human"
    assert accepted.room_id == fresh(bob).room_id
    chat = fresh(alice).chat_session
    assert (chat.status, chat.end_reason, chat.speaker) == ("ended", "human_found", "nobody")
    assert [one.content for one in Message.objects.filter(chat_session=chat)] == ["Bye, Alice!"]
    assert proposal_of(alice).state == "accepted"
    assert queue.accept(ticket_id=alice.id, proposal_id=proposal_of(alice).id).room_id == accepted.room_id
    check_sound()


def test_stay_asks_nobody_again_for_a_minute(crowd: Crowd, lookout: Lookout) -> None:
    alice, bob = crowd.chatting("alice"), crowd.alone("bob")
    lookout.look()
    proposal = proposal_of(alice)
    for _ in range(2):
        queue.stay(ticket_id=alice.id, proposal_id=proposal.id)
    look_again(lookout)
    assert proposal_of(alice) == proposal_of(bob) == proposal
    assert (proposal_of(alice).state, statuses(alice, bob)) == ("declined", ["with_chatbot", "waiting"])
    MatchTicket.objects.update(ask_after=timezone.now())
    look_again(lookout)
    assert proposal_of(alice).state == "open"
    assert proposal_of(alice) != proposal


def test_no_answer_is_a_no(crowd: Crowd, lookout: Lookout) -> None:
    alice, bob = crowd.chatting("alice"), crowd.alone("bob")
    lookout.look()
    over(proposal_of(alice))
    with pytest.raises(Conflict) as caught:
        queue.accept(ticket_id=alice.id, proposal_id=proposal_of(alice).id)
    assert caught.value.code == "proposal_closed"
    look_again(lookout)
    assert proposal_of(alice).state == "expired"
    assert fresh(alice).ask_after > timezone.now() + timedelta(seconds=50)
    assert fresh(bob).ask_after is None


def test_yes_lasts_when_a_personality_steps_in(crowd: Crowd, lookout: Lookout) -> None:
    alice, bob = crowd.chatting("alice"), crowd.alone("bob")
    lookout.look()
    waited_for(bob, 11)
    lookout.look()
    assert statuses(bob) == ["with_chatbot"]
    queue.accept(ticket_id=alice.id, proposal_id=proposal_of(alice).id)
    assert statuses(alice, bob) == ["matched_human"] * 2
    assert fresh(bob).chat_session.end_reason == "human_found"
    check_sound()


def test_two_with_personalities_are_both_asked(crowd: Crowd, lookout: Lookout) -> None:
    alice, bob = crowd.chatting("alice"), crowd.chatting("bob")
    look_again(lookout)
    proposal = proposal_of(alice)
    assert [proposal.is_first_willing, proposal.is_second_willing] == [False, False]
    queue.accept(ticket_id=alice.id, proposal_id=proposal.id)
    assert statuses(alice, bob) == ["with_chatbot"] * 2
    assert not ticket_object(fresh(alice), "")["proposal"]["must_answer"]
    assert ticket_object(fresh(bob), "")["proposal"]["must_answer"]
    queue.accept(ticket_id=bob.id, proposal_id=proposal.id)
    assert statuses(alice, bob) == ["matched_human"] * 2


def test_who_waits_meets_who_waits_and_the_question_is_withdrawn(crowd: Crowd, lookout: Lookout) -> None:
    alice, bob = crowd.chatting("alice"), crowd.alone("bob")
    lookout.look()
    proposal = proposal_of(alice)
    carol = crowd.join("carol")
    lookout.look()
    assert statuses(alice, bob, carol) == ["with_chatbot", "matched_human", "matched_human"]
    assert (proposal_of(alice).state, fresh(alice).ask_after) == ("withdrawn", None)
    with pytest.raises(Conflict):
        queue.accept(ticket_id=alice.id, proposal_id=proposal.id)
    check_sound()


@pytest.mark.parametrize("who", ["alice", "bob"])
def test_cancel_withdraws_the_question(crowd: Crowd, lookout: Lookout, who: str) -> None:
    tickets = {"alice": crowd.chatting("alice"), "bob": crowd.alone("bob")}
    lookout.look()
    version = {name: fresh(one).version for name, one in tickets.items()}
    queue.cancel(ticket_id=tickets[who].id)
    assert proposal_of(tickets["alice"]).state == "withdrawn"
    other = next(one for name, one in tickets.items() if name != who)
    assert fresh(other).closed_at is None
    assert fresh(other).version > version["alice" if who == "bob" else "bob"], "who follows it is told"


def test_expiry_withdraws_the_question(crowd: Crowd, lookout: Lookout, settings: object) -> None:
    alice = crowd.chatting("alice")
    settings.MATCH_TIMEOUT_SECONDS = 100
    bob = crowd.join_late("bob", waited=10)
    lookout.look()
    unseen_for(bob, 31)
    lookout.look()
    assert statuses(alice, bob) == ["with_chatbot", "expired closed"]
    assert proposal_of(alice).state == "withdrawn"


def test_who_is_not_here_is_not_offered(crowd: Crowd, lookout: Lookout) -> None:
    alice = crowd.chatting("alice")
    unseen_for(alice, 61)
    bob = crowd.alone("bob")
    chat = fresh(alice).chat_session
    chat.last_activity = timezone.now() - timedelta(seconds=61)
    chat.save()
    lookout.look()
    assert fresh(bob).proposal_id is None
    chat.last_activity = timezone.now()
    chat.save()
    look_again(lookout)
    assert fresh(bob).proposal_id is not None, "who writes is here"


def test_question_of_somebody_else_is_not_answered(crowd: Crowd, lookout: Lookout) -> None:
    alice, bob = crowd.chatting("alice"), crowd.alone("bob")
    lookout.look()
    carol = crowd.alone("carol", age=15)
    for ticket, proposal_id in ((carol, proposal_of(alice).id), (bob, uuid4())):
        with pytest.raises(Conflict) as caught:
            queue.accept(ticket_id=ticket.id, proposal_id=proposal_id)
        assert caught.value.code == "proposal_closed"
        with pytest.raises(Conflict):
            queue.stay(ticket_id=ticket.id, proposal_id=proposal_id)


def test_blocked_are_not_proposed_and_do_not_accept(crowd: Crowd, lookout: Lookout) -> None:
    alice, bob, carol = crowd.chatting("alice"), crowd.chatting("bob"), crowd.alone("carol")
    Block.objects.create(tenant_id=alice.tenant_id, blocker=alice.end_user, blocked=carol.end_user)
    lookout._done_at["talking"] = monotonic()
    lookout.look()
    assert proposal_of(carol) == proposal_of(bob)
    Block.objects.create(tenant_id=alice.tenant_id, blocker=bob.end_user, blocked=carol.end_user)
    with pytest.raises(Conflict):
        queue.accept(ticket_id=bob.id, proposal_id=proposal_of(bob).id)
    assert fresh(alice).room_id is None


def test_who_is_not_here_any_more_is_not_met_by_a_yes(crowd: Crowd, lookout: Lookout) -> None:
    alice, bob = crowd.chatting("alice"), crowd.alone("bob")
    lookout.look()
    given = {"ticket_id": alice.id, "proposal_id": proposal_of(alice).id}
    unseen_for(bob, 61)
    with pytest.raises(Conflict) as caught:
        queue.accept(**given)
    assert caught.value.code == "proposal_closed"
    assert (proposal_of(alice).state, statuses(alice)) == ("withdrawn", ["with_chatbot"])
    check_sound()


def test_who_writes_to_a_personality_is_here_for_a_yes(crowd: Crowd, lookout: Lookout) -> None:
    alice, bob = crowd.chatting("alice"), crowd.chatting("bob")
    look_again(lookout)
    given = proposal_of(alice).id
    queue.accept(ticket_id=bob.id, proposal_id=given)
    unseen_for(bob, 61)
    queue.accept(ticket_id=alice.id, proposal_id=given)
    assert statuses(alice, bob) == ["matched_human"] * 2


def test_question_goes_to_somebody_who_talks_even_if_who_waits_is_blocked(crowd: Crowd, lookout: Lookout) -> None:
    """Who waits and may not ask the one who was found is not asked in their place."""
    carl = crowd.chatting("carl", language="de")
    first = crowd.join_late("first", waited=2, language="en", interests=["a"])
    Block.objects.create(tenant_id=carl.tenant_id, blocker=first.end_user, blocked=carl.end_user)
    second = crowd.alone("second", language="en", interests=["b"])
    lookout._done_at["talking"] = monotonic()
    lookout.look()
    assert proposal_of(carl) == proposal_of(second)
    assert MatchProposal.objects.count() == 1


def test_chat_session_deleted_before_the_yes_stops_nothing(crowd: Crowd, lookout: Lookout) -> None:
    alice, bob = crowd.chatting("alice"), crowd.alone("bob")
    lookout.look()
    delete_chat_sessions(chat_session_ids=[alice.chat_session_id])
    queue.accept(ticket_id=alice.id, proposal_id=proposal_of(alice).id)
    assert statuses(alice, bob) == ["matched_human"] * 2


def test_who_shares_most_is_proposed(crowd: Crowd, lookout: Lookout) -> None:
    alice = crowd.chatting("alice", interests=["go"], language="de")
    bob = crowd.chatting("bob", interests=["go", "chess"], language="de")
    carol = crowd.alone("carol", interests=["chess", "go"], language="en")
    lookout._done_at["talking"] = monotonic()
    lookout.look()
    assert proposal_of(carol) == proposal_of(bob)
    assert fresh(alice).proposal_id is None

"""Several who change the queue at once. Only on PostgreSQL (test_on_postgres.py runs this file)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from random import Random
from typing import Any

from django.db.models import F

from chatify.accounts.principal import Principal
from chatify.accounts.profile import UserInput
from chatify.common.errors import Conflict, NotFound
from chatify.matchmaking import queue
from chatify.matchmaking.connecting import connect_to_chatbot
from chatify.matchmaking.leaving import settle_all
from chatify.matchmaking.look import Lookout
from chatify.matchmaking.models import Block, MatchProposal, MatchTicket
from chatify.matchmaking.proposals import expire_proposals
from chatify.matchmaking.rooms import block, leave_room
from sessions.actions import end_chat_session
from sessions.models import ChatSession
from tests.matchmaking.crowd import Crowd, check_sound, fresh, proposal_of, statuses
from tests.racing import RACES, at_once

ROUNDS = 8
pytestmark = RACES


def quiet(work: Callable[[], object]) -> Callable[[], bool]:
    """Whether it was allowed."""

    def run() -> bool:
        with suppress(Conflict, NotFound):
            work()
            return True
        return False

    return run


def look() -> None:
    Lookout().look()


def asked(crowd: Crowd, number: int) -> tuple[MatchTicket, MatchTicket]:
    """One who talks to a personality and is asked, and one who waits."""
    alice, bob = crowd.chatting(f"alice{number}"), crowd.alone(f"bob{number}")
    look()
    assert proposal_of(alice) == proposal_of(bob)
    return alice, bob


def connect(principal: Principal, name: str, **profile: Any) -> None:
    connect_to_chatbot(principal=principal, user=UserInput(external_id=name, **profile))


def done_with(crowd: Crowd, *tickets: MatchTicket) -> None:
    check_sound()
    MatchTicket.objects.live().update(closed_at=F("created_at"))
    MatchProposal.objects.update(state="withdrawn")
    ChatSession.objects.update(status="ended")


def test_join_twice_at_once_is_one_place(crowd: Crowd) -> None:
    for number in range(ROUNDS):
        tickets = at_once(*[partial(crowd.join, f"p{number}") for _ in range(6)])
        assert len({one.id for one in tickets}) == 1
    assert MatchTicket.objects.count() == ROUNDS
    check_sound()


def test_looks_at_once_put_nobody_in_two_rooms(crowd: Crowd) -> None:
    for number in range(ROUNDS):
        tickets = [crowd.join(f"p{number}.{n}") for n in range(21)]
        at_once(*[look] * 4)
        look()
        left = [one for one in tickets if fresh(one).status == "waiting"]
        assert len(left) == 1
        assert ChatSession.objects.filter(mode="human", status="active").count() == 10
        done_with(crowd)


def test_looks_at_once_serve_each_who_is_due_once(crowd: Crowd) -> None:
    for number in range(ROUNDS):
        tickets = [
            crowd.join_late(f"p{number}.{n}", waited=11, interests=[f"i{n}"], strict=["interests"]) for n in range(30)
        ]
        before = ChatSession.objects.count()
        at_once(*[look] * 4)
        look()
        assert set(statuses(*tickets)) == {"with_chatbot"}
        assert ChatSession.objects.count() == before + 30
        done_with(crowd)


def test_cancel_against_pairing(crowd: Crowd) -> None:
    for number in range(ROUNDS):
        alice, bob = crowd.join(f"alice{number}"), crowd.join(f"bob{number}")
        cancelled, _, _ = at_once(quiet(partial(queue.cancel, ticket_id=alice.id)), look, look)
        found = statuses(alice, bob)
        assert found == (["cancelled closed", "waiting"] if cancelled else ["matched_human"] * 2)
        done_with(crowd)


def test_accept_against_stay(crowd: Crowd) -> None:
    for number in range(ROUNDS):
        alice, bob = asked(crowd, number)
        given = {"ticket_id": alice.id, "proposal_id": proposal_of(alice).id}
        accepted, _ = at_once(quiet(partial(queue.accept, **given)), quiet(partial(queue.stay, **given)))
        assert statuses(alice, bob) == (["matched_human"] * 2 if accepted else ["with_chatbot", "waiting"])
        done_with(crowd)


def test_accept_against_expiry(crowd: Crowd) -> None:
    for number in range(ROUNDS):
        alice, bob = asked(crowd, number)
        given = {"ticket_id": alice.id, "proposal_id": proposal_of(alice).id}

        def expire() -> None:
            MatchProposal.objects.filter(state="open").update(expires_at=F("created_at"))
            expire_proposals()

        accepted, _ = at_once(quiet(partial(queue.accept, **given)), expire)
        assert statuses(alice, bob) == (["matched_human"] * 2 if accepted else ["with_chatbot", "waiting"])
        assert proposal_of(alice).state == ("accepted" if accepted else "expired")
        done_with(crowd)


def test_accept_against_the_deadline_of_the_other(crowd: Crowd) -> None:
    for number in range(ROUNDS):
        alice, bob = asked(crowd, number)
        MatchTicket.objects.filter(id=bob.id).update(deadline=F("created_at"))
        given = {"ticket_id": alice.id, "proposal_id": proposal_of(alice).id}
        at_once(partial(queue.accept, **given), look, look)
        assert statuses(alice, bob) == ["matched_human"] * 2
        chat = fresh(bob).chat_session
        assert chat is None or chat.end_reason == "human_found"
        done_with(crowd)


def test_leave_against_accept_and_join(crowd: Crowd) -> None:
    for number in range(ROUNDS):
        alice, bob = asked(crowd, number)
        given = {"ticket_id": alice.id, "proposal_id": proposal_of(alice).id}
        leave = partial(crowd.join, f"alice{number}", leave=True)
        accepted, ticket = at_once(quiet(partial(queue.accept, **given)), leave)
        assert ticket.id != alice.id
        assert fresh(alice).closed_at is not None
        assert statuses(bob) == (["matched_human closed"] if accepted else ["waiting"])
        check_sound()
        done_with(crowd)


def test_both_leave_a_room_at_once(crowd: Crowd) -> None:
    for number in range(ROUNDS):
        alice, bob = crowd.join(f"alice{number}"), crowd.join(f"bob{number}")
        look()
        room = fresh(alice).room_id
        leave = [
            partial(leave_room, principal=crowd.user(f"{who}{number}"), chat_session_id=room)
            for who in ("alice", "bob")
        ]
        end = partial(end_chat_session, chat_session_id=room, reason="done")
        at_once(*leave, end, settle_all)
        settle_all()
        assert statuses(alice, bob) == ["matched_human closed"] * 2
        done_with(crowd)


def test_block_against_meeting_again(crowd: Crowd) -> None:
    for number in range(ROUNDS):
        alice, bob = crowd.join(f"alice{number}"), crowd.join(f"bob{number}")
        look()
        room = fresh(alice).room_id
        leave_room(principal=crowd.user(f"alice{number}"), chat_session_id=room)
        again = [crowd.join(f"alice{number}"), crowd.join(f"bob{number}")]
        MatchTicket.objects.live().update(avoid_until=None)
        at_once(partial(block, principal=crowd.user(f"bob{number}"), chat_session_id=room), look, look)
        assert statuses(*again) in (["waiting"] * 2, ["matched_human closed"] * 2)
        assert Block.objects.count() == number + 1
        assert bob.id != alice.id
        done_with(crowd)


PEOPLE = [f"p{n}" for n in range(12)]


def act(crowd: Crowd, seed: int) -> None:
    """Somebody does something, again and again."""
    chance = Random(seed)
    for _ in range(25):
        with suppress(Conflict, NotFound):
            do_something(crowd, chance, chance.choice(PEOPLE), chance.randrange(6))


def do_something(crowd: Crowd, chance: Random, name: str, what: int) -> None:
    live = MatchTicket.objects.live().filter(end_user__external_id=name).first()
    if live is None or what == 0:
        crowd.join(name, leave=chance.random() < 0.5)
    elif what == 1:
        queue.cancel(ticket_id=live.id)
    elif what == 2 and live.room_id:
        leave_room(principal=crowd.user(name), chat_session_id=live.room_id)
    elif what in (3, 4) and live.proposal_id:
        (queue.accept if what == 3 else queue.stay)(ticket_id=live.id, proposal_id=live.proposal_id)
    elif what == 5:
        MatchTicket.objects.filter(id=live.id, status="waiting").update(deadline=F("created_at"))
        queue.heartbeat(ticket_ids=[live.id])


def keep_looking() -> None:
    lookout = Lookout()
    for _ in range(25):
        lookout._done_at.clear()
        lookout.look()


def test_everybody_does_something_at_once(crowd: Crowd) -> None:
    """Random actions of many, and looks of several processes: nobody is in two rooms, none is lost."""
    chance = Random(3)
    for _ in range(3):
        MatchTicket.objects.update(avoid_until=None, ask_after=None)
        seeds = [chance.randrange(10**6) for _ in range(5)]
        at_once(*[partial(act, crowd, seed) for seed in seeds], keep_looking, keep_looking)
        settle_all()
        check_sound()
        for room in ChatSession.objects.filter(mode="human", status="active"):
            assert MatchTicket.objects.live().filter(room=room).count() == 2


def test_connecting_against_leaving_for_the_next_one(crowd: Crowd, principal: Principal) -> None:
    """Both change the profile, and then the chat session: neither waits for the other for ever."""
    for number in range(ROUNDS):
        name = f"alice{number}"
        ticket = crowd.chatting(name)
        at_once(
            quiet(partial(connect, principal, name, style="short")),
            quiet(partial(crowd.join, name, age=31, leave=True)),
            quiet(partial(connect, principal, name, style="long")),
            quiet(partial(end_chat_session, chat_session_id=ticket.chat_session_id, reason="user")),
        )
        check_sound()
        done_with(crowd)

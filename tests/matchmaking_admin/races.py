"""People are erased while the queue is at work. Only on PostgreSQL (test_on_postgres.py runs this file)."""

from __future__ import annotations

from contextlib import suppress
from functools import partial

from django.db import IntegrityError

from chatify.accounts.erasure import erase_end_user
from chatify.accounts.models import EndUser
from chatify.accounts.principal import Principal
from chatify.common.errors import Conflict, NotFound
from chatify.matchmaking import queue
from chatify.matchmaking.leaving import settle_all
from chatify.matchmaking.models import MatchTicket
from chatify.matchmaking.rooms import leave_room
from sessions.models import ChatSession
from tests.matchmaking.crowd import Crowd, check_sound, fresh, statuses
from tests.matchmaking.races import asked, done_with, keep_looking, look
from tests.racing import RACES, at_once

ROUNDS = 4
pytestmark = RACES


def erase(name: str) -> None:
    for user in EndUser.objects.filter(external_id=name):
        erase_end_user(end_user_id=user.id, who=None)


def check_gone(name: str) -> None:
    assert not EndUser.objects.filter(external_id=name).exists()
    assert not MatchTicket.objects.filter(end_user__external_id=name).exists()
    settle_all()
    check_sound()


def test_erasure_against_pairing(crowd: Crowd) -> None:
    for number in range(ROUNDS):
        people = [f"p{number}.{n}" for n in range(6)]
        for name in people:
            crowd.join(name)
        at_once(partial(erase, people[0]), look, partial(erase, people[3]), look)
        check_gone(people[0])
        check_gone(people[3])
        done_with(crowd)


def test_both_of_a_room_are_erased_at_once(crowd: Crowd) -> None:
    for number in range(ROUNDS):
        for name in ("alice", "bob"):
            crowd.join(f"{name}{number}")
        look()
        at_once(partial(erase, f"alice{number}"), partial(erase, f"bob{number}"))
        check_gone(f"alice{number}")
        check_gone(f"bob{number}")
    assert not ChatSession.objects.exists()


def test_erasure_against_leaving(crowd: Crowd) -> None:
    for number in range(ROUNDS):
        alice, bob = crowd.join(f"alice{number}"), crowd.join(f"bob{number}")
        look()
        room = fresh(alice).room_id
        assert room is not None
        bobs = crowd.user(f"bob{number}")

        def leave(principal: Principal = bobs, chat_session_id: object = room) -> None:
            with suppress(NotFound, Conflict):
                leave_room(principal=principal, chat_session_id=chat_session_id)  # type: ignore[arg-type]

        at_once(partial(erase, f"alice{number}"), leave, settle_all)
        check_gone(f"alice{number}")
        assert statuses(bob) == ["matched_human closed"]


def test_erasure_against_accept(crowd: Crowd) -> None:
    for number in range(ROUNDS):
        alice, bob = asked(crowd, number)
        proposal = fresh(alice).proposal_id
        assert proposal is not None

        def accept(ticket_id: object = alice.id, proposal_id: object = proposal) -> None:
            with suppress(NotFound, Conflict, IntegrityError):
                queue.accept(ticket_id=ticket_id, proposal_id=proposal_id)  # type: ignore[arg-type]

        at_once(accept, partial(erase, f"bob{number}"), look)
        check_gone(f"bob{number}")
        done_with(crowd)
        assert bob.id != alice.id


def test_erasure_while_many_look(crowd: Crowd) -> None:
    people = [f"p{n}" for n in range(24)]
    for name in people:
        crowd.join_late(name, waited=9.9)
    at_once(*[partial(erase, name) for name in people[::4]], keep_looking, keep_looking)
    for name in people[::4]:
        check_gone(name)

"""Rooms as those who are in them use them: leave, block, report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest

from chatify.accounts.erasure import erase_end_user
from chatify.accounts.models import EndUser
from chatify.common.errors import Conflict, Forbidden, InvalidInput, NotFound
from chatify.matchmaking import rooms
from chatify.matchmaking.look import Lookout
from chatify.matchmaking.models import Block, MatchTicket, Report
from chatify.matchmaking.rooms import block, blocks_of, get_room, leave_room, report, unblock
from sessions.models import ChatSession
from tests.matchmaking.crowd import Crowd, fresh, proposal_of, statuses

pytestmark = pytest.mark.django_db
Act = Callable[..., object]


@pytest.fixture
def room(crowd: Crowd, lookout: Lookout) -> UUID:
    """Alice and Bob have met."""
    alice, _ = crowd.join("alice"), crowd.join("bob")
    lookout.look()
    room_id = fresh(alice).room_id
    assert room_id is not None
    return room_id


def test_block_leaves_and_is_kept_by_the_name_that_was_seen(crowd: Crowd, room: UUID) -> None:
    made = [block(principal=crowd.user("alice"), chat_session_id=room) for _ in range(2)]
    assert len({one.id for one in made}) == 1
    assert made[0].name == "Bob"
    assert not MatchTicket.objects.live().exists()
    assert list(blocks_of(crowd.user("alice"))) == [made[0]]
    assert not blocks_of(crowd.user("bob")).exists()


def test_blocked_do_not_meet_again_until_the_block_is_lifted(crowd: Crowd, room: UUID, lookout: Lookout) -> None:
    made = block(principal=crowd.user("alice"), chat_session_id=room)
    tickets = [crowd.join("alice"), crowd.join("bob")]
    MatchTicket.objects.update(avoid_until=None)
    lookout.look()
    assert statuses(*tickets) == ["waiting"] * 2
    with pytest.raises(NotFound):
        unblock(principal=crowd.user("bob"), block_id=made.id)
    unblock(principal=crowd.user("alice"), block_id=made.id)
    lookout.look()
    assert statuses(*tickets) == ["matched_human"] * 2


def test_block_after_the_room_is_over(crowd: Crowd, room: UUID) -> None:
    leave_room(principal=crowd.user("bob"), chat_session_id=room)
    crowd.join("alice")
    block(principal=crowd.user("alice"), chat_session_id=room)
    assert Block.objects.count() == 1
    assert statuses(crowd.ticket("alice")) == ["waiting"]


def test_block_also_leaves_the_next_room_with_the_same_person(crowd: Crowd, room: UUID, lookout: Lookout) -> None:
    leave_room(principal=crowd.user("bob"), chat_session_id=room)
    tickets = [crowd.join("alice"), crowd.join("bob")]
    MatchTicket.objects.update(avoid_until=None)
    lookout.look()
    assert statuses(*tickets) == ["matched_human"] * 2
    block(principal=crowd.user("alice"), chat_session_id=room)
    assert statuses(*tickets) == ["matched_human closed"] * 2


def test_block_leaves_a_room_with_somebody_else_alone(crowd: Crowd, room: UUID, lookout: Lookout) -> None:
    leave_room(principal=crowd.user("bob"), chat_session_id=room)
    tickets = [crowd.join("alice"), crowd.join("carol")]
    lookout.look()
    block(principal=crowd.user("alice"), chat_session_id=room)
    assert statuses(*tickets) == ["matched_human"] * 2


def test_block_withdraws_the_question_whether_the_two_want_to_meet(crowd: Crowd, room: UUID, lookout: Lookout) -> None:
    leave_room(principal=crowd.user("alice"), chat_session_id=room)
    talking, waiting = crowd.chatting("alice"), crowd.alone("bob")
    MatchTicket.objects.update(avoid_until=None)
    Lookout().look()
    assert proposal_of(talking) == proposal_of(waiting)
    block(principal=crowd.user("bob"), chat_session_id=room)
    assert proposal_of(talking).state == "withdrawn"
    assert statuses(talking, waiting) == ["with_chatbot", "waiting"]


def test_report_once_and_changed_until_staff_have_seen_it(crowd: Crowd, room: UUID) -> None:
    alice = crowd.user("alice")
    first = report(principal=alice, chat_session_id=room, reason="spam")
    again = report(principal=alice, chat_session_id=room, reason="hate", comment="really")
    assert first.id == again.id
    stored = Report.objects.get()
    assert (stored.reason, stored.comment, stored.reported.external_id) == ("hate", "really", "bob")
    Report.objects.update(state="upheld")
    report(principal=alice, chat_session_id=room, reason="other")
    assert Report.objects.get().reason == "hate"
    assert statuses(crowd.ticket("alice")) == ["matched_human"]


def test_report_of_an_unknown_reason(crowd: Crowd, room: UUID) -> None:
    with pytest.raises(InvalidInput) as caught:
        report(principal=crowd.user("alice"), chat_session_id=room, reason="boring")
    assert caught.value.errors[0].field == "reason"


@pytest.mark.parametrize("act", [leave_room, block, lambda **given: report(reason="spam", **given)])
def test_who_may_not(crowd: Crowd, room: UUID, act: object) -> None:
    chat = crowd.chatting("dave").chat_session_id
    with pytest.raises(InvalidInput, match="external_id"):
        act(principal=crowd.principal, chat_session_id=room)
    with pytest.raises(NotFound):
        act(principal=crowd.user("dave"), chat_session_id=room)
    with pytest.raises(NotFound):
        act(principal=replace(crowd.user("alice"), chat_session_id=uuid4()), chat_session_id=room)
    with pytest.raises(Conflict) as caught:
        act(principal=crowd.user("dave"), chat_session_id=chat)
    assert caught.value.code == "not_a_room"
    assert ChatSession.objects.get(id=room).status == "active"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("erased", ["alice", "bob"])
@pytest.mark.parametrize("act", [block, lambda **given: report(reason="spam", **given)], ids=["block", "report"])
def test_who_is_erased_in_this_moment_is_told_so(
    crowd: Crowd, room: UUID, monkeypatch: pytest.MonkeyPatch, act: Act, erased: str
) -> None:
    alice = crowd.user("alice")

    def get(*args: Any) -> ChatSession:
        found = get_room(*args)
        erase_end_user(end_user_id=EndUser.objects.get(external_id=erased).id, who=None)
        return found

    monkeypatch.setattr(rooms, "get_room", get)
    with pytest.raises(Conflict) as caught:
        act(principal=alice, chat_session_id=room)
    assert caught.value.code == "user_erased"
    assert (Block.objects.count(), Report.objects.count()) == (0, 0)


def test_blocks_are_for_whole_users(crowd: Crowd, room: UUID) -> None:
    bound = replace(crowd.user("alice"), chat_session_id=room)
    made = block(principal=bound, chat_session_id=room)
    with pytest.raises(Forbidden):
        blocks_of(bound)
    with pytest.raises(Forbidden):
        unblock(principal=bound, block_id=made.id)
    with pytest.raises(InvalidInput):
        blocks_of(crowd.principal)

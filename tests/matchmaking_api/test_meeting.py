"""Two people at their match sockets, each on another process where there are two."""

import pytest

from tests.api.checks import path_of
from tests.client import Socket
from tests.matchmaking_api.conftest import MakeSeeker
from tests.matchmaking_api.seekers import Seeker, age_proposal, enter_room, fresh_language, meet, set_language
from tests.services.server import Server
from tests.waiting import wait_until


def types_after(socket: Socket, *kinds: str) -> list[str]:
    """What comes up to the first of these."""
    start = len(socket.seen)
    socket.recv_until(*kinds)
    return socket.types()[start:]


def at_chatbot(seeker: Seeker) -> Socket:
    """An open match socket of somebody who found nobody, and talks to a personality."""
    socket = seeker.looking()
    assert socket.recv()["type"] == "match.chatbot"
    return socket


@pytest.fixture
def asked(ada: Seeker, grace: Seeker) -> tuple[Socket, Socket]:
    """Ada talks to a personality and is asked whether she wants to meet Grace, who waits."""
    first = at_chatbot(ada)
    second = grace.looking()
    found = [socket.recv_until("match.human_found") for socket in (first, second)]
    assert [one["proposal"]["must_answer"] for one in found] == [True, False]
    assert len({one["proposal"]["id"] for one in found}) == 1
    return first, second


def answer(socket: Socket, kind: str, **fields: str) -> None:
    """Say something to the latest question."""
    proposal = next(one["proposal"] for one in reversed(socket.seen) if one.get("proposal"))
    socket.send(kind, proposal=proposal["id"], **fields)


# At once ------------------------------------------------------------------------------------------
def test_two_people_meet(patient: tuple[Server, Server], make_seeker: MakeSeeker):
    ada, grace = make_seeker(patient[0], name="Ada"), make_seeker(patient[1], name="Grace")
    first, second = ada.looking(), grace.looking()
    for socket in (first, second):
        assert types_after(socket, "match.matched") == ["match.human_found", "match.matched"]
        assert socket.seen[-2]["proposal"] is None
    matched = [socket.seen[-1] for socket in (first, second)]
    assert [one["ticket"]["status"] for one in matched] == ["matched_human"] * 2
    sessions = [one["session"] for one in matched]
    assert len({one["id"] for one in sessions}) == 1
    assert {one["mode"] for one in sessions} == {"human"}
    assert {one["your_role"] for one in sessions} == {"user", "human"}
    assert [one["partner"] for one in sessions] == [{"name": "Grace"}, {"name": "Ada"}]
    assert [one["user"]["external_id"] for one in sessions] == [ada.external_id, grace.external_id]


def test_both_talk_in_the_room(ada: Seeker, grace: Seeker):
    room = meet(ada, grace)
    sent = ada.post(path_of(room, "messages/"), ada.acting(content="Hello Grace")).json()
    assert sent["message"]["sender"] == {"kind": "end_user", "name": "Ada"}
    assert [one["content"] for one in grace.as_token().messages(room)] == ["Hello Grace"]


# A personality meanwhile --------------------------------------------------------------------------
def test_one_alone_gets_a_personality(ada: Seeker):
    socket = at_chatbot(ada)
    told = socket.seen[-1]
    assert told["reason"] == "chatbot_fallback_triggered"
    assert told["session"]["mode"] == "ai"
    assert told["disclosure"] == told["session"]["disclosure"] == told["ticket"]["disclosure"]
    assert told["ticket"]["status"] == "with_chatbot"
    assert told["ticket"]["session"] == told["session"]["id"]
    assert ada.send(told["session"]["id"], "hello")["reply"]["status"] == "complete"


def test_personality_says_goodbye_when_both_want_to_meet(ada: Seeker, asked: tuple[Socket, Socket]):
    chat = next(one["session"] for one in asked[0].seen if one["type"] == "match.chatbot")
    talk = ada.socket(chat["id"])
    talk.recv()
    answer(asked[0], "match.accept")
    assert [types_after(socket, "match.matched") for socket in asked] == [["match.matched"]] * 2
    assert len({socket.seen[-1]["session"]["id"] for socket in asked}) == 1
    assert talk.wait_closed() == 4403
    assert talk.seen[-1] == {"type": "session.ended", "reason": "human_found"}
    goodbye = ada.messages(chat["id"])[-1]
    assert (goodbye["role"], goodbye["status"], bool(goodbye["content"])) == ("assistant", "complete", True)


def test_who_stays_is_left_with_the_personality(ada: Seeker, asked: tuple[Socket, Socket]):
    chat = next(one["session"]["id"] for one in asked[0].seen if one["type"] == "match.chatbot")
    answer(asked[0], "match.stay")
    for socket in asked:
        assert socket.recv_until("match.declined")["reason"] == "declined"
    assert asked[1].recv_until("match.chatbot")["ticket"]["status"] == "with_chatbot"
    assert ada.get(path_of(chat)).json()["status"] == "active"


def test_question_that_nobody_answers_expires(ada: Seeker, asked: tuple[Socket, Socket]):
    age_proposal(ada.server, asked[0].seen[-1]["proposal"]["id"], 30)
    for socket in asked:
        assert socket.recv_until("match.declined")["reason"] == "expired"
    answer(asked[0], "match.accept", event_id="late")
    late = asked[0].recv_until("error")
    assert (late["code"], late["event_id"]) == ("proposal_closed", "late")


def test_question_is_withdrawn_when_the_other_one_goes(asked: tuple[Socket, Socket]):
    asked[1].send("match.cancel")
    assert types_after(asked[1], "match.closed", "match.cancelled")[-1] in ("match.cancelled", "match.closed")
    assert asked[0].recv_until("match.declined")["reason"] == "withdrawn"


def test_yes_of_one_is_told_while_the_other_is_asked(ada: Seeker, grace: Seeker):
    grace.language = fresh_language()
    first, second = at_chatbot(ada), at_chatbot(grace)
    set_language(ada.server, second.seen[-1]["ticket"]["id"], ada.language)
    assert all(socket.recv_until("match.human_found")["proposal"]["must_answer"] for socket in (first, second))
    answer(first, "match.accept")
    assert first.recv_until("match.human_found")["proposal"]["must_answer"] is False
    answer(second, "match.accept")
    assert first.recv_until("match.matched")["session"]["id"] == second.recv_until("match.matched")["session"]["id"]


# And on -------------------------------------------------------------------------------------------
def test_next_leaves_the_room_and_looks_again(ada: Seeker, grace: Seeker):
    first, second = ada.looking(), grace.looking()
    room = enter_room(first, second)
    first.send("match.join", preferences=ada.preferences, next=True)
    assert types_after(first, "match.waiting") == ["match.closed", "match.waiting"]
    assert first.seen[-2]["reason"] == "left"
    assert second.recv_until("match.closed")["reason"] == "partner_left"
    assert ada.get(path_of(room)).json()["end_reason"] == "participant_left"
    assert first.recv_until("match.chatbot", "match.matched")["type"] == "match.chatbot", "the same one again at once"


def test_next_leaves_the_personality_and_looks_again(ada: Seeker):
    socket = at_chatbot(ada)
    socket.send("match.join", preferences=ada.preferences, next=True)
    assert types_after(socket, "match.waiting") == ["match.closed", "match.waiting"]
    assert socket.seen[-1]["ticket"]["id"] != socket.seen[-2]["ticket"]["id"]


def test_leaving_over_rest_is_told_to_both(ada: Seeker, grace: Seeker):
    first, second = ada.looking(), grace.looking()
    room = enter_room(first, second)
    left = ada.post(path_of(room, "leave/"), ada.acting())
    assert (left.status_code, left.json()["status"]) == (200, "ended")
    assert first.recv_until("match.closed")["reason"] == "left"
    assert second.recv_until("match.closed")["reason"] == "partner_left"
    assert ada.post(path_of(room, "leave/"), ada.acting()).json() == left.json()


def test_who_was_blocked_is_not_met_again(ada: Seeker, grace: Seeker):
    room = meet(ada, grace)
    blocked = ada.post(path_of(room, "block/"), ada.acting())
    assert (blocked.status_code, blocked.json()["name"]) == (201, "Grace")
    first, second = ada.looking(), grace.looking()
    for socket in (first, second):
        assert types_after(socket, "match.chatbot", "match.human_found") == ["match.chatbot"]


def test_cancel_is_told_to_all_devices(ada: Seeker):
    phone, laptop = ada.at_match(), ada.at_match()
    phone.send("match.join", preferences=ada.preferences)
    for socket in (phone, laptop):
        assert socket.recv()["type"] == "match.waiting"
    laptop.send("match.cancel")
    for socket in (phone, laptop):
        frame = socket.recv_until("match.cancelled")
        assert (frame["reason"], frame["ticket"]["status"]) == ("cancelled", "cancelled")


def test_end_of_the_talk_closes_the_ticket(ada: Seeker):
    socket = at_chatbot(ada)
    ada.post(path_of(socket.seen[-1]["session"]["id"], "end/"))
    assert socket.recv_until("match.closed")["ticket"]["status"] == "with_chatbot"
    ticket = socket.seen[-1]["ticket"]["id"]
    wait_until(lambda: ada.ticket(ticket)["closed_at"])

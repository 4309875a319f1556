"""The match socket: who may open it, coming back, what is bad, and what goes on without it."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from uuid import uuid4

import pytest
from websockets.exceptions import ConnectionClosed

from chatify.matchmaking.protocol import CLIENT_FRAMES
from chatify.realtime.frames import type_of
from tests.api.checks import change_rows
from tests.client import Socket
from tests.conftest import MakeServer, _need
from tests.limits.tenants import make_tenant
from tests.matchmaking_api.conftest import QUICK, MakeSeeker
from tests.matchmaking_api.seekers import TICKETS, Seeker, age_ticket, enter_room, seen_at, token_for
from tests.services.server import Server
from tests.turns.scenes import RestartableRedis
from tests.waiting import wait_until

on_embedded = pytest.mark.parametrize("quick", ["embedded"], indirect=True)


def close_code(socket: Socket) -> int:
    with socket:
        return socket.wait_closed()


def error_of(socket: Socket, **fields: Any) -> dict[str, Any]:
    """What a frame is answered with."""
    socket.send(event_id="here", **fields)
    error = socket.recv_until("error")
    assert error["event_id"] == "here"
    return error


# Coming back --------------------------------------------------------------------------------------
def test_who_comes_back_is_told_where_they_are(ada: Seeker, grace: Seeker):
    ada.looking().close()
    again = ada.match_socket()
    ready = again.recv()
    assert (ready["type"], ready["ticket"]["status"]) == ("match.ready", "waiting")
    assert again.recv()["type"] == "match.chatbot"
    again.close()
    assert ada.match_socket().recv()["ticket"]["session"] == again.seen[-1]["session"]["id"]
    grace.looking().recv_until("match.human_found")
    asked = ada.match_socket()
    proposal = asked.recv()["ticket"]["proposal"]
    assert (proposal["state"], proposal["must_answer"]) == ("open", True)
    asked.send("match.accept", proposal=proposal["id"])
    assert asked.recv()["type"] == "match.matched"


def test_who_comes_back_to_a_room_is_told_so(ada: Seeker, grace: Seeker):
    sockets = ada.looking(), grace.looking()
    room = enter_room(*sockets)
    sockets[0].close()
    ready = ada.match_socket().recv()
    assert (ready["ticket"]["status"], ready["ticket"]["session"]) == ("matched_human", room)


def test_joining_once_more_tells_where_one_is(ada: Seeker):
    socket = ada.looking()
    first = socket.seen[-1]["ticket"]
    socket.send("match.join")
    ready = socket.recv()
    assert (ready["type"], ready["ticket"]["id"]) == ("match.ready", first["id"])


def test_joining_over_rest_is_told_to_the_socket(ada: Seeker):
    socket = ada.at_match()
    ticket = ada.joined()
    assert socket.recv()["ticket"]["id"] == ticket["id"]


def test_closed_socket_cancels_nothing(ada: Seeker):
    socket = ada.looking()
    socket.close()
    assert ada.ticket(socket.seen[-1]["ticket"]["id"])["status"] in ("waiting", "with_chatbot")


def test_who_is_not_heard_of_expires(ada: Seeker, make_server: MakeServer, make_seeker: MakeSeeker):
    slow = make_seeker(make_server(MATCH_TIMEOUT_SECONDS="60"))
    socket = slow.looking()
    age_ticket(slow.server, socket.seen[-1]["ticket"]["id"], "seen_at", 40)
    frame = socket.recv_until("match.expired")
    assert frame["ticket"]["status"] == "expired"
    slow.match_socket().recv()


def test_coming_back_counts_as_a_sign_of_life(ada: Seeker):
    socket = ada.looking()
    id_ = socket.recv_until("match.chatbot")["ticket"]["id"]
    before = seen_at(ada.server, id_)
    age_ticket(ada.server, id_, "seen_at", 40)
    ada.match_socket().recv()
    assert seen_at(ada.server, id_) > before


def test_open_socket_is_a_sign_of_life(ada: Seeker):
    id_ = ada.looking().recv_until("match.chatbot")["ticket"]["id"]
    before = seen_at(ada.server, id_)
    age_ticket(ada.server, id_, "seen_at", 40)
    wait_until(lambda: seen_at(ada.server, id_) > before, 15)


# Who may come in ----------------------------------------------------------------------------------
def test_token_speaks_for_itself(ada: Seeker):
    mine = ada.as_token()
    socket = mine.looking(user={"name": "Ada L."})
    assert socket.seen[-1]["ticket"]["user"] == {"external_id": ada.external_id}
    assert close_code(mine.match_socket("?user=somebody-else")) == 4400


@on_embedded
def test_token_for_one_chat_session_opens_no_match_socket(ada: Seeker):
    chat = ada.start()["id"]
    bound = Seeker(ada.server, "en", key=token_for(ada, session=chat), is_key=False)
    assert close_code(bound.match_socket()) == 4403
    bound.close()


@on_embedded
@pytest.mark.parametrize("query", ["", "?user=", "?user=%00", f"?user={'x' * 129}"])
def test_key_has_to_say_whose_socket_it_is(ada: Seeker, query: str):
    socket = ada.match_socket(query)
    assert close_code(socket) == 4400
    assert socket.seen[0]["errors"][0]["field"] == "user"


@on_embedded
@pytest.mark.parametrize("query", ["?ticket=x", "?ticket=%00", f"?ticket={'x' * 3000}"])
def test_made_up_ticket_is_not_let_in(ada: Seeker, query: str):
    assert close_code(ada.match_socket(query)) == 4401


def test_ticket_works_once(ada: Seeker):
    made = ada.post(f"{TICKETS}{ada.joined()['id']}/ticket/")
    assert (made.status_code, made.headers["cache-control"]) == (201, "no-store")
    assert made.json()["ws_url"] == f"{ada.server.ws_url}/ws/v1/match/"
    query = f"?ticket={made.json()['ticket']}"
    assert ada.match_socket(query).recv()["ticket"]["user"] == {"external_id": ada.external_id}
    assert close_code(ada.match_socket(query)) == 4401


def test_ticket_expires(ada: Seeker):
    ticket = ada.post(f"{TICKETS}{ada.joined()['id']}/ticket/").json()["ticket"]
    change_rows(ada.server, "UPDATE accounts_socketticket SET expires_at = ?", "2020-01-01 00:00:00")
    assert close_code(ada.match_socket(f"?ticket={ticket}")) == 4401


@on_embedded
def test_tickets_are_good_for_their_own_kind_of_socket(ada: Seeker):
    chat = ada.start()["id"]
    of_match = ada.post(f"{TICKETS}{ada.joined()['id']}/ticket/").json()["ticket"]
    of_chat = ada.post(f"/api/v1/sessions/{chat}/ticket/").json()["ticket"]
    assert close_code(ada.match_socket(f"?ticket={of_chat}")) == 4401
    assert close_code(ada.socket(chat, ticket=of_match)) == 4401


def test_eleventh_socket_of_a_person_is_one_too_many(ada: Seeker, grace: Seeker):
    sockets = [ada.match_socket() for _ in range(10)]
    assert {socket.recv()["type"] for socket in sockets} == {"match.ready"}
    assert close_code(ada.match_socket()) == 4409
    sockets[0].close()
    wait_until(lambda: ada.match_socket().recv()["type"] == "match.ready")
    grace.at_match()


def test_socket_of_an_ended_token_closes(ada: Seeker):
    socket = ada.as_token().at_match()
    ada.delete("/api/v1/tokens/", params={"user": ada.external_id}).raise_for_status()
    assert socket.wait_closed() == 4401


def test_socket_by_which_a_key_speaks_for_somebody_closes_when_they_are_erased(ada: Seeker, grace: Seeker):
    socket, other = ada.at_match(), grace.at_match()
    ada.delete(f"/api/v1/users/{ada.external_id}/").raise_for_status()
    assert socket.wait_closed() == 4401
    other.send("ping")
    assert other.recv_until("pong")


# Bad frames ---------------------------------------------------------------------------------------
BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"type": "match.leave"}, "type", "unknown_type"),
    ({"type": "message.send", "content": "hello"}, "type", "unknown_type"),
    ({"type": "match.join", "shoe_size": 43}, "shoe_size", "unknown_field"),
    ({"type": "match.join", "next": "yes"}, "next", "wrong_type"),
    ({"type": "match.join", "preferences": None}, "preferences", "wrong_type"),
    ({"type": "match.join", "preferences": {"language": "x"}}, "preferences.language", "too_short"),
    ({"type": "match.join", "preferences": {"interests": ["x"] * 21}}, "preferences.interests", "too_long"),
    ({"type": "match.join", "preferences": {"template": "nobody"}}, "preferences.template", "unknown_template"),
    ({"type": "match.join", "user": {"external_id": "somebody-else"}}, "user.external_id", "not_yours"),
    ({"type": "match.join", "user": {"age": 131}}, "user.age", "less_than_equal"),
    ({"type": "match.accept"}, "proposal", "required"),
    ({"type": "match.stay", "proposal": "x"}, "proposal", "uuid_parsing"),
]


@on_embedded
@pytest.mark.parametrize(("frame", "field", "code"), BAD)
def test_bad_frame_is_answered(ada: Seeker, frame: dict[str, Any], field: str, code: str):
    socket = ada.at_match()
    error = error_of(socket, **frame)
    assert [(one["field"], one["code"]) for one in error["errors"]] == [(field, code)]
    socket.send("ping", event_id="still there")
    assert socket.recv() == {"type": "pong", "event_id": "still there"}


@on_embedded
@pytest.mark.parametrize("raw", ["", "[]", "nothing", '{"type": 1}', b"\xff", '{"type": "ping", "type": "ping"}'])
def test_garbage_is_answered(ada: Seeker, raw: str | bytes):
    socket = ada.at_match()
    socket.send_raw(raw)
    assert socket.recv()["type"] == "error"
    socket.send("ping")
    assert socket.recv() == {"type": "pong"}


@on_embedded
def test_many_bad_frames_close_the_socket(ada: Seeker):
    socket = ada.at_match()
    with suppress(ConnectionClosed):
        for _ in range(60):
            socket.send_raw("garbage")
    assert socket.wait_closed() == 4400


@on_embedded
@pytest.mark.parametrize(
    "frame",
    [{"type": "match.cancel"}, {"type": "match.accept", "proposal": str(uuid4())}],
    ids=["cancel", "accept"],
)
def test_who_looks_for_nobody_can_answer_nothing(ada: Seeker, frame: dict[str, Any]):
    assert error_of(ada.at_match(), **frame)["code"] == "not_found"


def test_frames_in_a_row_are_each_answered(ada: Seeker):
    socket = ada.at_match()
    for _ in range(2):
        socket.send("match.join", preferences=ada.preferences)
    for _ in range(2):
        socket.send("match.cancel")
    assert [socket.recv()["type"].partition(".")[2] for _ in range(4)] == ["waiting", "ready", "cancelled", ""]


def test_answer_to_no_question_is_refused(ada: Seeker):
    socket = ada.looking()
    for kind in ("match.accept", "match.stay"):
        assert error_of(socket, type=kind, proposal=str(uuid4()))["code"] == "proposal_closed"


def test_room_is_left_and_not_cancelled(ada: Seeker, grace: Seeker):
    socket = ada.looking()
    enter_room(socket, grace.looking())
    assert error_of(socket, type="match.cancel")["code"] == "in_room"


@on_embedded
def test_frames_cost_requests(quick: tuple[Server, Server], make_seeker: MakeSeeker):
    tenant = make_tenant(quick[0], person_requests_per_minute=4)
    application = make_seeker(quick[0], key=tenant.key)
    application.start()
    socket = make_seeker(quick[0], key=tenant.token(application.external_id), is_key=False).at_match()
    for kind in ("match.join", "match.cancel", "match.cancel"):
        socket.send(kind)
    socket.recv_until("match.cancelled", "error")
    socket.recv_until("match.cancelled", "error")
    too_fast = error_of(socket, type="match.join")
    assert too_fast["code"] == "too_fast"
    assert too_fast["retry_after"] > 0
    socket.send("ping")
    assert socket.recv() == {"type": "pong"}


def test_every_client_frame_is_tried_here():
    tried = {frame["type"] for frame, *_ in BAD} | {"match.cancel", "ping"}
    assert {type_of(frame) for frame in CLIENT_FRAMES} <= tried


# Redis is away ------------------------------------------------------------------------------------
@pytest.fixture
def deaf_servers(make_server: MakeServer) -> Iterator[tuple[Server, Server]]:
    """Two processes whose Redis dies before anybody comes."""
    redis = _need(RestartableRedis)
    try:
        first = make_server(grown=True, REDIS_URL=redis.url(), **QUICK)
        second = make_server.beside(first)
        redis.kill()
        yield first, second
    finally:
        redis.stop()


def test_without_redis_people_meet_all_the_same(deaf_servers: tuple[Server, Server], make_seeker: MakeSeeker):
    ada, grace = (make_seeker(server) for server in deaf_servers)
    first = ada.looking()
    first.recv_until("match.chatbot")
    enter_room(first, grace.looking())

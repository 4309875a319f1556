"""A conversation over the socket."""

from contextlib import suppress
from itertools import pairwise
from uuid import uuid4

import pytest
from websockets.exceptions import ConnectionClosed

from tests.api.checks import path_of
from tests.client import ApiClient, Socket
from tests.conftest import MakeClient
from tests.services.provider import Provider
from tests.services.server import Server
from tests.waiting import wait_until

EMOJI = "Ein 🦊 und 👩‍👩‍👧‍👦 und é\u0301 — 你好 𝕏 ende"


@pytest.fixture
def socket(alice: ApiClient, chat: str) -> Socket:
    socket = alice.socket(chat)
    assert socket.recv()["type"] == "session.ready"
    return socket


def frames_until_pong(socket: Socket) -> list[dict]:
    """What came before the answer to a ping: with an idle socket, all that will come."""
    start = len(socket.seen)
    socket.send("ping", event_id="end")
    socket.recv_until("pong")
    return socket.seen[start:-1]


# Ready --------------------------------------------------------------------------------------------
def test_ready_comes_first_with_the_chat_session(alice: ApiClient, chat: str):
    alice.send(chat, "hello")
    ready = alice.socket(chat).recv()
    assert ready == {"type": "session.ready", "session": alice.get(path_of(chat)).json(), "last_seq": 2}


def test_ready_tells_what_runs_and_it_is_followed(alice: ApiClient, chat: str, socket: Socket):
    socket.send("message.send", content="[[n=100,gap=30]]")
    for _ in range(3):
        socket.recv_until("reply.delta")
    second = alice.socket(chat)
    running = second.recv()["running"]
    assert running["offset"] > 0
    end = second.recv_reply()
    rest = [frame for frame in second.seen if frame["type"] == "reply.delta"]
    assert rest[0]["offset"] <= running["offset"]
    content = end["message"]["content"]
    assert rest[0]["offset"] + sum(len(frame["text"]) for frame in rest) == len(content)
    assert content.endswith(rest[-1]["text"])
    assert end["message_id"] == running["message_id"]
    assert socket.recv_reply() == end


# Turns --------------------------------------------------------------------------------------------
def test_turn_comes_in_order(alice: ApiClient, chat: str, socket: Socket):
    end = socket.say("[[n=5,gap=20]]", client_message_id="mine")
    types = socket.types()[1:]
    assert types[:2] == ["message.accepted", "reply.started"]
    assert set(types[2:-1]) == {"reply.delta"}
    assert types[-1] == "reply.completed"
    accepted, started = socket.seen[1:3]
    rows = alice.messages(chat)
    assert accepted == {
        "type": "message.accepted", "client_message_id": "mine", "message_id": rows[0]["id"], "seq": 1
    }  # fmt: skip
    assert started == {"type": "reply.started", "message_id": rows[1]["id"], "seq": 2}
    assert end == {"type": "reply.completed", "message_id": rows[1]["id"], "message": rows[1]}


def test_offsets_count_code_points(socket: Socket, provider: Provider):
    end = socket.say(provider.reply_with(EMOJI, tokens_delay=0.02))
    deltas = [frame for frame in socket.seen if frame["type"] == "reply.delta"]
    assert deltas[0]["offset"] == 0
    assert len(deltas) > 1
    for before, after in pairwise(deltas):
        assert after["offset"] == before["offset"] + len(before["text"])
    assert socket.text_of(end["message_id"]) == EMOJI == end["message"]["content"]


def test_same_message_again_is_acknowledged_as_before(alice: ApiClient, chat: str, socket: Socket):
    socket.say("hello", client_message_id="once")
    first = next(frame for frame in socket.seen if frame["type"] == "message.accepted")
    socket.send("message.send", content="hello", client_message_id="once")
    assert frames_until_pong(socket) == [first]
    socket.send("message.send", content="other", client_message_id="once", event_id="e1")
    error = socket.recv_until("error")
    assert (error["code"], error["event_id"]) == ("client_message_id_reused", "e1")
    assert len(alice.messages(chat)) == 2


def test_stop_ends_the_reply_and_nothing_else(socket: Socket):
    socket.send("message.send", content="[[slow]]")
    socket.recv_until("reply.delta")
    socket.send("reply.stop")
    end = socket.recv_reply()
    assert end["type"] == "reply.cancelled"
    assert socket.text_of(end["message_id"]) == end["message"]["content"]
    socket.send("reply.stop", event_id="nothing runs")
    assert frames_until_pong(socket) == []


def test_failed_reply_is_told_and_retried(alice: ApiClient, chat: str, socket: Socket):
    failed = socket.say(f"please [[401,times=1]] {uuid4()}")
    assert (failed["type"], failed["code"], failed["retryable"]) == ("reply.failed", "provider_auth_failed", False)
    socket.send("reply.retry", message_id=failed["message_id"])
    end = socket.recv_reply()
    assert end["type"] == "reply.completed"
    assert end["message_id"] != failed["message_id"]
    assert alice.messages(chat)[0]["answered_by"] == end["message_id"]


def test_messages_during_a_reply_are_answered_together(alice: ApiClient, chat: str, socket: Socket):
    socket.send("message.send", content="[[n=50,gap=40]]")
    socket.recv_until("reply.started")
    for number in range(2):
        socket.send("message.send", content=f"more {number}")
    first, second = socket.recv_reply(), socket.recv_reply()
    assert first["message"]["seq"] == 2
    assert second["message"]["seq"] == 5
    rows = alice.messages(chat)
    assert [row.get("answered_by") for row in rows] == [first["message_id"], None, *[second["message_id"]] * 2, None]


def test_reply_goes_on_without_the_socket(alice: ApiClient, chat: str, socket: Socket):
    socket.send("message.send", content="[[n=10,gap=20]]")
    socket.recv_until("message.accepted")
    socket.close()
    wait_until(lambda: alice.messages(chat)[-1]["status"] == "complete")
    assert alice.messages(chat)[-1]["content"].endswith("t9 ")


def test_message_of_eight_thousand_emoji_fits_a_frame(alice: ApiClient, chat: str, socket: Socket):
    socket.send_raw('{"type":"message.send","content":"' + "🦊" * 8000 + '"}')
    assert socket.recv_reply()["type"] == "reply.completed"
    assert alice.messages(chat)[0]["content"] == "🦊" * 8000


# Other frames -------------------------------------------------------------------------------------
def test_ping_is_answered(socket: Socket):
    socket.send("ping")
    assert socket.recv() == {"type": "pong"}
    socket.send("ping", event_id="é 1")
    assert socket.recv() == {"type": "pong", "event_id": "é 1"}


def test_binary_frame_with_json_works(socket: Socket):
    socket.send_raw(b'{"type": "ping"}')
    assert socket.recv() == {"type": "pong"}


def test_feedback_is_taken(alice: ApiClient, chat: str, socket: Socket):
    reply = socket.say("hello")["message_id"]
    socket.send("feedback", rating=4)
    assert socket.recv() == {"type": "feedback.accepted", "message_id": None, "rating": 4}
    socket.send("feedback", rating=2, message_id=reply)
    assert socket.recv() == {"type": "feedback.accepted", "message_id": reply, "rating": 2}
    socket.send("feedback", rating=2, message_id=alice.messages(chat)[0]["id"], event_id="e")
    assert (error := socket.recv())["code"] == "not_a_reply"
    assert error["event_id"] == "e"


def test_typing_goes_to_the_others_only(alice: ApiClient, chat: str, socket: Socket):
    second = alice.socket(chat)
    second.recv()
    for kind in ("typing.start", "typing.stop"):
        socket.send(kind)
        assert second.recv() == {"type": kind}
    assert frames_until_pong(socket) == []
    assert frames_until_pong(second) == []


def test_two_sockets_see_the_same(alice: ApiClient, chat: str, socket: Socket):
    second = alice.socket(chat)
    second.recv()
    end = socket.say("[[n=5,gap=20]]")
    assert second.recv_reply() == end
    assert second.types()[1:3] == ["message.created", "reply.started"]
    assert second.seen[1]["message"] == alice.messages(chat)[0]
    assert second.text_of(end["message_id"]) == end["message"]["content"]
    assert "message.created" not in socket.types()


def test_message_over_rest_is_told_to_sockets(alice: ApiClient, chat: str, socket: Socket):
    turn = alice.send(chat, "hello")
    assert socket.recv() == {"type": "message.created", "message": turn["message"]}
    assert socket.recv_reply()["message"] == turn["reply"]


# Sync ---------------------------------------------------------------------------------------------
def synced(socket: Socket, **fields) -> list[dict]:
    socket.send("sync", **fields)
    return frames_until_pong(socket)


def test_sync_tells_finished_messages_after_a_number(alice: ApiClient, chat: str, socket: Socket):
    for number in range(2):
        alice.send(chat, f"message {number}")
    frames_until_pong(socket)
    created = [{"type": "message.created", "message": row} for row in alice.messages(chat)]
    assert synced(socket, after_seq=0) == created
    assert synced(socket, after_seq=3) == created[3:]
    assert synced(socket, after_seq=4) == synced(socket, after_seq=2**31 - 1) == []


def test_sync_tells_the_rest_of_an_ended_reply(alice: ApiClient, chat: str, socket: Socket, provider: Provider):
    end = socket.say(provider.reply_with(EMOJI))
    id_ = end["message_id"]
    delta = {"type": "reply.delta", "message_id": id_, "offset": 5, "text": EMOJI[5:]}
    assert synced(socket, after_seq=2, message_id=id_, offset=5) == [delta, end]
    assert synced(socket, after_seq=2, message_id=id_) == [{**delta, "offset": 0, "text": EMOJI}, end]
    assert synced(socket, after_seq=2, message_id=id_, offset=len(EMOJI)) == [end]


def test_sync_tells_a_running_reply_from_any_offset(alice: ApiClient, chat: str, socket: Socket):
    socket.send("message.send", content="[[n=100,gap=30]]")
    for _ in range(3):
        socket.recv_until("reply.delta")
    second = alice.socket(chat)
    running = second.recv()["running"]
    second.send("sync", after_seq=0, message_id=running["message_id"], offset=0)
    end = second.recv_reply()
    deltas = [frame for frame in second.seen if frame["type"] == "reply.delta"]
    text = ""
    for frame in sorted(deltas, key=lambda frame: frame["offset"]):
        text = text[: frame["offset"]] + frame["text"] if frame["offset"] + len(frame["text"]) > len(text) else text
    assert text == end["message"]["content"]
    assert socket.recv_reply() == end
    assert [frame["message"]["seq"] for frame in second.seen if frame["type"] == "message.created"] == [1]


def test_sync_tells_nothing_of_other_chat_sessions(alice: ApiClient, mallory: ApiClient, socket: Socket):
    theirs = mallory.send(mallory.start()["id"], "secret")["reply"]["id"]
    mine_elsewhere = alice.send(alice.start()["id"], "secret")["reply"]["id"]
    for id_ in (theirs, mine_elsewhere, str(uuid4())):
        assert synced(socket, after_seq=0, message_id=id_) == []


# The end ------------------------------------------------------------------------------------------
def test_end_over_rest_ends_the_socket(alice: ApiClient, chat: str, socket: Socket):
    alice.post(path_of(chat, "end/"), {"reason": "went_home"})
    assert socket.recv() == {"type": "session.ended", "reason": "went_home"}
    assert socket.wait_closed() == 4403


def test_running_reply_is_told_to_its_end_before_the_socket_closes(alice: ApiClient, chat: str, socket: Socket):
    socket.send("message.send", content="[[slow]]")
    socket.recv_until("reply.delta")
    alice.post(path_of(chat, "end/"))
    assert socket.wait_closed() == 4403
    assert socket.types()[-2:] == ["reply.cancelled", "session.ended"]


def test_ended_chat_session_tells_so_and_closes(alice: ApiClient, chat: str):
    alice.post(path_of(chat, "end/"))
    with alice.socket(chat) as socket:
        assert socket.wait_closed() == 4403
        assert socket.types() == ["session.ready", "session.ended"]
        assert socket.seen[0]["session"]["status"] == "ended"
        assert socket.seen[1]["reason"] == "ended_by_application"


def test_delete_closes_the_socket(alice: ApiClient, chat: str, socket: Socket):
    alice.delete(path_of(chat))
    assert socket.wait_closed() == 4403
    assert socket.seen[-1] == {"type": "session.ended", "reason": "deleted"}


# Two processes ------------------------------------------------------------------------------------
@pytest.fixture
def devices(grown_servers: tuple[Server, Server], make_client: MakeClient):
    """Two sockets of one person, each on another process."""
    one, two = (make_client(server, external_id=f"devices-{uuid4()}") for server in grown_servers)
    chat = one.start()["id"]
    sockets = one.socket(chat), two.socket(chat)
    assert [socket.recv()["type"] for socket in sockets] == ["session.ready"] * 2
    return one, chat, *sockets


def test_device_on_another_process_follows(devices):
    _, _, here, there = devices
    here.send("message.send", content="[[n=20,gap=30]]")
    end = there.recv_reply()
    assert there.types()[1:3] == ["message.created", "reply.started"]
    assert there.text_of(end["message_id"]) == end["message"]["content"]
    assert len([kind for kind in there.types() if kind == "reply.delta"]) > 1, "nothing came while it ran"
    assert here.recv_reply() == end


def test_device_on_another_process_stops(devices):
    _, _, here, there = devices
    here.send("message.send", content="[[slow]]")
    there.recv_until("reply.delta")
    there.send("reply.stop")
    assert here.recv_reply()["type"] == there.recv_reply()["type"] == "reply.cancelled"


def test_typing_reaches_another_process_once(devices):
    _, _, here, there = devices
    here.send("typing.start")
    assert there.recv_until("typing.start") == {"type": "typing.start"}
    assert frames_until_pong(here) == frames_until_pong(there) == []


def test_end_reaches_another_process(devices):
    one, chat, here, there = devices
    one.post(path_of(chat, "end/"))
    assert [here.wait_closed(), there.wait_closed()] == [4403, 4403]
    assert there.types()[-1] == "session.ended"


def test_frame_after_the_end_is_not_taken(alice: ApiClient, chat: str, socket: Socket):
    alice.post(path_of(chat, "end/"))
    with suppress(ConnectionClosed):
        socket.send("message.send", content="too late")
    assert socket.wait_closed() == 4403
    assert alice.messages(chat) == []


def test_rating_over_the_socket_keeps_the_comment(alice: ApiClient, chat: str, socket: Socket) -> None:
    alice.post(path_of(chat, "feedback/"), {"rating": 4, "comment": "keep me"})
    socket.send("feedback", rating=5)
    assert socket.recv_until("feedback.accepted")["rating"] == 5
    assert alice.post(path_of(chat, "feedback/"), {"rating": 3}).json()["comment"] == "keep me"

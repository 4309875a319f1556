"""Two people talk to each other, over sockets and REST."""

from __future__ import annotations

import time
from typing import Any

from chatify.realtime.handlers import TYPING
from tests.client import Socket
from tests.rooms.conftest import Room
from tests.turns.scenes import accept, seqs, together


def say(room: Room, who: Any, content: str, **fields: Any) -> dict[str, Any]:
    """Say something over REST, and give the message."""
    answer = who.post(f"{room.path}messages/", {"content": content, **fields})
    assert answer.status_code == 200, answer.text
    assert set(answer.json()) == {"message"}
    return dict(answer.json()["message"])


def both(room: Room) -> tuple[Socket, Socket]:
    """Sockets of Ada and Ben, who know of each other."""
    ada = room.ada.socket(room.id)
    ada.recv_until("session.ready")
    ben = room.ben.socket(room.id)
    ben.recv_until("session.ready")
    ada.recv_until("presence")
    return ada, ben


def heard(socket: Socket) -> tuple[str, str, str]:
    message = socket.recv_until("message.created")["message"]
    return message["role"], message["sender"]["name"], message["content"]


def test_what_one_says_the_other_hears(room: Room) -> None:
    ada, ben = both(room)
    assert accept(ada, "hello")["seq"] == 1
    assert heard(ben) == ("user", "Ada", "hello")
    assert accept(ben, "hi")["seq"] == 2
    assert heard(ada) == ("human", "Ben", "hi")
    assert room.ada.messages(room.id) == room.ben.messages(room.id)
    assert not {"reply.started", "message.accepted"} & set(ada.types()[ada.types().index("message.accepted") + 1 :])


def test_own_other_device_is_told(room: Room) -> None:
    phone, laptop = room.ada.socket(room.id), room.ada.socket(room.id)
    laptop.recv_until("session.ready")
    accept(phone, "from my phone")
    assert heard(laptop) == ("user", "Ada", "from my phone")


def test_rest_answers_at_once(room: Room) -> None:
    ben = room.ben.socket(room.id)
    ben.recv_until("session.ready")
    started = time.monotonic()
    assert say(room, room.ada, "hello")["role"] == "user"
    assert time.monotonic() - started < 5, "it waits for no reply"
    assert heard(ben) == ("user", "Ada", "hello")
    assert [event.name for event in room.ben.sse(room.id, "hi")] == ["message.accepted"]


def test_key_speaks_for_either(room: Room) -> None:
    roles = [say(room, room.key, "hello", user=who.external_id)["role"] for who in (room.ada, room.ben)]
    assert roles == ["user", "human"]
    socket = room.key.socket(room.id, user=room.ben.external_id)
    assert socket.recv_until("session.ready")["session"]["your_role"] == "human"
    accept(socket, "for Ben")
    assert room.ada.messages(room.id)[-1]["sender"]["name"] == "Ben"


def test_ticket_of_a_key_is_for_whom_it_names(room: Room) -> None:
    made = room.key.post(f"{room.path}ticket/", {"user": room.ben.external_id})
    assert made.status_code == 201, made.text
    with room.ben.socket(room.id, ticket=made.json()["ticket"]) as socket:
        assert socket.recv_until("session.ready")["session"]["your_role"] == "human"


def test_ids_that_both_chose_do_not_collide(room: Room) -> None:
    first = [say(room, who, who.external_id, client_message_id="1") for who in (room.ada, room.ben)]
    again = [say(room, who, who.external_id, client_message_id="1") for who in (room.ada, room.ben)]
    assert [one["id"] for one in first] == [one["id"] for one in again]
    assert [one["role"] for one in first] == ["user", "human"]
    answer = room.ben.post(f"{room.path}messages/", {"content": room.ada.external_id, "client_message_id": "1"})
    assert (answer.status_code, answer.json()["code"]) == (409, "client_message_id_reused")


def test_messages_of_both_at_once_are_numbered_without_gaps(room: Room) -> None:
    ada, ben = both(room)
    jobs = [lambda who=who, n=n: say(room, who, f"{n}") for n in range(6) for who in (room.ada, room.ben)]
    together(*jobs)
    messages = room.ada.messages(room.id)
    assert seqs(messages) == list(range(1, 13))
    for socket in (ada, ben):
        heard_seqs: set[int] = set()
        while len(heard_seqs) < 12:  # some may be told twice
            heard_seqs.add(socket.recv_until("message.created")["message"]["seq"])
        assert heard_seqs == set(range(1, 13))


def test_what_was_missed_is_told_by_sync(room: Room) -> None:
    say(room, room.ada, "while you were away")
    ben = room.ben.socket(room.id)
    assert ben.recv_until("session.ready")["last_seq"] == 1
    ben.send("sync", after_seq=0)
    assert heard(ben) == ("user", "Ada", "while you were away")


def test_either_pauses_and_the_other_wakes_it(room: Room) -> None:
    ada, _ = both(room)
    assert room.ben.post(f"{room.path}pause/", {}).json()["status"] == "paused"
    assert ada.recv_until("session.paused")["reason"] == "paused_by_user"
    say(room, room.ada, "still there?")
    assert room.ben.get(room.path).json()["status"] == "active"


def test_end_by_one_is_the_end_for_both(room: Room) -> None:
    sockets = both(room)
    assert room.ben.post(f"{room.path}end/", {}).status_code == 200
    for socket in sockets:
        assert socket.wait_closed() == 4403
        assert socket.types()[-1] == "session.ended"
    answer = room.ada.post(f"{room.path}messages/", {"content": "hello?"})
    assert (answer.status_code, answer.json()["code"]) == (409, "session_ended")


def test_who_types_without_end_is_told_and_the_other_stays(room: Room) -> None:
    ada, ben = both(room)
    for _ in range(TYPING.amount + 1):
        ada.send("typing.start")
    assert ada.recv_until("error")["code"] == "too_fast"
    ben.send("ping")
    assert ben.recv_until("pong")

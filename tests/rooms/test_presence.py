"""Who is there, who types, and who has read how far."""

from __future__ import annotations

import pytest

from tests.api.database import select
from tests.client import ApiClient, Socket
from tests.rooms.conftest import Room
from tests.rooms.test_talking import both, say
from tests.services.server import Server
from tests.waiting import wait_until


def presence(socket: Socket) -> tuple[str, bool]:
    frame = socket.recv_until("presence")
    return frame["role"], frame["online"]


def test_ready_tells_who_is_there(room: Room) -> None:
    ada = room.ada.socket(room.id)
    assert ada.recv_until("session.ready")["participants"] == [
        {"role": "user", "name": "Ada", "online": True, "read_seq": 0},
        {"role": "human", "name": "Ben", "online": False, "read_seq": 0},
    ]
    ben = room.ben.socket(room.id)
    assert [one["online"] for one in ben.recv_until("session.ready")["participants"]] == [True, True]
    assert presence(ada) == ("human", True)


def test_only_the_first_socket_comes_and_only_the_last_one_goes(room: Room) -> None:
    ada, ben = both(room)
    with room.ben.socket(room.id) as second:
        second.recv_until("session.ready")
    ben.send("typing.start")
    assert ada.recv_until("presence", "typing.start")["type"] == "typing.start", "nothing was told of the second one"
    ben.close()
    assert presence(ada) == ("human", False)
    assert say(room, room.ben, "over REST I am not there")["seq"] == 1


def test_typing_says_who_it_is(room: Room) -> None:
    ada, ben = both(room)
    ben.send("typing.start")
    assert ada.recv_until("typing.start") == {"type": "typing.start", "role": "human"}
    ben.send("typing.stop")
    assert ada.recv_until("typing.stop") == {"type": "typing.stop", "role": "human"}


def test_what_was_read_is_told_and_kept(room: Room) -> None:
    for number in range(3):
        say(room, room.ada, str(number))
    ada, ben = both(room)
    for seq in (2, 1, 3):
        ben.send("message.read", seq=seq)
    marks = [ada.recv_until("message.read") for _ in range(2)]
    assert marks == [{"type": "message.read", "role": "human", "seq": seq} for seq in (2, 3)], "it never goes back"
    ada.close()
    ben.close()

    def read() -> bool:
        with room.ada.socket(room.id) as again:
            return again.recv_until("session.ready")["participants"][1]["read_seq"] == 3

    wait_until(read)


def test_nobody_reads_what_was_not_written(room: Room) -> None:
    ada, _ = both(room)
    ada.send("message.read", seq=1, event_id="e1")
    error = ada.recv_until("error")
    assert (error["code"], error["errors"][0]["field"], error["event_id"]) == ("unknown_seq", "seq", "e1")


def test_with_a_personality_nobody_reads(alice: ApiClient) -> None:
    socket = alice.socket(alice.start()["id"])
    assert "participants" not in socket.recv_until("session.ready")
    socket.send("message.read", seq=1)
    assert socket.recv_until("error")["code"] == "not_a_room"


def test_who_is_there_is_written(room: Room, server: Server) -> None:
    both(room)
    query = "select count(*) from chat_sessions_participant where seen_at is not null and chat_session_id = ?"
    id_ = room.id.replace("-", "") if server.database_url.startswith("sqlite") else room.id
    wait_until(lambda: select(server, query, id_) == [(2,)])
    room.ada.close()
    room.ben.close()
    wait_until(lambda: select(server, query, id_) == [(0,)])


@pytest.mark.parametrize("server", ["embedded"], indirect=True)
def test_each_of_the_two_has_ten_places(room: Room) -> None:
    for who in (room.ada, room.ben):
        for _ in range(10):
            who.socket(room.id).recv_until("session.ready")
        assert who.socket(room.id).wait_closed() == 4409

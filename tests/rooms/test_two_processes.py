"""The two people of a room are at different processes."""

from __future__ import annotations

from tests.api.checks import change_rows
from tests.conftest import MakeClient, MakeServer
from tests.rooms.conftest import Room, Rooms, enter
from tests.rooms.test_presence import presence
from tests.rooms.test_talking import both, heard, say
from tests.services.server import Server
from tests.turns.scenes import accept, seqs, together


def test_what_one_says_the_other_hears_there(far_room: Room) -> None:
    ada, ben = both(far_room)
    accept(ada, "hello")
    assert heard(ben) == ("user", "Ada", "hello")
    accept(ben, "hi")
    assert heard(ada) == ("human", "Ben", "hi")


def test_typing_and_reading_are_told_there(far_room: Room) -> None:
    ada, ben = both(far_room)
    accept(ada, "hello")
    ben.recv_until("message.created")
    ben.send("typing.start")
    assert ada.recv_until("typing.start")["role"] == "human"
    ben.send("message.read", seq=1)
    assert ada.recv_until("message.read") == {"type": "message.read", "role": "human", "seq": 1}


def test_who_comes_and_goes_is_told_there(far_room: Room) -> None:
    ada, ben = both(far_room)
    ben.close()
    assert presence(ada) == ("human", False)
    again = far_room.ben.socket(far_room.id)
    first, second = again.recv_until("session.ready")["participants"]
    assert second["online"]
    assert first["online"] or presence(again) == ("user", True), "it may have been read before it was written"
    assert presence(ada) == ("human", True)


def test_who_is_still_at_the_other_process_is_not_gone(
    far_room: Room, grown_servers: tuple[Server, Server], make_client: MakeClient
) -> None:
    ada, _ = both(far_room)
    with make_client(grown_servers[0], key=far_room.ben.key).socket(far_room.id) as second:
        second.recv_until("session.ready")
    assert presence(ada) == ("human", False)
    assert presence(ada) == ("human", True), "the other process says so"


def test_messages_of_both_at_once_are_numbered_without_gaps(far_room: Room) -> None:
    people = (far_room.ada, far_room.ben)
    together(*[lambda who=who, n=n: say(far_room, who, f"{n}") for n in range(8) for who in people])
    assert seqs(far_room.ada.messages(far_room.id)) == list(range(1, 17))


def test_whose_process_was_killed_is_found_gone(make_server: MakeServer, make_client: MakeClient) -> None:
    here = make_server(grown=True)
    there = make_server.beside(here)
    room = enter(Rooms(), make_client, here, there)
    ada, _ = both(room)
    there.kill()
    ada.send("ping")
    assert ada.recv_until("pong", "presence")["type"] == "pong", "nobody said a word"
    change_rows(here, "update chat_sessions_participant set seen_at = seen_at - interval '31 seconds'")
    assert presence(ada) == ("human", False)
    assert room.ada.get(room.path).status_code == 200

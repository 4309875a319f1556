"""What there is with personalities only, and what none of the two may do alone."""

from __future__ import annotations

import pytest

from tests.rooms.conftest import Room
from tests.rooms.test_talking import both, say

pytestmark = pytest.mark.parametrize("server", ["embedded"], indirect=True)


def code_of(answer: object) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]  # type: ignore[attr-defined]


def test_there_is_no_personality(room: Room) -> None:
    said = say(room, room.ada, "hello")["id"]
    calls = [
        room.ada.post(f"{room.path}stop/", {}),
        room.ada.post(f"{room.path}messages/{said}/retry/", {}),
        room.ada.post(f"{room.path}switch/", {"template": "casual_chat"}),
        room.ada.delete(f"{room.path}suggestion/"),
        room.ada.post(f"{room.path}feedback/", {"rating": 5}),
        room.ada.post(f"{room.path}feedback/", {"rating": 5, "message_id": said}),
    ]
    assert {code_of(answer) for answer in calls} == {(409, "human_room")}
    assert room.ada.get(f"{room.path}stream/").status_code == 204


def test_there_is_none_for_frames_either(room: Room) -> None:
    ada, _ = both(room)
    id_ = say(room, room.ben, "hello")["id"]
    ada.recv_until("message.created")
    ada.send("reply.stop")
    ada.send("reply.retry", message_id=id_)
    ada.send("personality.switch", template="casual_chat")
    ada.send("personality.decline")
    ada.send("feedback", rating=5)
    assert [ada.recv_until("error")["code"] for _ in range(5)] == ["human_room"] * 5


def test_what_is_of_both_none_changes_alone(room: Room) -> None:
    assert code_of(room.ada.patch(room.path, {"title": "mine"})) == (409, "human_room")
    assert code_of(room.ben.delete(room.path)) == (409, "human_room")
    assert room.key.patch(room.path, {"title": "theirs"}).status_code == 200
    assert room.key.delete(room.path).status_code == 204
    assert room.ada.get(room.path).status_code == 404


def test_who_deletes_all_of_theirs_leaves_rooms_to_the_other(room: Room) -> None:
    assert room.ada.delete("/api/v1/sessions/").json() == {"deleted": 0}
    assert room.ben.get(room.path).status_code == 200
    assert room.key.delete(f"/api/v1/sessions/?user={room.ben.external_id}").json() == {"deleted": 1}
    assert room.ada.get(room.path).status_code == 404

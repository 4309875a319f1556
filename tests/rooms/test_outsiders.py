"""Who may come into a human room, and what the two learn of each other."""

from __future__ import annotations

import json

import pytest

from tests.api.routes import object_routes
from tests.client import ApiClient
from tests.conftest import MakeClient
from tests.rooms.conftest import Room
from tests.rooms.populate import AGES
from tests.rooms.test_talking import say
from tests.services.server import Server

EMBEDDED = pytest.mark.parametrize("server", ["embedded"], indirect=True)


def refused(who: ApiClient, room: Room) -> dict[str, int]:
    """What each route of a chat session answers somebody with, by its name."""
    found = {}
    for route in object_routes():
        body = None if route.method in ("GET", "DELETE") else route.body
        path = route.path(chat_session_id=room.id, message_id=room.id)
        found[str(route)] = who.http.request(route.method, path, json=body).status_code
    return found


@EMBEDDED
def test_outsiders_find_no_room(room: Room, mallory: ApiClient, server: Server, make_client: MakeClient) -> None:
    third = make_client(server, key=token_of(room, "a-third-one"))
    for who in (mallory, third):
        answers = refused(who, room)
        assert len(answers) > 10
        assert set(answers.values()) == {404}, answers
        assert who.socket(room.id).wait_closed() == 4404
    assert room.ada.messages(room.id) == []


def token_of(room: Room, external_id: str, **fields: str) -> str:
    """A token for one of the application's users."""
    made = room.key.post("/api/v1/tokens/", {"user": {"external_id": external_id}, **fields})
    return str(made.json()["token"])


@EMBEDDED
def test_bound_token_opens_its_own_room_only(room: Room, server: Server, make_client: MakeClient) -> None:
    elsewhere = make_client(server, external_id=room.ben.external_id).start()["id"]
    here = make_client(server, key=token_of(room, room.ben.external_id, session=room.id))
    there = make_client(server, key=token_of(room, room.ben.external_id, session=elsewhere))
    assert here.get(room.path).json()["your_role"] == "human"
    assert here.socket(room.id).recv()["type"] == "session.ready"
    assert set(refused(there, room).values()) == {404}
    assert there.socket(room.id).wait_closed() == 4404
    other = room.key.post("/api/v1/tokens/", {"user": {"external_id": "nobody-here"}, "session": room.id})
    assert other.status_code == 404


@EMBEDDED
def test_key_has_to_say_for_whom(room: Room) -> None:
    for path, body in (("messages/", {"content": "hello"}), ("ticket/", {})):
        for user, code in ((None, "required"), ("a-third-one", "not_in_room")):
            answer = room.key.post(room.path + path, {**body, **({"user": user} if user else {})})
            assert answer.status_code == 400
            assert [(one["field"], one["code"]) for one in answer.json()["errors"]] == [("user", code)]
    for user, code in (("", "required"), ("a-third-one", "not_in_room")):
        socket = room.key.socket(room.id, user=user)
        error = socket.recv()
        assert (error["type"], error["errors"][0]["field"], error["code"]) == ("error", "user", code)
        assert socket.wait_closed() == 4400
    assert room.ada.messages(room.id) == []


@EMBEDDED
def test_nobody_speaks_for_the_other(room: Room) -> None:
    for other in (room.ben.external_id, "a-third-one"):  # the same: nobody finds out who it is that they talk to
        answer = room.ada.post(f"{room.path}messages/", {"content": "I am Ben", "user": other})
        assert (answer.status_code, answer.json()["code"]) == (400, "not_yours")
        assert room.ada.get(f"/api/v1/sessions/?user={other}").json()["results"] == []
        assert room.ada.get(f"/api/v1/sessions/active/?user={other}").status_code == 404
    assert say(room, room.ada, "I am Ada", user=room.ada.external_id)["role"] == "user"


@EMBEDDED
def test_with_a_personality_a_key_may_name_its_user_only(alice: ApiClient) -> None:
    path = f"/api/v1/sessions/{alice.start()['id']}/messages/"
    assert alice.post(path, {"content": "hello", "user": alice.external_id}).json()["reply"]
    answer = alice.post(path, {"content": "hello", "user": "somebody-else"})
    assert (answer.status_code, answer.json()["code"]) == (400, "not_in_room")


def test_each_sees_their_own_profile_and_of_the_other_the_name(room: Room) -> None:
    say(room, room.ada, "hello")
    say(room, room.ben, "hi")
    for me, other in ((room.ada, room.ben), (room.ben, room.ada)):
        paths = room.path, f"{room.path}messages/", "/api/v1/sessions/", "/api/v1/sessions/active/"
        with me.socket(room.id) as socket:
            seen = [me.get(path).text for path in paths] + [json.dumps(socket.recv())]
        other_name = "Ben" if other is room.ben else "Ada"
        for secret in (other.external_id, f"only-{other_name}-likes-it", f'"age":{AGES[other_name]}'):
            assert not [text for text in seen if secret in text.replace('": ', '":')]
        found = me.get(room.path).json()
        assert (found["user"]["external_id"], found["partner"]) == (me.external_id, {"name": other_name})


@EMBEDDED
def test_key_sees_it_as_the_one_whom_it_names(room: Room) -> None:
    assert room.key.get(room.path).json()["your_role"] is None
    for who, role in ((room.ada, "user"), (room.ben, "human")):
        query = f"?user={who.external_id}"
        (listed,) = room.key.get(f"/api/v1/sessions/{query}").json()["results"]
        active = room.key.get(f"/api/v1/sessions/active/{query}&mode=human").json()
        assert [one["your_role"] for one in (listed, active)] == [role] * 2
        assert listed["user"]["external_id"] == who.external_id
        assert room.key.get(f"/api/v1/sessions/active/{query}&mode=ai").status_code == 404
        assert room.key.get(f"/api/v1/sessions/{query}&mode=ai").json()["results"] == []

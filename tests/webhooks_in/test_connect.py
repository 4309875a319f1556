"""The three calls of an application's backend: connect, the active chat session, end it."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.api.checks import SESSIONS, fields_of, on_sqlite, outcome, path_of, state_of
from tests.client import ApiClient, Socket
from tests.services.server import Server
from tests.webhooks_in.matchmakers import make_matchmaker
from tests.webhooks_in.rooms import open_room

CONNECT = f"{SESSIONS}connect/"


def connect(client: ApiClient, **body: Any) -> tuple[int, dict[str, Any]]:
    user = {"external_id": client.external_id, **body.pop("user", {})}
    response = client.post(CONNECT, {"user": user, **body})
    assert response.status_code in (200, 201), response.text
    assert response.headers["Cache-Control"] == "no-store"
    return response.status_code, response.json()


def test_connect_starts_a_chat_session(alice: ApiClient):
    status, found = connect(alice, user={"name": "Ada", "age": 36}, template="dating_advice", metadata={"from": "app"})
    assert (status, set(found)) == (201, {"session", "token", "expires_at"})
    session = found["session"]
    assert (session["template"], session["metadata"]) == ("dating_advice", {"from": "app"})
    assert (session["user"]["name"], session["user"]["age"]) == ("Ada", 36)


def test_connect_chooses_who_fits(alice: ApiClient):
    _, found = connect(alice, user={"preferred_template": "dating_advice"})
    assert found["session"]["selection"]["by"] == "preference"


def test_connect_again_gives_the_same_one(alice: ApiClient):
    _, first = connect(alice)
    status, again = connect(alice, user={"name": "Later"}, template="dating_advice")
    assert (status, again["session"]["id"]) == (200, first["session"]["id"])
    assert again["session"]["user"]["name"] == "Later"


def test_connect_wakes_one_that_is_paused(alice: ApiClient):
    _, first = connect(alice)
    alice.post(path_of(first["session"]["id"], "pause/"))
    status, again = connect(alice)
    assert (status, again["session"]["id"], again["session"]["status"]) == (200, first["session"]["id"], "active")


def test_token_is_for_this_chat_session(alice: ApiClient):
    _, found = connect(alice)
    with Socket(found["session"]["ws_url"], {"Authorization": f"Bearer {found['token']}"}) as socket:
        assert socket.say("hello")["type"] == "reply.completed"


def test_three_calls(alice: ApiClient):
    _, found = connect(alice)
    who = {"user": alice.external_id}
    assert alice.get(f"{SESSIONS}active/", params=who).json()["id"] == found["session"]["id"]
    assert alice.post(path_of(found["session"]["id"], "end/")).json()["status"] == "ended"
    assert outcome(alice.get(f"{SESSIONS}active/", params=who)) == (404, "not_found")
    status, again = connect(alice)
    assert (status, again["session"]["id"] != found["session"]["id"]) == (201, True)


def test_many_at_once_make_one(alice: ApiClient):
    with ThreadPoolExecutor(6) as threads:
        found = [call.result() for call in [threads.submit(connect, alice) for _ in range(6)]]
    assert sorted(status for status, _ in found) == [200] * 5 + [201]
    assert len({one["session"]["id"] for _, one in found}) == 1


def test_connect_while_it_ends_gives_one_that_is_open(alice: ApiClient):
    for _ in range(5):
        _, first = connect(alice)
        with ThreadPoolExecutor(2) as threads:
            ending = threads.submit(alice.post, path_of(first["session"]["id"], "end/"))
            connecting = threads.submit(connect, alice)
        assert ending.result().status_code == 200
        session = connecting.result()[1]["session"]
        state = alice.get(path_of(session["id"])).json()
        assert session["id"] != first["session"]["id"] or state["status"] == "ended"
        alice.post(path_of(session["id"], "end/"))


def test_who_is_in_a_room_is_not_connected(server: Server, alice: ApiClient, bob: ApiClient):
    connect(bob)
    room = open_room(server, alice, bob)
    before = state_of(alice)
    for client in (alice, bob):
        response = client.post(CONNECT, {"user": {"external_id": client.external_id, "name": "New"}})
        assert outcome(response) == (409, "in_room")
    assert state_of(alice) == before
    told = make_matchmaker(alice).send(
        {"type": "chatbot_fallback_triggered", "data": {"user": {"external_id": alice.external_id}}}
    )
    assert outcome(told) == (409, "in_room")
    alice.post(path_of(room, "end/"))
    assert connect(alice)[0] == 201


BAD = [
    ({}, "user", "required"),
    ({"user": {}}, "user.external_id", "required"),
    ({"user": {"external_id": "x", "age": 200}}, "user.age", "less_than_equal"),
    ({"user": {"external_id": "x"}, "template": "nobody"}, "template", "unknown_template"),
    ({"user": {"external_id": "x"}, "metadata": {"x": "y" * 5000}}, "metadata", "too_long"),
    ({"user": {"external_id": "x"}, "title": "x"}, "title", "unknown_field"),
]


@pytest.mark.parametrize(("body", "field", "code"), BAD)
@on_sqlite
def test_bad_call_is_refused(alice: ApiClient, body: dict[str, Any], field: str, code: str):
    response = alice.post(CONNECT, body)
    assert response.status_code == 400, response.text
    assert (field, code) in fields_of(response)


@on_sqlite
def test_personality_for_adults_is_refused_to_who_is_not(alice: ApiClient):
    adult = {"name": "Vera", "system_prompt": "You are an AI companion. Be brief.", "adult_only": True}
    slug = alice.post("/api/v1/templates/", adult).json()["slug"]
    body = {"user": {"external_id": alice.external_id, "age": 15}, "template": slug}
    assert outcome(alice.post(CONNECT, body)) == (403, "age_restricted")
    assert alice.get(f"/api/v1/users/{alice.external_id}/").status_code == 404  # nothing was written


@on_sqlite
def test_token_of_a_user_may_not(server: Server, alice: ApiClient):
    _, found = connect(alice)
    body = {"user": {"external_id": alice.external_id}}
    made = alice.post("/api/v1/tokens/", body).json()["token"]
    for token in (found["token"], made):
        response = alice.http.post(CONNECT, json=body, headers={"Authorization": f"Bearer {token}"})
        assert outcome(response) == (403, "not_a_key")


@on_sqlite
def test_other_tenants_user_of_the_same_name_is_somebody_else(alice: ApiClient, mallory: ApiClient):
    mallory.external_id = alice.external_id
    assert connect(alice)[1]["session"]["id"] != connect(mallory)[1]["session"]["id"]

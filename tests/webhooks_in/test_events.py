"""What matchmakers tell, and what becomes of it."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.api.checks import SESSIONS, fields_of, on_sqlite, outcome, path_of, read_rows
from tests.client import ApiClient, Socket
from tests.services.server import Server
from tests.webhooks_in.matchmakers import FALLBACK, Matchmaker, at, event, make_matchmaker

LATER = 5
"""Seconds: a sending of another second is another sending."""


def counts_of(server: Server) -> list[Any]:
    tables = ("accounts_enduser", "chat_sessions_chatsession", "webhooks_webhookreceipt")
    return [read_rows(server, f"select count(*) from {table}") for table in tables]


def open_chats(client: ApiClient) -> list[dict[str, Any]]:
    found = client.get(SESSIONS, params={"user": client.external_id}).json()["results"]
    return [chat for chat in found if chat["status"] != "ended"]


# Nobody came --------------------------------------------------------------------------------------
def test_fallback_starts_a_chat_session_with_the_profile(matchmaker: Matchmaker, alice: ApiClient):
    user = {"name": "Ada", "age": 36, "interests": ["chess"]}
    answer = matchmaker.tell(FALLBACK, alice.external_id, user=user, metadata={"queue": 7})
    assert set(answer) == {"session", "token", "expires_at"}
    session = answer["session"]
    assert (session["status"], session["mode"]) == ("active", "ai")
    assert session["user"] == {**user, "external_id": alice.external_id, "style": "", "preferred_template": None}
    assert session["metadata"] == {"queue": 7, "reason": FALLBACK}
    assert session["disclosure"].endswith("It is not a human being.")
    assert [chat["id"] for chat in open_chats(alice)] == [session["id"]]


def test_personality_can_be_asked_for(matchmaker: Matchmaker, alice: ApiClient):
    answer = matchmaker.tell(FALLBACK, alice.external_id, template="dating_advice")
    assert answer["session"]["template"] == "dating_advice"
    assert answer["session"]["selection"]["by"] == "explicit"


def test_token_opens_the_socket_and_nothing_else(matchmaker: Matchmaker, alice: ApiClient):
    answer = matchmaker.tell(FALLBACK, alice.external_id)
    other = alice.start()["id"]
    bearer = {"Authorization": f"Bearer {answer['token']}"}
    with Socket(answer["session"]["ws_url"], bearer) as socket:
        assert socket.recv()["session"]["id"] == answer["session"]["id"]
        assert socket.say("hello")["type"] == "reply.completed"
    assert alice.http.get(path_of(other), headers=bearer).status_code == 404
    assert outcome(alice.http.post(SESSIONS, json={}, headers=bearer)) == (403, "bound_to_session")


def test_who_talks_to_the_chatbot_goes_on_with_it(matchmaker: Matchmaker, alice: ApiClient):
    first = matchmaker.tell(FALLBACK, alice.external_id)["session"]["id"]
    assert alice.post(path_of(first, "pause/")).status_code == 200
    again = matchmaker.tell(FALLBACK, alice.external_id, user={"name": "Changed"})["session"]
    assert (again["id"], again["status"], again["user"]["name"]) == (first, "active", "Changed")


# Somebody came, or the user went ------------------------------------------------------------------
def test_human_found_says_goodbye_and_ends(matchmaker: Matchmaker, alice: ApiClient):
    session = matchmaker.tell(FALLBACK, alice.external_id)["session"]
    answer = matchmaker.tell("human_found", alice.external_id)
    assert (answer["session"]["id"], answer["session"]["status"]) == (session["id"], "ended")
    assert answer["session"]["end_reason"] == "human_found"
    last = alice.messages(session["id"])[-1]
    assert (last["role"], last["status"], bool(last["content"])) == ("assistant", "complete", True)


def test_user_left_ends_without_a_word(matchmaker: Matchmaker, alice: ApiClient):
    session = matchmaker.tell(FALLBACK, alice.external_id)["session"]
    answer = matchmaker.tell("user_left", alice.external_id)
    assert (answer["session"]["id"], answer["session"]["end_reason"]) == (session["id"], "user_left")
    assert alice.messages(session["id"]) == []


@pytest.mark.parametrize("type", ["human_found", "user_left"])
def test_who_has_no_chat_session_has_none_to_end(matchmaker: Matchmaker, alice: ApiClient, type: str):
    assert matchmaker.tell(type, alice.external_id) == {"session": None}
    assert alice.get(f"/api/v1/users/{alice.external_id}/").status_code == 404


# The same event again -----------------------------------------------------------------------------
def test_event_sent_again_gets_its_answer_again(matchmaker: Matchmaker, alice: ApiClient):
    body = event(FALLBACK, alice.external_id)
    first = matchmaker.send(body, "msg_1").json()
    alice.post(path_of(first["session"]["id"], "end/"))
    again = matchmaker.send(body, "msg_1", at(LATER)).json()
    assert again["session"]["id"] == first["session"]["id"]
    assert again["token"] != first["token"]
    assert open_chats(alice) == []


def test_goodbye_is_said_once(matchmaker: Matchmaker, alice: ApiClient):
    session = matchmaker.tell(FALLBACK, alice.external_id)["session"]
    answers = [
        matchmaker.send(event("human_found", alice.external_id), "msg_2", when).json() for when in (None, at(LATER))
    ]
    assert [answer["session"]["id"] for answer in answers] == [session["id"]] * 2
    assert len(alice.messages(session["id"])) == 1


def test_answer_again_is_refused_when_its_chat_session_is_gone(matchmaker: Matchmaker, alice: ApiClient):
    body = event(FALLBACK, alice.external_id)
    session = matchmaker.send(body, "msg_3").json()["session"]
    alice.delete(path_of(session["id"]))
    assert outcome(matchmaker.send(body, "msg_3", at(LATER))) == (404, "not_found")


def test_two_sources_may_use_the_same_id(matchmaker: Matchmaker, alice: ApiClient):
    other = make_matchmaker(alice, "other")
    assert matchmaker.tell("user_left", alice.external_id, "msg_4") == {"session": None}
    assert other.tell(FALLBACK, alice.external_id, "msg_4")["session"]["status"] == "active"


# At once ------------------------------------------------------------------------------------------
def test_two_at_once_with_one_id_do_the_work_once(matchmaker: Matchmaker, alice: ApiClient):
    body = event(FALLBACK, alice.external_id)
    with ThreadPoolExecutor(4) as threads:
        calls = [threads.submit(matchmaker.send, body, "msg_5", at(LATER + second)) for second in range(4)]
    answers = [call.result() for call in calls]
    assert [answer.status_code for answer in answers] == [200] * 4
    assert len({answer.json()["session"]["id"] for answer in answers}) == 1
    assert len(open_chats(alice)) == 1


def test_many_at_once_for_one_user_give_one_chat_session(matchmaker: Matchmaker, alice: ApiClient):
    with ThreadPoolExecutor(6) as threads:
        calls = [threads.submit(matchmaker.tell, FALLBACK, alice.external_id) for _ in range(6)]
    assert len({call.result()["session"]["id"] for call in calls}) == 1
    assert len(open_chats(alice)) == 1


def test_the_very_same_sending_twice_at_once_is_taken_once(matchmaker: Matchmaker, alice: ApiClient):
    raw = json.dumps(event(FALLBACK, alice.external_id)).encode()
    headers = matchmaker.headers(raw)
    with ThreadPoolExecutor(4) as threads:
        calls = [threads.submit(matchmaker.post, raw, headers) for _ in range(4)]
    assert sorted(call.result().status_code for call in calls) == [200, 409, 409, 409]


# Bad events, well signed --------------------------------------------------------------------------
SOMEBODY = {"external_id": "somebody"}
BAD: dict[str, tuple[Any, str, str]] = {
    "unknown type": ({"type": "chatbot_found", "data": {"user": SOMEBODY}}, "type", "unknown_type"),
    "no type": ({"data": {"user": SOMEBODY}}, "type", "required"),
    "type is no text": ({"type": 7, "data": {"user": SOMEBODY}}, "type", "required"),
    "no data": ({"type": FALLBACK}, "data", "required"),
    "no user": ({"type": FALLBACK, "data": {}}, "data.user", "required"),
    "nobody": ({"type": FALLBACK, "data": {"user": {"name": "x"}}}, "data.user.external_id", "required"),
    "null": ({"type": FALLBACK, "data": {"user": {"external_id": None}}}, "data.user.external_id", "wrong_type"),
    "wrong age": ({"type": FALLBACK, "data": {"user": {**SOMEBODY, "age": 200}}}, "data.user.age", "less_than_equal"),
    "unknown field": ({"type": "user_left", "data": {"user": SOMEBODY}, "x": 1}, "x", "unknown_field"),
    "unknown field inside": (
        {"type": "human_found", "data": {"user": {**SOMEBODY, "name": "x"}}},
        "data.user.name",
        "unknown_field",
    ),
    "unknown personality": (
        {"type": FALLBACK, "data": {"user": SOMEBODY, "template": "nobody"}},
        "template",
        "unknown_template",
    ),
    "large metadata": (
        {"type": FALLBACK, "data": {"user": SOMEBODY, "metadata": {"x": "y" * 5000}}},
        "data.metadata",
        "too_long",
    ),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
@on_sqlite
def test_bad_event_is_refused_by_its_field(server: Server, matchmaker: Matchmaker, bad: tuple[Any, str, str]):
    body, field, code = bad
    before = counts_of(server)
    response = matchmaker.send(body)
    assert response.status_code == 400, response.text
    assert (field, code) in fields_of(response)
    assert counts_of(server) == before


UNREADABLE = {
    "no JSON": (b"{", 400, "not_json"),
    "array": (b"[]", 400, "wrong_type"),
    "duplicate key": (b'{"type": "user_left", "type": "user_left"}', 400, "duplicate_key"),
    "too deep": (b'{"type":' + b"[" * 40 + b"]" * 40 + b"}", 400, "too_deep"),
    "NUL": (b'{"type": "\\u0000"}', 400, "bad_characters"),
    "NaN": (b'{"type": NaN}', 400, "not_json"),
    "too large": (b'"' + b"x" * 65_600 + b'"', 413, "too_large"),
    "empty": (b"", 400, "required"),
}


@pytest.mark.parametrize("bad", UNREADABLE.values(), ids=UNREADABLE)
@on_sqlite
def test_unreadable_event_is_refused(matchmaker: Matchmaker, bad: tuple[bytes, int, str]):
    body, status, code = bad
    assert outcome(matchmaker.post(body, matchmaker.headers(body))) == (status, code)


@on_sqlite
def test_other_content_type_is_refused(matchmaker: Matchmaker):
    body = b'{"type": "user_left"}'
    headers = {**matchmaker.headers(body), "content-type": "text/plain"}
    assert outcome(matchmaker.post(body, headers)) == (415, "unsupported_media_type")


@on_sqlite
def test_other_query_parameters_are_refused(matchmaker: Matchmaker):
    body = b'{"type": "user_left"}'
    assert outcome(matchmaker.post(body, matchmaker.headers(body), tenant="demo")) == (400, "invalid_input")


@on_sqlite
def test_refused_event_can_be_sent_again(matchmaker: Matchmaker, alice: ApiClient):
    assert matchmaker.send({"type": "x"}, "msg_6").status_code == 400
    assert matchmaker.tell(FALLBACK, alice.external_id, "msg_6")["session"]["status"] == "active"

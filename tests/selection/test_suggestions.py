"""Another personality is suggested, declined or taken: on every transport, in both ways to run."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.checks import change_rows, fields_of, on_sqlite, outcome, path_of
from tests.api.tenants import insert_key, insert_tenant
from tests.client import ApiClient, Socket
from tests.conftest import MakeClient
from tests.services.server import Server
from tests.waiting import wait_until

NORA = {"template": "dating_advice", "name": "Nora", "reason": "Relationships"}
NOTICE = "Nora answers from now on. You are talking to Nora, an AI. It is not a human being."


@pytest.fixture
def chat(alice: ApiClient) -> str:
    found: str = alice.start(name="Ada", age=30)["id"]
    return found


def session(client: ApiClient, chat: str) -> dict[str, Any]:
    found: dict[str, Any] = client.get(path_of(chat)).json()
    return found


def suggest(client: ApiClient, chat: str) -> None:
    """Say something that Nora would know more about."""
    client.send(chat, "We broke up.")
    wait_until(lambda: session(client, chat)["suggestion"], what="a suggestion")


def switch(client: ApiClient, chat: str, slug: str = "dating_advice") -> dict[str, Any]:
    response = client.post(path_of(chat, "switch/"), {"template": slug})
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


def open_sockets(client: ApiClient, chat: str) -> tuple[Socket, Socket]:
    sockets = client.socket(chat), client.socket(chat)
    for socket in sockets:
        socket.recv_until("session.ready")
    return sockets


# Suggested ----------------------------------------------------------------------------------------
def test_all_devices_hear_of_it(alice: ApiClient, chat: str) -> None:
    here, there = open_sockets(alice, chat)
    here.send("message.send", content="I think we BROKE up")
    for socket in (here, there):
        assert socket.recv_until("personality.suggested") == {"type": "personality.suggested", **NORA}
    assert session(alice, chat)["suggestion"] == NORA
    assert session(alice, chat)["template"] == "casual_chat"
    with alice.socket(chat) as late:
        assert late.recv_until("session.ready")["session"]["suggestion"] == NORA


def test_stream_tells_it(alice: ApiClient, chat: str) -> None:
    events = [(event.name, event.data) for event in alice.sse(chat, "my ex [[n=20,gap=50]]")]
    assert ("personality.suggested", {"type": "personality.suggested", **NORA}) in events
    assert events[-1][0] == "reply.completed"


def test_it_comes_once(alice: ApiClient, chat: str) -> None:
    suggest(alice, chat)
    assert alice.delete(path_of(chat, "suggestion/")).status_code == 204
    with alice.socket(chat) as socket:
        socket.say("about my relationship")
        socket.say("my ex again")
        socket.send("ping")
        socket.recv_until("pong")
        assert "personality.suggested" not in socket.types()
    assert session(alice, chat)["suggestion"] is None


def test_who_fits_is_not_told_to_go(alice: ApiClient) -> None:
    chat = alice.start("dating_advice")["id"]
    alice.send(chat, "my relationship")
    alice.send(chat, "another one")  # by now the first was looked at
    assert session(alice, chat)["suggestion"] is None


def test_message_that_was_sent_twice_suggests_once(alice: ApiClient, chat: str) -> None:
    with alice.socket(chat) as socket:
        for _ in range(3):
            socket.send("message.send", content="my ex", client_message_id="same")
        socket.recv_until("personality.suggested")
        socket.send("ping")
        socket.recv_until("pong")
        assert socket.types().count("personality.suggested") == 1


# Declined -----------------------------------------------------------------------------------------
def test_declining_is_told_to_all_devices(alice: ApiClient, chat: str) -> None:
    here, there = open_sockets(alice, chat)
    suggest(alice, chat)
    there.recv_until("personality.suggested")
    here.send("personality.decline")
    for socket in (here, there):
        socket.recv_until("personality.declined")
    assert session(alice, chat)["suggestion"] is None
    assert alice.delete(path_of(chat, "suggestion/")).status_code == 204


# Taken --------------------------------------------------------------------------------------------
@pytest.mark.parametrize("way", ["socket", "rest"])
def test_switch_is_told_to_all_devices(alice: ApiClient, server: Server, chat: str, way: str) -> None:
    here, there = open_sockets(alice, chat)
    suggest(alice, chat)
    if way == "socket":
        here.send("personality.switch", template="dating_advice")
    else:
        switch(alice, chat)
    for socket in (here, there):
        told = socket.recv_until("personality.switched")["session"]
        assert told == session(alice, chat)
        assert told["ws_url"].startswith(server.ws_url)
        assert [one["message"]["content"] for one in socket.seen if one["type"] == "message.created"][-1] == NOTICE
    assert (told["template"], told["suggestion"]) == ("dating_advice", None)
    assert told["selection"] == {"by": "switch", "reason": "It was switched to."}
    assert told["disclosure"].startswith("You are talking to Nora")


def test_old_replies_keep_the_name_of_who_wrote_them(alice: ApiClient, chat: str) -> None:
    first = alice.send(chat, "hello")["reply"]
    switch(alice, chat)
    second = alice.send(chat, "and now?")["reply"]
    told = [(one["role"], one["sender"]["name"]) for one in alice.messages(chat)]
    assert told == [
        ("user", "Ada"), ("assistant", "Milo"), ("notice", "Chatify"), ("user", "Ada"), ("assistant", "Nora"),
    ]  # fmt: skip
    assert (first["sender"], second["sender"]) == ({"kind": "ai", "name": "Milo"}, {"kind": "ai", "name": "Nora"})


def test_running_reply_is_finished_by_who_began_it(alice: ApiClient, chat: str) -> None:
    with alice.socket(chat) as socket:
        socket.send("message.send", content="[[n=30,gap=40]]")
        socket.recv_until("reply.delta")
        switch(alice, chat)
        socket.send("message.send", content="who are you?")
        first, second = socket.recv_reply(), socket.recv_reply()
    assert [one["message"]["sender"]["name"] for one in (first, second)] == ["Milo", "Nora"]
    assert first["type"] == second["type"] == "reply.completed"
    assert [one["role"] for one in alice.messages(chat)] == ["user", "assistant", "notice", "user", "assistant"]


def test_stream_tells_the_switch(alice: ApiClient, server: Server, chat: str) -> None:
    events = alice.sse(chat, "[[n=75,gap=40]]")
    while next(events).name != "reply.delta":
        pass
    switch(alice, chat)
    told = next(event.data for event in events if event.name == "personality.switched")
    assert told["session"] == session(alice, chat) | {"ws_url": f"{server.ws_url}/ws/v1/sessions/{chat}/"}
    list(events)


def test_switching_to_who_answers_only_ends_the_suggestion(alice: ApiClient, chat: str) -> None:
    suggest(alice, chat)
    before = session(alice, chat)
    assert switch(alice, chat, "casual_chat") == before | {"suggestion": None}
    assert [one["role"] for one in alice.messages(chat)] == ["user", "assistant"]


def test_whom_one_came_from_is_suggested_when_it_fits_again(alice: ApiClient) -> None:
    chat = alice.start("dating_advice")["id"]
    switch(alice, chat, "general_conversation")
    suggest(alice, chat)
    assert switch(alice, chat)["template"] == "dating_advice"


def test_paused_one_stays_paused(alice: ApiClient, chat: str) -> None:
    alice.post(path_of(chat, "pause/")).raise_for_status()
    assert switch(alice, chat)["status"] == "paused"


# Refused ------------------------------------------------------------------------------------------
def test_what_is_not_on_offer_cannot_be_had(alice: ApiClient, chat: str) -> None:
    response = alice.post(path_of(chat, "switch/"), {"template": "gone"})
    assert outcome(response) == (400, "unknown_template")
    assert fields_of(response) == [("template", "unknown_template")]
    for slug in ("auto", "another-tenants"):
        assert outcome(alice.post(path_of(chat, "switch/"), {"template": slug})) == (400, "unknown_template")
    assert alice.messages(chat) == []


@pytest.mark.parametrize("body", [{}, {"template": None}, {"template": "a b"}, {"template": "x", "more": 1}])
def test_bad_body_is_refused(alice: ApiClient, chat: str, body: dict[str, Any]) -> None:
    assert alice.post(path_of(chat, "switch/"), body).status_code == 400


def test_socket_tells_what_was_refused(alice: ApiClient, chat: str) -> None:
    with alice.socket(chat) as socket:
        socket.send("personality.switch", template="gone", event_id="e1")
        error = socket.recv_until("error")
        assert (error["code"], error["event_id"]) == ("unknown_template", "e1")
        socket.send("personality.switch", event_id="e2")
        assert socket.recv_until("error")["event_id"] == "e2"


def test_what_has_ended_is_not_switched(alice: ApiClient, chat: str) -> None:
    alice.post(path_of(chat, "end/")).raise_for_status()
    assert outcome(alice.post(path_of(chat, "switch/"), {"template": "dating_advice"})) == (409, "session_ended")
    assert alice.delete(path_of(chat, "suggestion/")).status_code == 204


def test_age_that_was_lowered_since_counts(alice: ApiClient, server: Server, chat: str) -> None:
    assert switch(alice, chat, "flirty_chat")["template"] == "flirty_chat"
    switch(alice, chat, "casual_chat")
    change_rows(server, "update accounts_enduser set age = 17 where external_id = ?", alice.external_id)
    response = alice.post(path_of(chat, "switch/"), {"template": "flirty_chat"})
    assert outcome(response) == (403, "age_restricted")
    assert session(alice, chat)["template"] == "casual_chat"


def test_others_find_no_suggestion_here(mallory: ApiClient, alice: ApiClient, chat: str) -> None:
    suggest(alice, chat)
    assert outcome(mallory.post(path_of(chat, "switch/"), {"template": "dating_advice"})) == (404, "not_found")
    assert outcome(mallory.delete(path_of(chat, "suggestion/"))) == (404, "not_found")
    assert session(alice, chat)["suggestion"] == NORA


# A tenant's own -----------------------------------------------------------------------------------
@pytest.fixture
def owner(server: Server, make_client: MakeClient) -> ApiClient:
    """A tenant of its own, that writes personalities."""
    return make_client(server, key=insert_key(server, insert_tenant(server)))


def test_own_one_stands_in_for_the_one_that_was_suggested(owner: ApiClient) -> None:
    chat = owner.start()["id"]
    suggest(owner, chat)
    assert session(owner, chat)["suggestion"]["name"] == "Nora"
    body = {"slug": "dating_advice", "name": "Nell", "system_prompt": "You are Nell, an AI who listens."}
    assert owner.post("/api/v1/templates/", body).status_code == 201
    assert switch(owner, chat)["disclosure"].startswith("You are talking to Nell")
    assert owner.messages(chat)[-1]["content"].startswith("Nell answers from now on.")


def test_personality_that_was_deleted_since_cannot_be_had(owner: ApiClient) -> None:
    body = {"copy_of": "dating_advice", "slug": "dating_advice", "name": "Nell"}
    assert owner.post("/api/v1/templates/", body).status_code == 201
    chat = owner.start()["id"]
    suggest(owner, chat)
    assert session(owner, chat)["suggestion"]["name"] == "Nell"
    owner.patch("/api/v1/templates/dating_advice/", {"is_active": False}).raise_for_status()
    assert session(owner, chat)["suggestion"] is None
    assert owner.delete("/api/v1/templates/dating_advice/").status_code == 204
    assert session(owner, chat)["suggestion"] is None
    assert switch(owner, chat)["disclosure"].startswith("You are talking to Nora"), "the shared one is on offer again"


@on_sqlite
def test_personality_that_is_deleted_stays_with_who_has_it(owner: ApiClient) -> None:
    body = {"copy_of": "dating_advice", "slug": "nell", "name": "Nell"}
    assert owner.post("/api/v1/templates/", body).status_code == 201
    chat = owner.start()["id"]
    switch(owner, chat, "nell")
    assert owner.delete("/api/v1/templates/nell/").status_code == 204
    assert owner.send(chat, "are you there?")["reply"]["sender"]["name"] == "Nell"
    other = owner.start()["id"]
    response = owner.post(path_of(other, "switch/"), {"template": "nell"})
    assert outcome(response) == (400, "unknown_template")

"""A chat session is paused, goes on and ends: by calls and by messages, told on every transport."""

from __future__ import annotations

import pytest

from tests.api.checks import change_rows, outcome, path_of
from tests.client import ApiClient
from tests.conftest import MakeClient
from tests.services.server import Server

WELCOME = "There you are, Ada. The biscuits are still here; where were we?"


@pytest.fixture
def chat(alice: ApiClient) -> str:
    found: str = alice.start(name="Ada")["id"]
    return found


def step(client: ApiClient, chat: str, name: str) -> dict[str, object]:
    response = client.post(path_of(chat, f"{name}/"))
    assert response.status_code == 200, response.text
    found: dict[str, object] = response.json()
    return found


def test_pause_is_told_and_resuming_is_greeted(alice: ApiClient, chat: str) -> None:
    with alice.socket(chat) as socket:
        socket.recv_until("session.ready")
        assert step(alice, chat, "pause")["status"] == "paused"
        assert socket.recv_until("session.paused") == {"type": "session.paused", "reason": "paused_by_application"}
        assert step(alice, chat, "resume")["status"] == "active"
        assert socket.recv_until("message.created")["message"]["content"] == WELCOME
        assert socket.recv_until("session.resumed")["reason"] == "resumed_by_application"
    said = alice.messages(chat)
    assert [(one["role"], one["sender"]["kind"], one["content"]) for one in said] == [("assistant", "ai", WELCOME)]


def test_doing_it_again_changes_nothing(alice: ApiClient, chat: str) -> None:
    assert step(alice, chat, "resume") == alice.get(path_of(chat)).json()
    paused = step(alice, chat, "pause")
    assert step(alice, chat, "pause") == paused
    step(alice, chat, "resume")
    step(alice, chat, "resume")
    assert len(alice.messages(chat)) == 1


def test_message_wakes_it_and_all_devices_hear_that_first(alice: ApiClient, chat: str) -> None:
    with alice.socket(chat) as here, alice.socket(chat) as there:
        there.recv_until("session.ready")
        step(alice, chat, "pause")
        for socket in (here, there):
            socket.recv_until("session.paused")
        here.say("hello")
        there.recv_reply()
        for socket in (here, there):
            kinds = list(dict.fromkeys(socket.types()))
            assert kinds.index("session.resumed") < kinds.index("reply.started")
    assert alice.get(path_of(chat)).json()["status"] == "active"


def test_stream_tells_that_a_message_woke_it(alice: ApiClient, chat: str) -> None:
    step(alice, chat, "pause")
    events = [(event.name, event.data.get("reason")) for event in alice.sse(chat, "hello")]
    assert events[:2] == [("message.accepted", None), ("session.resumed", "message")]
    assert events[-1][0] == "reply.completed"


def test_other_process_tells_it(grown_servers: tuple[Server, Server], make_client: MakeClient) -> None:
    here, there = (make_client(server, external_id="same") for server in grown_servers)
    chat = here.start()["id"]
    with there.socket(chat) as socket:
        socket.recv_until("session.ready")
        step(here, chat, "pause")
        socket.recv_until("session.paused")
        step(here, chat, "resume")
        socket.recv_until("session.resumed")


def test_reply_that_runs_is_written_to_its_end_in_a_pause(alice: ApiClient, chat: str) -> None:
    with alice.socket(chat) as socket:
        socket.send("message.send", content="[[n=20,gap=30]]")
        socket.recv_until("reply.delta")
        step(alice, chat, "pause")
        assert socket.recv_reply()["type"] == "reply.completed"
    assert alice.get(path_of(chat)).json()["status"] == "paused"


def test_nothing_wakes_what_has_ended(alice: ApiClient, chat: str) -> None:
    alice.post(path_of(chat, "end/")).raise_for_status()
    for name in ("pause", "resume"):
        assert outcome(alice.post(path_of(chat, f"{name}/"))) == (409, "session_ended")
    assert alice.get(path_of(chat)).json()["status"] == "ended"


def test_paused_one_can_be_ended(alice: ApiClient, chat: str) -> None:
    step(alice, chat, "pause")
    ended = step(alice, chat, "end")
    assert (ended["status"], ended["end_reason"]) == ("ended", "ended_by_application")


def test_adult_personality_does_not_greet_the_young_back(alice: ApiClient, server: Server) -> None:
    chat = alice.start("flirty_chat", age=30)["id"]
    step(alice, chat, "pause")
    change_rows(server, "update accounts_enduser set age = 17 where external_id = ?", alice.external_id)
    step(alice, chat, "resume")
    assert alice.messages(chat) == []

"""A person takes the floor from a personality that is just answering."""

from __future__ import annotations

import pytest

from tests.client import ApiClient
from tests.services.server import Server
from tests.turns.scenes import accept

GIVE = "from sessions.speaking import give_floor; give_floor(chat_session_id='{}', to='{}')"


@pytest.mark.parametrize("server", ["embedded"], indirect=True)
def test_reply_stops_and_nobody_is_waited_for(alice: ApiClient, server: Server) -> None:
    chat = alice.start()["id"]
    socket = alice.socket(chat)
    accept(socket, "[[n=800,gap=50]]")
    socket.recv_until("reply.delta")
    server.manage("shell", "-c", GIVE.format(chat, "human"))  # another process, of which nobody hears
    ends = [socket.recv_until("speaker.changed", "reply.cancelled", "reply.completed") for _ in range(2)]
    assert {end["type"]: end.get("speaker") for end in ends} == {"speaker.changed": "human", "reply.cancelled": None}
    answer = alice.post(f"/api/v1/sessions/{chat}/messages/", {"content": "hello?"})
    assert (answer.status_code, set(answer.json())) == (200, {"message"})
    assert [event.name for event in alice.sse(chat, "anybody?")] == ["message.accepted"]
    assert alice.get(f"/api/v1/sessions/{chat}/").json()["speaker"] == "human"
    server.manage("shell", "-c", GIVE.format(chat, "ai"))
    assert socket.recv_until("speaker.changed")["speaker"] == "ai"
    assert alice.send(chat, "you again")["reply"]["status"] == "complete"


@pytest.mark.parametrize("server", ["embedded"], indirect=True)
def test_who_waits_for_a_reply_that_will_not_come_is_told(alice: ApiClient, server: Server) -> None:
    chat = alice.start()["id"]
    socket = alice.socket(chat)
    accept(socket, "[[n=800,gap=50]]")
    events = alice.sse(chat, "and then?")
    assert next(events).name == "message.accepted"
    server.manage("shell", "-c", GIVE.format(chat, "nobody"))
    assert [event.name for event in events] == ["speaker.changed"]

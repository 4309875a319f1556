"""SIGTERM: sockets are told to come back, and what runs may end."""

from __future__ import annotations

import signal
import sqlite3

import pytest

from tests.conftest import MakeClient, MakeServer
from tests.services.server import Server
from tests.turns.scenes import accept

STOPPED_BY_SIGTERM = (0, -signal.SIGTERM)


def stored(server: Server, chat: str) -> list[tuple[str, str, str]]:
    """(role, status, content) by number, read from the file itself."""
    path = server.database_url.removeprefix("sqlite:///")
    query = "SELECT role, status, content FROM chat_sessions_message WHERE chat_session_id = ? ORDER BY seq"
    connection = sqlite3.connect(path)
    try:
        return connection.execute(query, [chat.replace("-", "")]).fetchall()
    finally:
        connection.close()


def test_sockets_are_told_to_come_back_and_the_reply_is_completed(
    make_server: MakeServer, make_client: MakeClient
) -> None:
    server = make_server()
    client = make_client(server)
    spoken, streamed = (client.start()["id"] for _ in range(2))
    socket = client.socket(spoken)
    accept(socket, "[[n=30,gap=50]]")
    events = client.sse(streamed, "[[n=30,gap=50]]")
    next(events)
    server.signal(signal.SIGTERM)
    assert socket.wait_closed(timeout=5) == 1012
    assert list(events)[-1].name == "reply.completed"
    assert server.terminate(timeout=30) in STOPPED_BY_SIGTERM
    text = "".join(f"t{number} " for number in range(30))
    for chat in (spoken, streamed):
        assert stored(server, chat)[1] == ("assistant", "complete", text)


@pytest.mark.soak
def test_reply_that_takes_longer_than_the_patience_is_interrupted(
    make_server: MakeServer, make_client: MakeClient
) -> None:
    server = make_server()
    client = make_client(server)
    chat = client.start()["id"]
    accept(client.socket(chat), "[[n=1000,gap=50]]")
    assert server.terminate(timeout=45) in STOPPED_BY_SIGTERM
    _, (role, status, content) = stored(server, chat)
    assert (role, status) == ("assistant", "failed")
    assert content.startswith("t0 t1 ")

"""Health, figures and logs: what an operator sees, and what nobody may see there."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.client import ApiClient
from tests.conftest import MakeClient, MakeServer
from tests.services.ports import free_port
from tests.services.server import Server
from tests.waiting import wait_until

SECRET_WORDS = "the owl flies at 03:17"


def lines_of(server: Server) -> list[dict[str, Any]]:
    """The log, line by line: each has to be a JSON object."""
    return [json.loads(line) for line in server.log_text().splitlines()]


def figure(client: ApiClient, name: str) -> float:
    """One figure of /metrics, 0 while it is not there."""
    rows = [line.rpartition(" ") for line in client.get("/metrics").text.splitlines()]
    return next((float(value) for row, _, value in rows if row == name), 0.0)


# Health -------------------------------------------------------------------------------------------
def test_health_of_a_server_that_is_well(server: Server, make_client: MakeClient) -> None:
    anybody = make_client(server, key="")
    for path, names in {
        "/health/ready/": {"database", "turns"},
        "/health/": {"database", "turns", "provider"} | ({"redis"} if "REDIS_URL" in server.env else set()),
    }.items():
        answer = anybody.get(path)
        parts = answer.json()["parts"]
        assert (answer.status_code, answer.json()["status"], set(parts)) == (200, "ok", names)
        assert all(part["status"] == "ok" and part["latency_ms"] >= 0 for part in parts.values())
    assert anybody.get("/health/live/").json() == {"status": "ok"}


@pytest.fixture
def lonely(make_server: MakeServer) -> Server:
    """A server whose provider cannot be reached, and whose figures are not for everybody."""
    away = f"http://127.0.0.1:{free_port()}/v1"
    return make_server(OPENAI_BASE_URL=away, OPENAI_API_KEY="sk-very-secret", METRICS_TOKEN="figures-for-me")


def test_server_without_its_provider(lonely: Server, make_client: MakeClient) -> None:
    client = make_client(lonely)
    health = client.get("/health/")
    assert (health.status_code, health.json()["status"]) == (200, "degraded")
    assert health.json()["parts"]["provider"]["status"] == "down"
    assert client.get("/health/ready/").status_code == 200, "messages are accepted all the same"
    reply = client.send(client.start()["id"], SECRET_WORDS)["reply"]
    assert (reply["status"], reply["error"]["code"]) == ("failed", "provider_unavailable")
    assert reply["error"]["retryable"]
    refused = [client.get("/metrics"), make_client(lonely, key="figures").get("/metrics")]
    assert [answer.status_code for answer in refused] == [401, 401]
    allowed = make_client(lonely, key="figures-for-me").get("/metrics")
    assert 'chatify_replies_total{code="provider_unavailable",status="failed"} 1.0' in allowed.text
    assert not [word for word in (SECRET_WORDS, "sk-very", "figures-for", client.key) if word in lonely.log_text()]
    assert lines_of(lonely)


# Figures ------------------------------------------------------------------------------------------
def test_accepted_messages_and_replies_are_counted(server: Server, make_client: MakeClient) -> None:
    client = make_client(server)
    complete = 'chatify_replies_total{code="",status="complete"}'
    failed = 'chatify_replies_total{code="stream_cut",status="failed"}'
    names = ("chatify_messages_accepted_total", complete, failed)
    before = [figure(client, name) for name in names]
    chat = client.start()["id"]
    client.send(chat, "one", client_message_id="once")
    client.send(chat, "one", client_message_id="once")
    client.send(chat, "two [[cut]]")
    assert [figure(client, name) - old for name, old in zip(names, before, strict=True)] == [2, 1, 1]


def test_sockets_are_counted(server: Server, make_client: MakeClient) -> None:
    client = make_client(server)
    chat = client.start()["id"]
    before = figure(client, "chatify_sockets")
    with client.socket(chat) as socket:
        socket.recv_until("session.ready")
        assert figure(client, "chatify_sockets") >= before + 1
    wait_until(lambda: figure(client, "chatify_sockets") <= before, 10, "the socket is gone")


# Logs ---------------------------------------------------------------------------------------------
def test_log_lines_carry_the_id_of_the_request(server: Server, make_client: MakeClient) -> None:
    client = make_client(server)
    answer = client.get("/api/v1/templates/", headers={"X-Request-ID": "watch-me-1"})
    assert answer.headers["X-Request-ID"] == "watch-me-1"
    mine = wait_until(lambda: [line for line in lines_of(server) if line.get("request_id") == "watch-me-1"], 5)
    assert (mine[0]["path"], mine[0]["status"], mine[0]["level"]) == ("/api/v1/templates/", 200, "info")


@pytest.mark.parametrize("given", ["", "two words", "x" * 65, 'a"b', "ü".encode()])
def test_id_that_is_no_plain_one_is_replaced(server: Server, make_client: MakeClient, given: str | bytes) -> None:
    answer = make_client(server).get("/api/v1/templates/", headers={"X-Request-ID": given})
    assert len(answer.headers["X-Request-ID"]) == 32


def test_request_id_is_in_an_error(server: Server, make_client: MakeClient) -> None:
    answer = make_client(server, key="").get("/api/v1/sessions/")
    assert answer.json()["request_id"] == answer.headers["X-Request-ID"]


def test_log_never_holds_what_people_say_or_keys(server: Server, make_client: MakeClient) -> None:
    client = make_client(server)
    chat = client.start(name="Rumpelstilzchen")["id"]
    for marker in ("", "[[500]]", "[[garbage]]", "[[cut]]", "[[401]]"):
        client.send(chat, f"{SECRET_WORDS} {marker}")
    with client.socket(chat) as socket:
        socket.say(SECRET_WORDS)
        socket.send("nonsense", content=SECRET_WORDS)
        socket.recv_until("error")
    client.get("/api/v1/sessions/", params={"user": client.external_id, "search": SECRET_WORDS})
    client.post(f"/api/v1/sessions/{chat}/messages/", {"content": SECRET_WORDS, "unknown": SECRET_WORDS})
    log = server.log_text()
    assert len(lines_of(server)) > 5, "each line is JSON"
    told = (SECRET_WORDS, "You said", "Rumpelstilzchen", client.key, "test-provider-key", server.env["SECRET_KEY"])
    assert [word for word in told if word in log] == []


# Without a key ------------------------------------------------------------------------------------
def test_server_without_a_key_answers_by_the_offline_companion(
    make_server: MakeServer, make_client: MakeClient
) -> None:
    server = make_server(OPENAI_API_KEY=None, OPENAI_BASE_URL=None, CHAT_MODEL=None)
    client = make_client(server)
    assert client.get("/health/").json()["parts"]["provider"]["status"] == "ok"
    with client.socket(client.start()["id"]) as socket:
        end = socket.say("Hello, who are you?")
        deltas = [frame for frame in socket.seen if frame["type"] == "reply.delta"]
        assert end["type"] == "reply.completed"
        assert socket.text_of(end["message_id"]) == end["message"]["content"]
        assert len(deltas) > 3, "it streams"
        assert "offline" in end["message"]["content"].lower()

"""PostgreSQL crashes in the middle of replies and comes back: what was accepted is there, and nobody sees a 500."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from tests.client import ApiClient, Socket
from tests.conftest import _need
from tests.services.provider import Provider
from tests.services.redis import Redis
from tests.services.server import Server, prepare_postgres
from tests.turns.scenes import ENDS, RestartablePostgres, accept, said, seqs, settled, together, words
from tests.waiting import wait_until

TEXT = words(60)


@dataclass
class Crash:
    """A crash while a reply ran and a message waited: what was told while the database was away, and after."""

    client: ApiClient
    server: Server
    chat: str
    socket: Socket
    answers: dict[str, httpx.Response] = field(default_factory=dict)
    frames: dict[str, dict[str, Any]] = field(default_factory=dict)
    late_close_code: int = 0


@pytest.fixture(scope="module")
def crash(request: pytest.FixtureRequest, provider: Provider) -> Iterator[Crash]:
    redis: Redis = request.getfixturevalue("redis")
    postgres = _need(RestartablePostgres)
    prepared = prepare_postgres(postgres)
    model = {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": provider.base_url, "CHAT_MODEL": "test-model"}
    url = postgres.create_database("crash", template=prepared.database)
    server = Server(prepared, url, REDIS_URL=redis.url(), **model).start()
    client = ApiClient(server.url, server.key)
    try:
        yield _crash(Crash(client, server, *_in_the_middle(client, provider)), postgres)
    finally:
        client.close()
        server.close()
        postgres.stop()


def _in_the_middle(client: ApiClient, provider: Provider) -> tuple[str, Socket]:
    chat = client.start()["id"]
    socket = client.socket(chat)
    accept(socket, provider.reply_with(TEXT, tokens_delay=0.05))
    socket.recv_until("reply.delta")
    accept(socket, "who waits?")
    return chat, socket


def _crash(crash: Crash, postgres: RestartablePostgres) -> Crash:
    postgres.crash()
    path = f"/api/v1/sessions/{crash.chat}/"
    calls: dict[str, Callable[[], httpx.Response]] = {
        "say": lambda: crash.client.post(f"{path}messages/", {"content": "lost"}),
        "say as a stream": lambda: crash.client.post(
            f"{path}messages/", {"content": "lost"}, headers={"Accept": "text/event-stream"}
        ),
        "read messages": lambda: crash.client.get(f"{path}messages/"),
        "read session": lambda: crash.client.get(path),
        "start": lambda: crash.client.post("/api/v1/sessions/", {"user": {"external_id": "x"}}),
        "stop": lambda: crash.client.post(f"{path}stop/"),
        "end": lambda: crash.client.post(f"{path}end/"),
        "templates": lambda: crash.client.get("/api/v1/templates/"),
        "page": lambda: crash.client.get("/"),
        "ready": lambda: httpx.get(f"{crash.server.url}/health/ready/", trust_env=False, timeout=10),
        "health": lambda: httpx.get(f"{crash.server.url}/health/", trust_env=False, timeout=10),
        "live": lambda: httpx.get(f"{crash.server.url}/health/live/", trust_env=False, timeout=10),
    }
    *answers, _, crash.late_close_code = together(*calls.values(), lambda: _speak(crash), lambda: _come_late(crash))
    crash.answers = dict(zip(calls, answers, strict=True))
    postgres.start_again()
    return crash


def _speak(crash: Crash) -> None:
    """What a socket that is open is told."""
    frames = {
        "say": {"type": "message.send", "content": "lost"},
        "sync": {"type": "sync", "after_seq": 0},
        "stop": {"type": "reply.stop"},
        "feedback": {"type": "feedback", "rating": 5},
    }
    for name, frame in frames.items():
        crash.socket.send(**frame, event_id=name)
        crash.frames[name] = crash.socket.recv_until("error", timeout=25)


def _come_late(crash: Crash) -> int:
    return crash.client.socket(crash.chat).wait_closed(25)


API_CALLS = ("say", "say as a stream", "read messages", "read session", "start", "stop", "end", "templates")


@pytest.mark.parametrize("call", API_CALLS)
def test_call_is_told_that_the_database_is_away(crash: Crash, call: str) -> None:
    answer = crash.answers[call]
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert int(answer.headers["Retry-After"]) >= 1


@pytest.mark.parametrize("frame", ["say", "sync", "stop", "feedback"])
def test_frame_is_told_that_the_database_is_away(crash: Crash, frame: str) -> None:
    told = crash.frames[frame]
    assert (told["code"], told["event_id"]) == ("unavailable", frame)


def test_socket_that_comes_meanwhile_is_told_to_come_back(crash: Crash) -> None:
    assert crash.late_close_code == 1012


def test_page_is_told_that_the_database_is_away(crash: Crash) -> None:
    assert crash.answers["page"].status_code == 503


def test_health_tells_which_part_is_down(crash: Crash) -> None:
    ready, health = crash.answers["ready"].json(), crash.answers["health"].json()
    assert [crash.answers[name].status_code for name in ("ready", "health", "live")] == [503, 503, 200]
    assert (ready["status"], ready["parts"]["database"]["status"]) == ("down", "down")
    assert (health["status"], health["parts"]["redis"]["status"]) == ("down", "ok")
    assert all(part["latency_ms"] >= 0 for part in health["parts"].values())


def test_server_recovers_by_itself(crash: Crash) -> None:
    url = f"{crash.server.url}/health/ready/"
    wait_until(lambda: httpx.get(url, trust_env=False, timeout=10).status_code == 200, 30, "ready again")
    other = crash.client.start()["id"]
    assert crash.client.send(other, "are you back?")["reply"]["content"] == "You said: are you back?"


def test_accepted_messages_survive_and_the_reply_ends(crash: Crash) -> None:
    messages = settled(crash.client, crash.chat, timeout=45)
    assert said(messages)[1] == "who waits?"
    assert seqs(messages) == list(range(1, len(messages) + 1))
    assert messages[1]["status"] in ENDS
    assert TEXT.startswith(messages[1]["content"])
    assert messages[1]["status"] != "complete" or messages[1]["content"] == TEXT


def test_socket_that_stayed_open_gets_the_end_and_goes_on(crash: Crash) -> None:
    ends = [crash.socket.recv_reply(timeout=30)["message"] for _ in range(2)]
    messages = {one["id"]: one for one in settled(crash.client, crash.chat)}
    assert all(messages[end["id"]]["content"] == end["content"] for end in ends)
    assert crash.socket.say("and on")["message"]["content"] == "You said: and on"

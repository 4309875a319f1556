"""Redis is killed, frozen and restarted: it is a doorbell, and whoever misses it looks into the database."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.client import ApiClient, Socket
from tests.conftest import MakeClient, MakeServer, _need
from tests.services.provider import Provider
from tests.services.server import Server
from tests.turns.scenes import RestartableRedis, accept, said, seqs, settled, words
from tests.waiting import wait_until

TEXT = words(80)


@dataclass
class House:
    """Two processes on a Redis of their own."""

    redis: RestartableRedis
    servers: tuple[Server, Server]

    def health(self, number: int = 0) -> dict[str, Any]:
        """What one of them tells of itself."""
        client = ApiClient(self.servers[number].url, "")
        try:
            answer = client.get("/health/")
            return {"http": answer.status_code, **answer.json()}
        finally:
            client.close()


@pytest.fixture(scope="module")
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    redis = _need(RestartableRedis)
    make_server = MakeServer(request, tmp_path_factory.mktemp("redis"))
    try:
        first = make_server(grown=True, REDIS_URL=redis.url())
        yield House(redis, (first, make_server.beside(first)))
    finally:
        for server in make_server.made:
            server.close()
        redis.stop()


@pytest.fixture
def devices(house: House, make_client: MakeClient) -> tuple[ApiClient, ApiClient]:
    here, there = (make_client(server, external_id="two") for server in house.servers)
    return here, there


@pytest.fixture
def bell(house: House) -> Iterator[RestartableRedis]:
    """Redis, and there again at the end of the test."""
    yield house.redis
    house.redis.signal_go_on()
    if not house.redis.process.is_running:
        house.redis.start_again()


def recv_end(socket: Socket) -> dict[str, Any]:
    """The next reply that has ended; one that also began unheard comes as a message."""
    while True:
        frame = socket.recv_until("reply.completed", "message.created", timeout=20)
        if frame["message"]["role"] == "assistant":
            return frame


def is_live(here: Socket, there: Socket) -> bool:
    """Whether a reply that one process writes is followed at the other while it is written."""
    here.say("[[n=20,gap=30]]")
    before = len(there.seen)
    recv_end(there)
    return len([frame for frame in there.seen[before:] if frame["type"] == "reply.delta"]) > 3


def test_replies_that_run_reach_everybody_though_redis_is_killed(
    devices: tuple[ApiClient, ApiClient], bell: RestartableRedis, provider: Provider
) -> None:
    chat = devices[0].start()["id"]
    here, there = (device.socket(chat) for device in devices)
    accept(here, provider.reply_with(TEXT, tokens_delay=0.05))
    there.recv_until("reply.delta")
    bell.kill()
    accept(here, "who waits?")
    ends = [[recv_end(socket)["message"] for _ in range(2)] for socket in (here, there)]
    assert ends[0] == ends[1]
    assert [end["content"] for end in ends[0]] == [TEXT, "You said: who waits?"]
    assert there.text_of(ends[0][0]["id"]) == TEXT
    assert seqs(settled(devices[1], chat)) == [1, 2, 3, 4]


def test_chat_goes_on_while_redis_is_away(
    house: House, devices: tuple[ApiClient, ApiClient], bell: RestartableRedis
) -> None:
    bell.kill()
    for device in devices:
        started = time.monotonic()
        chat = device.start()["id"]
        assert device.send(chat, "over REST")["reply"]["content"] == "You said: over REST"
        assert device.socket(chat).say("over a socket")["type"] == "reply.completed"
        assert time.monotonic() - started < 5
    health = house.health()
    assert (health["http"], health["status"], health["parts"]["redis"]["status"]) == (200, "degraded", "down")


def test_other_process_learns_from_the_database_while_redis_is_away(
    devices: tuple[ApiClient, ApiClient], bell: RestartableRedis
) -> None:
    bell.kill()
    chat = devices[0].start()["id"]
    there = devices[1].socket(chat)
    there.recv_until("session.ready")
    devices[0].send(chat, "news")
    assert there.recv_until("message.created")["message"]["content"] == "news"
    assert devices[1].post(f"/api/v1/sessions/{chat}/stop/").json() == {"stopped": False}


def test_stop_reaches_the_other_process_while_redis_is_away(
    devices: tuple[ApiClient, ApiClient], bell: RestartableRedis
) -> None:
    bell.kill()
    chat = devices[0].start()["id"]
    here = devices[0].socket(chat)
    accept(here, "[[n=500,gap=50]]")
    assert devices[1].post(f"/api/v1/sessions/{chat}/stop/").json() == {"stopped": True}
    assert here.recv_until("reply.cancelled")["message"]["content"].startswith("t0 t1 ")


def test_live_again_when_redis_is_back(devices: tuple[ApiClient, ApiClient], bell: RestartableRedis) -> None:
    chat = devices[0].start()["id"]
    here, there = (device.socket(chat) for device in devices)
    wait_until(lambda: is_live(here, there), 20, "followed live")
    bell.kill()
    here.say("meanwhile")
    recv_end(there)
    bell.start_again()
    wait_until(lambda: is_live(here, there), 20, "followed live again")
    messages = settled(devices[0], chat)
    assert seqs(messages) == list(range(1, len(messages) + 1))
    assert "meanwhile" in said(messages)


def test_redis_that_hangs_delays_nobody(
    house: House, devices: tuple[ApiClient, ApiClient], bell: RestartableRedis
) -> None:
    chat = devices[0].start()["id"]
    socket = devices[0].socket(chat)
    socket.recv_until("session.ready")
    bell.process.signal(signal.SIGSTOP)
    started = time.monotonic()
    assert socket.say("while it hangs")["type"] == "reply.completed"
    assert devices[1].send(devices[1].start()["id"], "and here")["reply"]["status"] == "complete"
    assert time.monotonic() - started < 5
    late = devices[1].socket(chat)
    assert late.recv_until("session.ready", timeout=8)["last_seq"] == 2
    assert house.health()["status"] == "degraded"

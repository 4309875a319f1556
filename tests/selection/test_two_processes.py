"""Two processes: a change of a personality and a suggestion reach both, with Redis and without."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.api.checks import SESSIONS, path_of
from tests.api.tenants import insert_key, insert_tenant
from tests.client import ApiClient
from tests.conftest import MakeClient, MakeServer, _need
from tests.services.server import Server
from tests.turns.scenes import RestartableRedis
from tests.waiting import wait_until

Owners = tuple[ApiClient, ApiClient]
WITHIN = 2.0
ONE = "/api/v1/templates/ina/"


@pytest.fixture(params=["with Redis", "without Redis"])
def servers(request: pytest.FixtureRequest, make_server: MakeServer) -> Iterator[tuple[Server, Server]]:
    """Two processes; Redis is killed where it is to be away."""
    if request.param == "with Redis":
        yield request.getfixturevalue("grown_servers")
        return
    redis = _need(RestartableRedis)
    try:
        first = make_server(grown=True, REDIS_URL=redis.url())
        second = make_server.beside(first)
        redis.kill()
        yield first, second
    finally:
        redis.stop()


@pytest.fixture
def owners(servers: tuple[Server, Server], make_client: MakeClient) -> Owners:
    """One end user of a new tenant, at both."""
    key = insert_key(servers[0], insert_tenant(servers[0]))
    here = make_client(servers[0], key=key)
    return here, make_client(servers[1], key=key, external_id=here.external_id)


def status_of_start(client: ApiClient, slug: str = "ina") -> int:
    return client.post(SESSIONS, {"template": slug, "user": {"external_id": client.external_id}}).status_code


def test_change_is_seen_everywhere_within_two_seconds(owners: Owners) -> None:
    here, there = owners
    assert status_of_start(there) == 400
    body = {"slug": "ina", "name": "Ina", "system_prompt": "You are Ina, an AI who sails.", "greeting": "Ahoy!"}
    assert here.post("/api/v1/templates/", body).status_code == 201
    assert (status_of_start(here), status_of_start(there)) == (201, 201), "a new one is there at once"
    for change, seen in (({"is_active": False}, 400), ({"is_active": True}, 201)):
        here.patch(ONE, change).raise_for_status()
        assert status_of_start(here) == seen
        wait_until(lambda seen=seen: status_of_start(there) == seen, WITHIN, "seen at the other process")
    here.patch(ONE, {"greeting": "Ship ahoy!"}).raise_for_status()
    wait_until(lambda: there.start("ina")["greeting"] == "Ship ahoy!", WITHIN, "the new greeting")
    assert here.delete(ONE).status_code == 204
    wait_until(lambda: status_of_start(there) == 400, WITHIN, "deleted at the other process")


def test_own_default_stands_in_everywhere(owners: Owners) -> None:
    here, there = owners
    assert there.start(template=None)["greeting"].startswith("Hi there! Milo")
    body = {"slug": "casual_chat", "name": "Mine", "system_prompt": "You are Mine, an AI.", "greeting": "Mine."}
    assert here.post("/api/v1/templates/", body).status_code == 201
    wait_until(lambda: there.start(template=None)["greeting"] == "Mine.", WITHIN, "its own one")


def test_suggestion_and_switch_reach_the_other_process(owners: Owners) -> None:
    here, there = owners
    chat = here.start()["id"]
    with there.socket(chat) as socket:
        socket.recv_until("session.ready")
        started = time.monotonic()
        here.send(chat, "We broke up")
        assert socket.recv_until("personality.suggested")["template"] == "dating_advice"
        here.delete(path_of(chat, "suggestion/")).raise_for_status()
        socket.recv_until("personality.declined")
        here.post(path_of(chat, "switch/"), {"template": "dating_advice"}).raise_for_status()
        assert socket.recv_until("personality.switched")["session"]["template"] == "dating_advice"
        assert time.monotonic() - started < 15
        assert [one["message"]["role"] for one in socket.seen if "message" in one][-1] == "notice"
        assert there.send(chat, "hello Nora")["reply"]["sender"]["name"] == "Nora"

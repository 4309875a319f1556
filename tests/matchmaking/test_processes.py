"""Real servers: people at two processes meet, and whoever waits at one that is killed is served by another."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

import pytest

from tests.client import ApiClient
from tests.conftest import MakeClient, MakeServer, _need
from tests.services.server import Server
from tests.turns.scenes import RestartableRedis
from tests.waiting import wait_until

TICKETS = "/api/v1/match/tickets/"
TIMEOUT = 3
SLACK = 2.0
"""So long after the deadline somebody has to be there at the latest, whoever was killed."""


def join(client: ApiClient, **preferences: Any) -> dict[str, Any]:
    body = {"user": {"external_id": client.external_id, "age": 30}, "preferences": preferences}
    answer = client.post(TICKETS, body)
    assert answer.status_code in (200, 201), answer.text
    return dict(answer.json())


def ticket_of(client: ApiClient, ticket: dict[str, Any]) -> dict[str, Any]:
    return dict(client.get(f"{TICKETS}{ticket['id']}/").raise_for_status().json())


def alone(client: ApiClient) -> dict[str, Any]:
    """Somebody whom nobody is going to meet."""
    return join(client, interests=[client.external_id[:40]], strict=["interests"])


def statuses(client: ApiClient, tickets: Iterable[dict[str, Any]]) -> set[str]:
    return {ticket_of(client, one)["status"] for one in tickets}


def late(ticket: dict[str, Any]) -> float:
    """How many seconds after the deadline somebody was there; negative if it was before."""
    found = datetime.fromisoformat(ticket["served_at"]) - datetime.fromisoformat(ticket["deadline"])
    return found.total_seconds()


def check_served(client: ApiClient, tickets: list[dict[str, Any]]) -> None:
    """All have a personality, and had it in time."""
    wait_until(lambda: statuses(client, tickets) == {"with_chatbot"}, TIMEOUT + SLACK + 5)
    for ticket in tickets:
        found = ticket_of(client, ticket)
        assert 0 <= late(found) < SLACK
        assert client.get(f"/api/v1/sessions/{found['session']}/").json()["metadata"]["match_ticket"] == ticket["id"]


@pytest.fixture
def pair(make_server: MakeServer) -> tuple[Server, Server]:
    first = make_server(grown=True, MATCH_TIMEOUT_SECONDS=str(TIMEOUT))
    return first, make_server.beside(first)


def test_people_at_two_processes_meet(grown_servers: tuple[Server, Server], make_client: MakeClient) -> None:
    here, there = (make_client(server) for server in grown_servers)
    language = {"language": "qaa", "strict": ["language"]}
    first = join(here, **language)
    second = join(there, **language)
    wait_until(lambda: statuses(here, [first, second]) == {"matched_human"}, 5)
    assert ticket_of(here, first)["session"] == ticket_of(there, second)["session"]


def test_alone_at_an_embedded_server(make_server: MakeServer, make_client: MakeClient) -> None:
    server = make_server(MATCH_TIMEOUT_SECONDS="1")
    client = make_client(server)
    tickets = [alone(make_client(server)) for _ in range(3)]
    wait_until(lambda: statuses(client, tickets) == {"with_chatbot"}, 10)
    found = [ticket_of(client, one) for one in tickets]
    assert 0 <= min(map(late, found)) < 0.5
    assert max(map(late, found)) < SLACK
    assert all("an AI" in one["disclosure"] for one in found)


def test_other_process_serves_who_waits_at_a_killed_one(pair: tuple[Server, Server], make_client: MakeClient) -> None:
    here, there = (make_client(server) for server in pair)
    tickets = [alone(make_client(pair[0])) for _ in range(5)]
    pair[0].kill()
    check_served(there, tickets)
    assert here.external_id != there.external_id


def test_killed_in_the_moment_of_the_deadline(pair: tuple[Server, Server], make_client: MakeClient) -> None:
    there = make_client(pair[1])
    tickets = [alone(make_client(pair[0])) for _ in range(20)]
    due = max(datetime.fromisoformat(one["deadline"]).timestamp() for one in tickets)
    wait_until(lambda: time.time() > due, TIMEOUT + 2, "the last of them is due")
    pair[0].kill()
    check_served(there, tickets)
    chats = {ticket_of(there, one)["session"] for one in tickets}
    assert len(chats) == len(tickets)


def test_embedded_server_serves_at_its_next_start(make_server: MakeServer, make_client: MakeClient) -> None:
    server = make_server(MATCH_TIMEOUT_SECONDS="2")
    ticket = alone(make_client(server))
    server.kill()
    server.start()
    client = make_client(server)
    wait_until(lambda: statuses(client, [ticket]) == {"with_chatbot"}, 5)


def test_redis_away_delays_only(make_server: MakeServer, make_client: MakeClient) -> None:
    redis = _need(RestartableRedis)
    try:
        first = make_server(grown=True, REDIS_URL=redis.url(), MATCH_TIMEOUT_SECONDS=str(TIMEOUT))
        servers = (first, make_server.beside(first))
        redis.kill()
        here, there = (make_client(server) for server in servers)
        met = [join(here), join(there)]
        wait_until(lambda: statuses(there, met) == {"matched_human"}, 5)
        check_served(there, [alone(make_client(servers[0]))])
    finally:
        redis.stop()


def crowd_at(servers: Iterable[Server], make_client: MakeClient, count: int) -> Callable[[], list[dict[str, Any]]]:
    clients = [make_client(server) for server, _ in zip(list(servers) * count, range(count), strict=False)]
    tickets = [join(client) for client in clients]
    return lambda: [ticket_of(clients[-1], one) for one in tickets]


def test_crowd_of_which_one_server_is_killed_is_whole(pair: tuple[Server, Server], make_client: MakeClient) -> None:
    """Everybody has somebody in the end, and each room has two."""
    look = crowd_at(pair, make_client, 30)
    pair[0].kill()
    settled = wait_until(lambda: (now := look()) and all(one["session"] for one in now) and now, TIMEOUT + 15)
    assert max(map(late, settled)) < SLACK
    rooms = [one["session"] for one in settled if one["status"] == "matched_human"]
    assert all(rooms.count(room) == 2 for room in rooms)
    assert len(rooms) >= 28

"""Webhooks of a running Chatify: from what people do to receivers that verify it, through kills and slow ones."""

from __future__ import annotations

import itertools
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from tests.api.checks import change_rows, outcome, read_rows
from tests.api.tenants import insert_key, insert_tenant
from tests.client import ApiClient
from tests.conftest import MakeClient, MakeServer
from tests.services.server import Server
from tests.waiting import wait_until
from tests.webhooks.receivers import Receiver, status

ENDPOINTS = "/api/v1/webhooks/endpoints/"
LIFE = ["chatbot.connected", "session.paused", "session.resumed", "chatbot.session_ended"]
LEASES_RUN_OUT = "UPDATE events_sinklease SET expires_at = '2020-01-01 00:00:00'"
MakeReceiver = Callable[[], Receiver]


def subscribe(client: ApiClient, url: str, *events: str) -> tuple[str, str]:
    """A new endpoint's id and secret."""
    made = client.post(ENDPOINTS, {"url": url, "events": list(events)})
    assert made.status_code == 201, made.text
    return made.json()["endpoint"]["id"], made.json()["secret"]


def live(client: ApiClient) -> str:
    """A chat session that is started, paused, resumed and ended: four events. Gives its id."""
    chat = client.start()["id"]
    for step in ("pause", "resume", "end"):
        assert client.post(f"/api/v1/sessions/{chat}/{step}/").status_code == 200
    return chat


def log_of(client: ApiClient, endpoint_id: str, **query: str) -> list[dict[str, Any]]:
    """Its deliveries, newest first."""
    answer = client.get(f"{ENDPOINTS}{endpoint_id}/deliveries/", params={"limit": "200", **query})
    assert answer.status_code == 200, answer.text
    return list(answer.json()["results"])


def other_tenant(server: Server, make_client: MakeClient) -> ApiClient:
    """Another application."""
    return make_client(server, key=insert_key(server, insert_tenant(server)))


def told_of(there: Receiver, chats: list[str]) -> dict[str, set[str]]:
    """What a receiver was told of each chat session."""
    found: dict[str, set[str]] = {chat: set() for chat in chats}
    for one in list(there.received):
        found.setdefault(one.payload["data"]["session"]["id"], set()).add(one.payload["type"])
    return found


def is_told(there: Receiver, chats: list[str]) -> bool:
    """Whether a receiver was told everything of these."""
    found = told_of(there, chats)
    return all(found[chat] >= set(LIFE) for chat in chats)


def wait_whole(there: Receiver, chats: list[str], timeout: float = 40) -> None:
    """Until everything was told of these."""
    wait_until(lambda: is_told(there, chats), timeout, "all is told")


@pytest.fixture
def receivers(make_receiver: MakeReceiver) -> MakeReceiver:
    return make_receiver


@pytest.mark.parametrize("grown", [False, True], ids=["embedded", "grown"])
def test_application_hears_what_its_people_do(
    make_server: MakeServer, make_client: MakeClient, there: Receiver, grown: bool
) -> None:
    client = make_client(make_server(grown=grown))
    _, secret = subscribe(client, there.url)
    chat = client.start()["id"]
    reply = client.send(chat, "[[say:Hello there.]]")["reply"]
    client.post(f"/api/v1/sessions/{chat}/end/")
    told = {one.payload["type"]: one.verify(secret) for one in there.wait_for(3)}
    assert set(told) == {"chatbot.connected", "chatbot.message", "chatbot.session_ended"}
    assert told["chatbot.message"]["data"]["message"]["id"] == reply["id"]
    assert told["chatbot.message"]["data"]["message"]["content"] == "Hello there."
    assert {one["data"]["user"] for one in told.values()} == {client.external_id}
    assert len(set(there.ids())) == 3


def test_deliveries_are_listed_and_replayed(make_server: MakeServer, make_client: MakeClient, there: Receiver) -> None:
    client = make_client(make_server())
    endpoint_id, _ = subscribe(client, there.url, "session.paused")
    live(client)
    [received] = there.wait_for(1)
    [delivery] = wait_until(lambda: log_of(client, endpoint_id, state="delivered"), 10)
    assert delivery["webhook_id"] == received.id
    assert (delivery["event"], delivery["attempts"], delivery["status_code"]) == ("session.paused", 1, 200)
    assert client.post(f"/api/v1/webhooks/deliveries/{delivery['id']}/replay/").json()["state"] == "pending"
    assert [one.id for one in there.wait_for(2)] == [received.id] * 2


def test_what_fails_is_tried_again_after_five_seconds(
    make_server: MakeServer, make_client: MakeClient, there: Receiver
) -> None:
    client = make_client(make_server())
    endpoint_id, secret = subscribe(client, there.url, "session.paused")
    there.answer = status(500)
    live(client)
    first, started = there.wait_for(1)[0], time.monotonic()
    there.answer = status(200)
    second = there.wait_for(2)[1]
    assert 4 < time.monotonic() - started < 9
    assert (first.id, first.payload["type"]) == (second.id, second.payload["type"])
    assert first.headers["webhook-timestamp"] != second.headers["webhook-timestamp"]
    second.verify(secret)
    [delivery] = wait_until(lambda: log_of(client, endpoint_id, state="delivered"), 10)
    assert [one["status_code"] for one in delivery["log"]] == [500, 200]


def test_receivers_that_hang_delay_nobody_else(
    make_server: MakeServer, make_client: MakeClient, receivers: MakeReceiver
) -> None:
    server = make_server()
    good, bad = receivers(), receivers()
    bad.answer = bad.hang
    clumsy = other_tenant(server, make_client)
    for _ in range(10):
        subscribe(clumsy, bad.url)
    clumsy_chats = [live(clumsy) for _ in range(3)]
    bad.wait_for(40)
    client = make_client(server)
    subscribe(client, good.url)
    chats = [live(client) for _ in range(5)]
    started = time.monotonic()
    wait_whole(good, chats)
    assert time.monotonic() - started < 6
    assert (bad.most, len(bad.received)) == (40, 40), "four to each of ten"
    assert clumsy_chats


@pytest.mark.parametrize("grown", [False, True], ids=["embedded", "grown"])
def test_kill_in_the_middle_loses_nothing(
    make_server: MakeServer, make_client: MakeClient, there: Receiver, grown: bool
) -> None:
    server = make_server(grown=grown)
    client = make_client(server)
    in_the_middle: list[str] = []
    there.answer = takes(8, in_the_middle)
    subscribe(client, there.url)
    chats = [live(client) for _ in range(5)]
    wait_until(lambda: len(in_the_middle) == 4, 20, "four that hang")
    server.kill()
    change_rows(server, LEASES_RUN_OUT)
    there.answer = status(200)
    server.start()
    wait_whole(there, chats)
    check_ids(there)
    assert {there.ids().count(one) for one in in_the_middle} == {2}, "sent again, under the same id"


def test_two_processes_deliver_once_and_one_takes_over(
    make_server: MakeServer, make_client: MakeClient, there: Receiver
) -> None:
    first = make_server(grown=True)
    second = make_server.beside(first)
    clients = [make_client(server) for server in (first, second)]
    subscribe(clients[0], there.url)
    wait_known(clients[1], there)
    chats = [live(client) for client in clients * 5]
    wait_whole(there, chats)
    assert set(Counter(there.ids()).values()) == {1}
    owner = read_rows(first, "SELECT owner FROM events_sinklease WHERE sink = 'webhooks'")[0][0]
    leader, other = (first, second) if f":{first.pid}:" in owner else (second, first)
    hanging: list[str] = []
    there.answer = takes(8, hanging)
    chats += [live(client) for client in clients * 2]
    wait_until(lambda: len(hanging) == 4, 20, "some are on their way")
    leader.kill()
    change_rows(first, LEASES_RUN_OUT)
    there.answer = status(200)
    chats.append(live(clients[(first, second).index(other)]))
    wait_whole(there, chats)
    check_ids(there)


def test_stopping_gives_the_lease_back(make_server: MakeServer, make_client: MakeClient, there: Receiver) -> None:
    server = make_server()
    client = make_client(server)
    subscribe(client, there.url)
    live(client)
    there.wait_for(4)
    assert server.terminate(15) in (0, -signal.SIGTERM)
    assert read_rows(server, "SELECT owner FROM events_sinklease WHERE sink = 'webhooks'") == [("",)]
    assert "Traceback" not in server.log_text()


def test_test_is_sent_at_once(make_server: MakeServer, make_client: MakeClient, receivers: MakeReceiver) -> None:
    client, there = make_client(make_server()), receivers()
    endpoint_id, secret = subscribe(client, there.url, "session.paused")
    answer = client.post(f"{ENDPOINTS}{endpoint_id}/test/").json()
    assert (answer["state"], answer["event"], answer["status_code"]) == ("delivered", "webhook.test", 200)
    assert there.received[0].verify(secret)["data"] == {"endpoint": endpoint_id}
    there.answer = status(404)
    answer = client.post(f"{ENDPOINTS}{endpoint_id}/test/").json()
    assert (answer["state"], answer["error"]) == ("failed", "It answered 404.")
    assert client.get(f"{ENDPOINTS}{endpoint_id}/").json()["failing_since"] is None
    replayed = client.post(f"/api/v1/webhooks/deliveries/{answer['id']}/replay/")
    assert outcome(replayed) == (409, "not_replayable")


def test_health_tells_of_webhooks_once_there_are_endpoints(
    make_server: MakeServer, make_client: MakeClient, there: Receiver
) -> None:
    client = make_client(make_server())
    assert "webhooks" not in client.get("/health/").json()["parts"]
    subscribe(client, there.url)
    assert client.get("/health/").json()["parts"]["webhooks"]["status"] == "ok"
    assert "chatify_webhook_waiting 0.0" in client.get("/metrics").text


def takes(count: int, hanging: list[str]) -> Any:
    """Takes so many, and then hangs with the ids that it adds to a list."""
    numbers = itertools.count()

    def answer(handler: Any, received: Any) -> None:
        if next(numbers) < count:
            status(200)(handler, received)
        else:
            hanging.append(received.id)
            threading.Event().wait(40)  # nothing sets it: whoever waits is killed meanwhile

    return answer


def check_ids(there: Receiver) -> None:
    """What came twice came under the same id, and nothing else has that id."""
    by_id: dict[str, set[bytes]] = {}
    for one in there.received:
        key = f"{one.payload['type']} {one.payload['data']['session']['id']}".encode()
        by_id.setdefault(one.id, set()).add(key)
    assert all(len(keys) == 1 for keys in by_id.values())
    assert len({next(iter(keys)) for keys in by_id.values()}) == len(by_id), "no event has two ids"


def wait_known(client: ApiClient, there: Receiver) -> None:
    """Until what happens at a process is told: it learns of a new endpoint within a second."""
    made: list[str] = []

    def is_known() -> bool:
        made.append(live(client))
        return any(told_of(there, made)[chat] for chat in made)

    wait_until(is_known, 20, "the other process knows of the endpoint")

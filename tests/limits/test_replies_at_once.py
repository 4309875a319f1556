"""How many replies of a tenant are written at once, over all its chat sessions and all processes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import cycle

import pytest

from tests.client import ApiClient
from tests.conftest import MakeClient
from tests.limits.tenants import MadeTenant, at_once, hang_up, make_tenant, person, said, say
from tests.services.server import Server
from tests.turns.scenes import accept
from tests.waiting import wait_until

SLOW = "[[n=600,gap=50]]"


@pytest.fixture
def tenant(server: Server) -> MadeTenant:
    return make_tenant(server, concurrent_replies=3)


@pytest.fixture
def ann(tenant: MadeTenant, make_client: MakeClient) -> ApiClient:
    return make_client(tenant.server, key=tenant.key, external_id=person())


def keep_busy(client: ApiClient, chat: str) -> None:
    """Have a reply of thirty seconds written."""
    socket = client.socket(chat)
    accept(socket, SLOW)
    hang_up(socket)


def end(client: ApiClient, chats: Iterable[str]) -> None:
    """Stop all that is written there."""
    for chat in chats:
        client.post(f"/api/v1/sessions/{chat}/end/")


def running(client: ApiClient, chats: list[str]) -> int:
    messages = [client.messages(chat) for chat in chats]
    return len([one for found in messages for one in found if one["status"] == "streaming"])


def talk_at_once(clients: list[ApiClient], chats: list[str], content: str) -> Counter[str]:
    """Messages over sockets, each to another chat session: what became of them."""
    sockets = [client.socket(chat) for client, chat in zip(cycle(clients), chats)]
    for socket in sockets:
        socket.recv_until("session.ready")

    def talk(number: int) -> str:
        sockets[number].send("message.send", content=content)
        verdict = sockets[number].recv_until("message.accepted", "error")
        hang_up(sockets[number])
        return verdict.get("code") or verdict["type"]

    return Counter(at_once([lambda number=number: talk(number) for number in range(len(sockets))]))


def check_three_of_twenty(clients: list[ApiClient]) -> None:
    chats = [clients[0].start()["id"] for _ in range(20)]
    verdicts = talk_at_once(clients, chats, SLOW)
    assert verdicts == {"message.accepted": 3, "too_many_replies": 17}
    assert running(clients[0], chats) == 3
    assert sum(said(clients[0], chat) for chat in chats) == 3, "what was refused is nowhere"
    end(clients[0], chats)


def test_three_of_twenty(ann: ApiClient):
    check_three_of_twenty([ann])


def test_three_of_twenty_over_two_processes(grown_servers: tuple[Server, Server], make_client: MakeClient):
    tenant, name = make_tenant(grown_servers[0], concurrent_replies=3), person()
    clients = [make_client(server, key=tenant.key, external_id=name) for server in grown_servers]
    check_three_of_twenty(clients)


@pytest.fixture
def full(ann: ApiClient) -> Iterator[list[str]]:
    """The chat sessions of three replies that are being written."""
    chats = [ann.start()["id"] for _ in range(3)]
    for chat in chats:
        keep_busy(ann, chat)
    yield chats
    end(ann, chats)


def test_refusal_over_rest(ann: ApiClient, full: list[str]):
    refused = say(ann, ann.start()["id"])
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_replies")
    assert refused.headers["Retry-After"] == "1"
    assert refused.json()["detail"] == "At most 3 replies are written at once."


@pytest.mark.parametrize("how", ["stop", "end"])
def test_place_is_free_when_a_reply_ends(ann: ApiClient, full: list[str], how: str):
    chat = ann.start()["id"]
    assert say(ann, chat).status_code == 429
    ann.post(f"/api/v1/sessions/{full[0]}/{how}/")
    wait_until(lambda: say(ann, chat).status_code == 200, 10)
    assert say(ann, chat).status_code == 200, "and again, one after the other"


def test_message_to_a_reply_that_runs_is_accepted_and_answered(ann: ApiClient, full: list[str]):
    socket = ann.socket(full[1])
    socket.recv_until("session.ready")
    assert accept(socket, "and me?")["seq"] == 3
    socket.send("reply.stop")
    assert socket.recv_reply()["type"] == "reply.cancelled"
    assert socket.recv_reply()["message"]["content"] == "You said: and me?"


def test_another_try_needs_a_place(ann: ApiClient, full: list[str]):
    ann.post(f"/api/v1/sessions/{full[0]}/stop/")
    stopped = wait_until(lambda: [one for one in ann.messages(full[0]) if one["status"] == "cancelled"])[0]
    full.append(ann.start()["id"])
    keep_busy(ann, full[-1])
    refused = ann.post(f"/api/v1/sessions/{full[0]}/messages/{stopped['id']}/retry/")
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_replies")


def test_repeat_of_an_accepted_message_needs_no_place(ann: ApiClient):
    chat = ann.start()["id"]
    first = say(ann, chat, "once", client_message_id="1")
    busy = [ann.start()["id"] for _ in range(3)]
    for other in busy:
        keep_busy(ann, other)
    assert say(ann, chat, "once", client_message_id="1").json() == first.json()
    assert say(ann, chat, "new").status_code == 429
    end(ann, busy)


def test_refused_for_want_of_a_place_costs_no_message(server: Server, make_client: MakeClient):
    tenant = make_tenant(server, concurrent_replies=1, user_messages_per_minute=3)
    ann = make_client(server, key=tenant.key, external_id=person())
    busy, chat = ann.start()["id"], ann.start()["id"]
    keep_busy(ann, busy)
    assert {say(ann, chat).json()["code"] for _ in range(6)} == {"too_many_replies"}
    ann.post(f"/api/v1/sessions/{busy}/stop/")
    wait_until(lambda: not running(ann, [busy]))
    assert [say(ann, chat).status_code for _ in range(3)] == [200, 200, 429]


def test_another_tenant_has_places_of_its_own(ann: ApiClient, full: list[str], make_client: MakeClient, server: Server):
    other = make_client(server, key=make_tenant(server, concurrent_replies=1).key)
    assert say(other, other.start()["id"]).status_code == 200

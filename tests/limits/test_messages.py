"""Messages per minute: one budget over REST, Server-Sent Events and sockets, per end user and per chat session."""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle

import pytest

from tests.client import ApiClient, Socket
from tests.conftest import MakeClient
from tests.limits.tenants import MadeTenant, at_once, hang_up, make_tenant, person, said, say, say_over_sse
from tests.services.server import Server

TRIES = 30


@pytest.fixture
def tenant(server: Server) -> MadeTenant:
    return make_tenant(server, user_messages_per_minute=10, session_messages_per_minute=20)


@pytest.fixture
def ann(tenant: MadeTenant, make_client: MakeClient) -> ApiClient:
    return make_client(tenant.server, key=tenant.key, external_id=person())


def over_socket(socket: Socket) -> Callable[[], bool]:
    """Says something at a socket, and hangs up; whether it was accepted."""

    def run() -> bool:
        socket.send("message.send", content="hello")
        verdict = socket.recv_until("message.accepted", "error", timeout=30)["type"]
        hang_up(socket)
        return verdict == "message.accepted"

    return run


def ways(clients: list[ApiClient], chats: list[str]) -> list[Callable[[], bool]]:
    """As many tries as it says, in turns by each way and each client, in each chat session."""
    found: list[Callable[[], bool]] = []
    for (number, client), chat in zip(zip(range(TRIES), cycle(clients)), cycle(chats)):
        if number % 3 == 0:
            found.append(lambda c=client, s=chat: say(c, s).status_code in (200, 202))
        elif number % 3 == 1:
            found.append(lambda c=client, s=chat: say_over_sse(c, s) == 200)
        else:
            socket = client.socket(chat)
            socket.recv_until("session.ready")
            found.append(over_socket(socket))
    return found


def test_ten_of_thirty_over_rest(ann: ApiClient):
    chat = ann.start()["id"]
    answers = at_once([lambda: say(ann, chat)] * TRIES)
    assert sorted({answer.status_code for answer in answers} - {202}) == [200, 429]
    assert len([answer for answer in answers if answer.status_code != 429]) == said(ann, chat) == 10


def test_ten_of_thirty_over_every_way(ann: ApiClient):
    chats = [ann.start()["id"] for _ in range(4)]
    assert sum(at_once(ways([ann], chats))) == 10
    assert sum(said(ann, chat) for chat in chats) == 10


def test_ten_of_thirty_over_every_way_and_two_processes(grown_servers: tuple[Server, Server], make_client: MakeClient):
    tenant, name = make_tenant(grown_servers[0], user_messages_per_minute=10), person()
    clients = [make_client(server, key=tenant.key, external_id=name) for server in grown_servers]
    chats = [clients[0].start()["id"] for _ in range(3)]
    assert sum(at_once(ways(clients, chats))) == 10
    assert sum(said(clients[0], chat) for chat in chats) == 10


def test_budget_of_a_chat_session_is_shared_by_all_credentials(server: Server, make_client: MakeClient):
    tenant = make_tenant(server, session_messages_per_minute=10)
    ann = make_client(server, key=tenant.key, external_id=person())
    chat = ann.start()["id"]
    tokens = [tenant.token(ann.external_id), tenant.token(ann.external_id, chat)]
    clients = [ann, *(make_client(server, key=token) for token in tokens)]
    assert sum(at_once(ways(clients, [chat]))) == 10
    assert say(ann, ann.start()["id"]).status_code == 200, "the next chat session has a budget of its own"


def test_what_the_chat_session_refuses_costs_the_user_nothing(server: Server, make_client: MakeClient):
    tenant = make_tenant(server, session_messages_per_minute=3, user_messages_per_minute=6)
    ann = make_client(server, key=tenant.key, external_id=person())
    chats = [ann.start()["id"] for _ in range(3)]
    passed = [[say(ann, chat).status_code == 200 for _ in range(8)].count(True) for chat in chats]
    assert passed == [3, 3, 0]


def test_each_end_user_has_a_budget(ann: ApiClient, tenant: MadeTenant, make_client: MakeClient):
    ben = make_client(tenant.server, key=tenant.key, external_id=person())
    chat = ann.start()["id"]
    while say(ann, chat).status_code == 200:
        pass
    assert say(ben, ben.start()["id"]).status_code == 200


def test_refusal_tells_of_the_budget_that_refused(server: Server, make_client: MakeClient):
    tenant = make_tenant(server, user_messages_per_minute=1)
    ann = make_client(server, key=tenant.key, external_id=person())
    chat = ann.start()["id"]
    say(ann, chat)
    refused = say(ann, chat)
    assert (refused.status_code, refused.json()["code"]) == (429, "too_fast")
    assert refused.json()["detail"] == "At most 1 messages per minute."
    assert (refused.headers["X-RateLimit-Limit"], refused.headers["X-RateLimit-Remaining"]) == ("1", "0")
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert say_over_sse(ann, chat) == 429


# What costs a message, and what does not ------------------------------------------------------------
@pytest.fixture
def cleo(server: Server, make_client: MakeClient) -> ApiClient:
    """Somebody with two messages per minute."""
    tenant = make_tenant(server, user_messages_per_minute=2)
    return make_client(server, key=tenant.key, external_id=person())


def left(client: ApiClient) -> int:
    """How many messages somebody has left. Spends them."""
    chat = client.start()["id"]
    count = 0
    while say(client, chat).status_code == 200:
        count += 1
    return count


def test_repeat_of_an_accepted_message_gets_its_answer_though_nothing_is_left(cleo: ApiClient):
    chat = cleo.start()["id"]
    first = say(cleo, chat, "once", client_message_id="1")
    assert say(cleo, chat, "twice", client_message_id="2").status_code == 200
    assert say(cleo, chat, "thrice", client_message_id="3").status_code == 429
    again = say(cleo, chat, "once", client_message_id="1")
    assert (again.status_code, again.json()) == (200, first.json())
    assert say_over_sse(cleo, chat, "twice", client_message_id="2") == 200
    assert say(cleo, chat, "other words", client_message_id="1").status_code == 409


def test_repeat_costs_nothing(cleo: ApiClient):
    chat = cleo.start()["id"]
    for _ in range(4):
        assert say(cleo, chat, "once", client_message_id="1").status_code == 200
    assert left(cleo) == 1


def test_repeats_at_once_cost_one(cleo: ApiClient):
    chat = cleo.start()["id"]
    answers = at_once([lambda: say(cleo, chat, "once", client_message_id="1")] * 8)
    assert {answer.json()["message"]["id"] for answer in answers if answer.status_code == 200}
    assert said(cleo, chat) == 1
    assert left(cleo) == 1


def test_another_try_costs_a_message(cleo: ApiClient):
    chat = cleo.start()["id"]
    failed = say(cleo, chat, "[[cut]]").json()["reply"]
    retry = f"/api/v1/sessions/{chat}/messages/{failed['id']}/retry/"
    again = cleo.post(retry)
    assert again.status_code == 200
    refused = cleo.post(retry.replace(failed["id"], again.json()["reply"]["id"]))
    assert (refused.status_code, refused.json()["code"]) == (429, "too_fast")


def test_mistakes_of_the_sender_cost_a_message(cleo: ApiClient):
    chat = cleo.start()["id"]
    assert say(cleo, chat, "hi", model="gpt-9").status_code == 400
    assert left(cleo) == 1


def test_what_is_not_understood_costs_none(cleo: ApiClient):
    chat = cleo.start()["id"]
    assert say(cleo, chat, "").status_code == 400
    assert say(cleo, "00000000-0000-7000-8000-000000000000").status_code == 404
    assert left(cleo) == 2


def test_answers_to_messages_that_waited_cost_no_more(cleo: ApiClient):
    chat = cleo.start()["id"]
    socket = cleo.socket(chat)
    for content in ("[[n=10,gap=30]]", "and me?"):
        socket.send("message.send", content=content)
        socket.recv_until("message.accepted")
    ends = [socket.recv_reply()["message"]["content"] for _ in range(2)]
    assert ends[1] == "You said: and me?"

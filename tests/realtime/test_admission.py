"""Who may open a socket, with what, and how many of them."""

import hashlib
from uuid import uuid4

import pytest

from tests.api.checks import change_rows, on_sqlite, path_of
from tests.client import ApiClient, Socket
from tests.conftest import MakeClient
from tests.services.server import Server
from tests.waiting import wait_until


def close_code(socket: Socket) -> int:
    with socket:
        return socket.wait_closed()


def ticket_of(client: ApiClient, chat: str) -> str:
    return client.post(path_of(chat, "ticket/")).json()["ticket"]


@pytest.mark.parametrize("ticket", ["x", "%00", "%ff%fe", "x" * 3000])
def test_made_up_ticket_is_not_let_in(alice: ApiClient, chat: str, ticket: str):
    assert close_code(alice.socket(chat, ticket=ticket)) == 4401


def test_other_tenant_finds_no_socket(mallory: ApiClient, chat: str):
    assert close_code(mallory.socket(chat)) == 4404
    assert close_code(mallory.socket(str(uuid4()))) == 4404


@pytest.mark.parametrize(
    "path", ["/", "/ws/", "/ws/v1/sessions/", "/ws/v1/sessions/nope/", "/ws/v1/sessions/{chat}", "/x"]
)
@on_sqlite
def test_path_without_a_socket_closes_as_not_found(alice: ApiClient, server: Server, chat: str, path: str):
    with Socket(server.ws_url + path.format(chat=chat), alice.headers) as socket:
        assert socket.wait_closed() == 4404
        assert socket.seen == []


def test_key_may_come_in_a_header_of_its_own(server: Server, chat: str):
    with Socket(f"{server.ws_url}/ws/v1/sessions/{chat}/", {"X-API-Key": server.key}) as socket:
        assert socket.recv()["type"] == "session.ready"


# Tickets ------------------------------------------------------------------------------------------
def test_ticket_works_once(alice: ApiClient, chat: str):
    ticket = ticket_of(alice, chat)
    with alice.socket(chat, ticket=ticket) as socket:
        assert socket.recv()["session"]["id"] == chat
        assert socket.say("hello")["message"]["content"] == "You said: hello"
    assert close_code(alice.socket(chat, ticket=ticket)) == 4401


def test_ticket_is_for_one_chat_session(alice: ApiClient, chat: str):
    other = alice.start()["id"]
    assert close_code(alice.socket(other, ticket=ticket_of(alice, chat))) == 4401


def test_ticket_expires(alice: ApiClient, chat: str, server: Server):
    ticket = ticket_of(alice, chat)
    digest = hashlib.sha256(ticket.encode()).hexdigest()
    expire = "update accounts_socketticket set expires_at = '2020-01-01 00:00:00' where digest = ?"
    assert change_rows(server, expire, digest) == 1
    assert close_code(alice.socket(chat, ticket=ticket)) == 4401


def test_tickets_at_once_let_one_in(alice: ApiClient, chat: str):
    ticket = ticket_of(alice, chat)
    sockets = [alice.socket(chat, ticket=ticket) for _ in range(5)]  # each is accepted before it is looked at
    firsts = []
    for socket in sockets:
        try:
            firsts.append(socket.recv()["type"])
        except Exception:
            firsts.append(socket.wait_closed())
    assert sorted(map(str, firsts)) == ["4401"] * 4 + ["session.ready"]


# At most ten --------------------------------------------------------------------------------------
@pytest.mark.parametrize("server", ["embedded"], indirect=True)
def test_eleventh_socket_is_one_too_many(alice: ApiClient, chat: str):
    sockets = [alice.socket(chat) for _ in range(10)]
    assert [socket.recv()["type"] for socket in sockets] == ["session.ready"] * 10
    assert close_code(alice.socket(chat)) == 4409
    with alice.socket(alice.start()["id"]) as elsewhere:
        assert elsewhere.recv()["type"] == "session.ready"
    sockets[0].close()
    wait_until(lambda: is_let_in(alice, chat), what="a free place")


def test_places_are_counted_across_processes(grown_servers: tuple[Server, Server], make_client: MakeClient):
    one, two = (make_client(server, external_id="ten-sockets") for server in grown_servers)
    chat = one.start()["id"]
    sockets = [client.socket(chat) for client in (one, two) for _ in range(5)]
    assert [socket.recv()["type"] for socket in sockets] == ["session.ready"] * 10
    assert [close_code(client.socket(chat)) for client in (one, two)] == [4409, 4409]
    sockets[0].close()
    wait_until(lambda: is_let_in(two, chat), what="a free place")


def is_let_in(client: ApiClient, chat: str) -> bool:
    with client.socket(chat) as socket:
        try:
            return socket.recv()["type"] == "session.ready"
        except Exception:
            return False

"""Limits as a socket tells of them: frames with `retry_after`, and a close only for who does not listen."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

import pytest

from tests.client import ApiClient, Socket
from tests.conftest import MakeClient
from tests.limits.tenants import at_once, execute, make_tenant, person, say
from tests.services.server import Server

TEMPLATES = "/api/v1/templates/"
Join = Callable[..., ApiClient]


@pytest.fixture
def join(server: Server, make_client: MakeClient) -> Join:
    """Makes somebody in a fresh tenant with these limits."""

    def make(**limits: int) -> ApiClient:
        return make_client(server, key=make_tenant(server, **limits).key, external_id=person())

    return make


def opened(client: ApiClient, chat: str) -> Socket:
    socket = client.socket(chat)
    socket.recv_until("session.ready")
    return socket


def refused(socket: Socket, type: str = "message.send", **fields: object) -> dict[str, object]:
    socket.send(type, event_id="e1", **fields)
    return socket.recv_until("error")


def left(client: ApiClient) -> int:
    return int(client.get(TEMPLATES).headers["X-RateLimit-Remaining"])


def test_refusal_is_a_frame_and_the_socket_stays_open(join: Join):
    ann = join(user_messages_per_minute=2)
    socket = opened(ann, ann.start()["id"])
    for _ in range(2):
        assert socket.say("hello")["type"] == "reply.completed"
    error = refused(socket, content="and this?")
    assert (error["code"], error["event_id"]) == ("too_fast", "e1")
    assert error["message"] == "At most 2 messages per minute."
    assert isinstance(error["retry_after"], float)
    assert 0 < error["retry_after"] <= 60
    socket.send("ping")
    assert socket.recv_until("pong")


def test_message_is_no_request(join: Join):
    ann = join(key_requests_per_minute=10)
    socket = opened(ann, ann.start()["id"])
    before = left(ann)
    for _ in range(3):
        socket.say("hello")
    assert left(ann) == before - 1


def test_opening_is_a_request(join: Join):
    ann = join(key_requests_per_minute=4)
    chat = ann.start()["id"]
    assert left(ann) == 2
    opened(ann, chat)
    assert left(ann) == 0
    assert ann.socket(chat).wait_closed() == 4429


@pytest.mark.parametrize("server", ["embedded"], indirect=True)
def test_sockets_and_requests_at_once_share_the_budget(join: Join):
    ann = join(key_requests_per_minute=11)
    chats = [ann.start()["id"] for _ in range(1)] * 15

    def over_socket(chat: str) -> bool:
        with ann.socket(chat) as socket:
            return socket.recv(timeout=20)["type"] == "session.ready"

    def try_socket(chat: str) -> bool:
        try:
            return over_socket(chat)
        except Exception:  # closed instead of ready
            return False

    jobs = [lambda chat=chat: try_socket(chat) for chat in chats[:9]]
    jobs += [lambda: ann.get(TEMPLATES).status_code == 200 for _ in range(21)]
    assert sum(at_once(jobs)) == 10


def test_fifty_refusals_are_told_and_the_next_closes(join: Join):
    ann = join(user_messages_per_minute=1)
    socket = opened(ann, ann.start()["id"])
    socket.say("hello")
    for _ in range(51):
        socket.send("message.send", content="hasty")
    assert socket.wait_closed() == 4429
    assert [frame["code"] for frame in socket.seen if frame["type"] == "error"] == ["too_fast"] * 51


def test_sync_stop_and_rating_are_requests(join: Join):
    ann = join(key_requests_per_minute=10)
    socket = opened(ann, ann.start()["id"])
    before = left(ann)
    socket.send("sync", after_seq=0)
    socket.send("reply.stop")
    socket.send("feedback", rating=5)
    socket.recv_until("feedback.accepted")
    assert left(ann) == before - 4
    while left(ann):
        pass
    for type, fields in (("sync", {"after_seq": 0}), ("reply.stop", {}), ("feedback", {"rating": 5})):
        assert refused(socket, type, **fields)["code"] == "too_fast"


def test_another_try_costs_a_message(join: Join):
    ann = join(user_messages_per_minute=2)
    socket = opened(ann, ann.start()["id"])
    failed = socket.say("[[cut]]")["message_id"]
    socket.send("reply.retry", message_id=failed)
    again = socket.recv_reply()["message_id"]
    assert refused(socket, "reply.retry", message_id=again)["code"] == "too_fast"


def test_repeat_is_acknowledged_though_nothing_is_left(join: Join):
    ann = join(user_messages_per_minute=1)
    socket = opened(ann, ann.start()["id"])
    socket.send("message.send", content="once", client_message_id="1")
    first = socket.recv_until("message.accepted")
    socket.recv_reply()
    socket.send("message.send", content="once", client_message_id="1")
    assert socket.recv_until("message.accepted", "error") == first
    assert refused(socket, content="new")["code"] == "too_fast"


def test_repeats_cost_requests(join: Join):
    ann = join(key_requests_per_minute=4, user_messages_per_minute=1)
    socket = opened(ann, ann.start()["id"])  # two requests
    fields = {"content": "once", "client_message_id": "1"}
    socket.say(**fields)
    for _ in range(3):
        socket.send("message.send", **fields)
    seen = [socket.recv_until("message.accepted", "error")["type"] for _ in range(4)]
    assert seen == ["message.accepted"] * 3 + ["error"]


def test_ticket_lets_nobody_in_whose_credential_was_revoked(server: Server, make_client: MakeClient):
    tenant = make_tenant(server)
    ann = make_client(server, key=tenant.key, external_id=person())
    chat = ann.start()["id"]
    ticket = ann.post(f"/api/v1/sessions/{chat}/ticket/").json()["ticket"]
    execute(server, "UPDATE accounts_apikey SET revoked_at = created_at WHERE tenant_id = ?", tenant.id)
    assert ann.socket(chat, ticket).wait_closed() == 4401


def test_refused_frames_write_nothing(join: Join):
    ann = join(user_messages_per_minute=1)
    chat = ann.start()["id"]
    socket = opened(ann, chat)
    socket.say("hello")
    refused(socket, content="lost?", client_message_id=str(uuid4()))
    assert [one["content"] for one in ann.messages(chat)] == ["hello", "You said: hello"]
    assert say(ann, chat).status_code == 429

"""Tokens for the browsers and apps of end users: whom they speak for, what they reach, how they end."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx
import pytest

from tests.accounts.signups import TOKENS, closes_within_five_seconds, end_user_token, start_long_reply, statuses_of
from tests.api.checks import SESSIONS, change_rows, fields_of, on_sqlite, outcome, path_of
from tests.client import ApiClient, Socket
from tests.conftest import MakeClient, MakeServer
from tests.services.server import Server
from tests.waiting import wait_until


@pytest.fixture
def as_user(server: Server, make_client: MakeClient, alice: ApiClient):
    """Makes clients with a token of alice, or of somebody else."""

    def make(external_id: str = "", **body: object) -> ApiClient:
        token = end_user_token(alice, external_id or alice.external_id, **body)
        return make_client(server, key=token, external_id=external_id or alice.external_id)

    return make


def chats_of(client: ApiClient) -> list[str]:
    return [chat["id"] for chat in client.get(SESSIONS).json()["results"]]


# Asking for one -----------------------------------------------------------------------------------
def test_token_speaks_for_the_user(alice: ApiClient, server: Server, make_client: MakeClient):
    body = {"user": {"external_id": alice.external_id, "name": "Alice", "age": 30}}
    answer = alice.post(TOKENS, body)
    assert (answer.status_code, set(answer.json())) == (201, {"token", "expires_at"})
    assert answer.headers["Cache-Control"] == "no-store"
    lasts = datetime.fromisoformat(answer.json()["expires_at"]) - datetime.now(UTC)
    assert timedelta(seconds=880) < lasts <= timedelta(seconds=900)
    client = make_client(server, key=answer.json()["token"])
    chat = client.post(SESSIONS, {}).json()
    assert {name: chat["user"][name] for name in body["user"]} == body["user"]
    assert client.send(chat["id"], "hello")["reply"]["content"] == "You said: hello"
    assert alice.get(path_of(chat["id"])).json() == client.get(path_of(chat["id"])).json()


def test_token_brings_the_profile_up_to_date(alice: ApiClient, as_user):
    chat = alice.start(name="Alice", style="dry")["id"]
    as_user()
    assert alice.get(path_of(chat)).json()["user"]["name"] == "Alice"
    alice.post(TOKENS, {"user": {"external_id": alice.external_id, "name": "Alicia"}})
    user = alice.get(path_of(chat)).json()["user"]
    assert (user["name"], user["style"]) == ("Alicia", "dry")


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({}, "user", "required"),
        ({"user": None}, "user", "wrong_type"),
        ({"user": {}}, "user.external_id", "required"),
        ({"user": {"name": "Alice"}}, "user.external_id", "required"),
        ({"user": {"external_id": ""}}, "user.external_id", "too_short"),
        ({"user": {"external_id": "x" * 129}}, "user.external_id", "too_long"),
        ({"user": {"external_id": "a\nb"}}, "user.external_id", "not_single_line"),
        ({"user": {"external_id": "x", "age": 200}}, "user.age", "less_than_equal"),
        ({"user": {"external_id": "x"}, "session": "latest"}, "session", "uuid_parsing"),
        ({"user": {"external_id": "x"}, "lifetime": 10**9}, "lifetime", "unknown_field"),
    ],
)
@on_sqlite
def test_bad_body_gets_no_token(alice: ApiClient, body: dict[str, object], field: str, code: str):
    answer = alice.post(TOKENS, body)
    assert outcome(answer)[0] == 400
    assert fields_of(answer) == [(field, code)]


def test_only_keys_get_and_end_tokens(server: Server, alice: ApiClient, as_user, make_client: MakeClient):
    person = httpx.Client(base_url=server.url, trust_env=False, timeout=30)
    person.get("/").raise_for_status()
    csrf = {"X-CSRFToken": person.cookies["csrftoken"]}
    body, asked = {"user": {"external_id": alice.external_id}}, {"user": alice.external_id}
    for answer in (
        as_user().post(TOKENS, body),
        as_user().delete(TOKENS, params=asked),
        person.post(TOKENS, json=body, headers=csrf),
        person.delete(TOKENS, params=asked, headers=csrf),
    ):
        assert outcome(answer) == (403, "not_a_key")
    assert outcome(make_client(server, key="").post(TOKENS, body)) == (401, "not_authenticated")
    person.close()


# What it reaches ----------------------------------------------------------------------------------
def test_token_reaches_only_the_users_own(alice: ApiClient, bob: ApiClient, mallory: ApiClient, as_user):
    mine, client = alice.start()["id"], as_user()
    assert chats_of(client) == [mine]
    assert client.get(SESSIONS, params={"user": bob.external_id}).json()["results"] == []
    for theirs in (bob.start()["id"], mallory.start()["id"]):
        for answer in (
            client.get(path_of(theirs)),
            client.patch(path_of(theirs), {"title": "mine"}),
            client.delete(path_of(theirs)),
            client.post(path_of(theirs, "messages/"), {"content": "hello"}),
            client.post(path_of(theirs, "ticket/")),
        ):
            assert outcome(answer) == (404, "not_found")
        assert client.socket(theirs).wait_closed() == 4404
    answer = client.post(SESSIONS, {"user": {"external_id": bob.external_id}})
    assert outcome(answer) == (400, "not_yours")
    assert client.delete(SESSIONS).json() == {"deleted": 1}


def test_socket_opens_with_a_token(alice: ApiClient, as_user):
    client = as_user()
    chat = client.post(SESSIONS, {}).json()["id"]
    assert client.socket(chat).say("hello")["message"]["content"] == "You said: hello"
    ticket = client.post(path_of(chat, "ticket/")).json()["ticket"]
    assert client.socket(chat, ticket=ticket).say("again")["message"]["content"] == "You said: again"


def test_token_of_a_chat_session_reaches_no_other(alice: ApiClient, as_user):
    mine, other = alice.start()["id"], alice.start()["id"]
    client = as_user(session=mine)
    assert chats_of(client) == [mine]
    assert outcome(client.get(path_of(other))) == (404, "not_found")
    assert outcome(client.post(path_of(other, "messages/"), {"content": "hello"})) == (404, "not_found")
    assert client.socket(other).wait_closed() == 4404
    assert outcome(client.post(SESSIONS, {})) == (403, "bound_to_session")
    assert outcome(client.delete(SESSIONS)) == (403, "bound_to_session")
    assert client.socket(mine).say("hello")["message"]["content"] == "You said: hello"
    assert client.send(mine, "again")["reply"]["content"] == "You said: again"
    assert sorted(chats_of(as_user())) == sorted([mine, other])


def test_token_is_bound_to_the_users_own_chat_session_only(
    alice: ApiClient, bob: ApiClient, mallory: ApiClient, server: Server
):
    deleted = alice.start()["id"]
    alice.delete(path_of(deleted))
    for chat in (bob.start()["id"], mallory.start()["id"], deleted, str(uuid4())):
        body = {"user": {"external_id": alice.external_id, "name": "Changed"}, "session": chat}
        assert outcome(alice.post(TOKENS, body)) == (404, "not_found")
    stranger = {"external_id": f"new-{uuid4()}", "name": "Changed"}
    assert outcome(alice.post(TOKENS, {"user": stranger, "session": alice.start()["id"]})) == (404, "not_found")
    touch = "update accounts_enduser set name = name where name = 'Changed' and external_id in (?, ?)"
    assert change_rows(server, touch, alice.external_id, stranger["external_id"]) == 0


def test_ended_chat_session_gets_no_token(alice: ApiClient):
    chat = alice.start()["id"]
    alice.post(path_of(chat, "end/"))
    body = {"user": {"external_id": alice.external_id}, "session": chat}
    assert outcome(alice.post(TOKENS, body)) == (409, "session_ended")


# How they end -------------------------------------------------------------------------------------
def test_tokens_of_a_user_are_ended_and_new_ones_work(alice: ApiClient, bob: ApiClient, as_user):
    chat = alice.start()["id"]
    whole, bound, others = as_user(), as_user(session=chat), as_user(bob.external_id)
    assert alice.delete(TOKENS, params={"user": alice.external_id}).status_code == 204
    for client in (whole, bound):
        assert outcome(client.get(SESSIONS)) == (401, "not_authenticated")
        assert client.socket(chat).wait_closed() == 4401
    assert others.get(SESSIONS).status_code == 200
    assert chats_of(as_user()) == [chat]


def test_whose_tokens_to_end_has_to_be_said(alice: ApiClient, mallory: ApiClient):
    alice.start()
    answer = alice.delete(TOKENS)
    assert (outcome(answer), fields_of(answer)) == ((400, "required"), [("user", "required")])
    assert outcome(alice.delete(TOKENS, params={"user": f"nobody-{uuid4()}"})) == (404, "not_found")
    assert outcome(mallory.delete(TOKENS, params={"user": alice.external_id})) == (404, "not_found")
    assert outcome(alice.delete(TOKENS, params={"person": "x"})) == (400, "invalid_input")


def test_other_tenants_user_of_the_same_name_keeps_their_tokens(alice: ApiClient, mallory: ApiClient, as_user):
    client = as_user()
    mallory.post(TOKENS, {"user": {"external_id": alice.external_id}})
    assert mallory.delete(TOKENS, params={"user": alice.external_id}).status_code == 204
    assert client.get(SESSIONS).status_code == 200


def test_ended_tokens_close_sockets_and_stop_replies(alice: ApiClient, server: Server, as_user):
    client, chats = as_user(), [alice.start()["id"] for _ in range(3)]
    ticket = client.post(path_of(chats[1], "ticket/")).json()["ticket"]
    by_token, by_ticket, by_key = (
        client.socket(chats[0]),
        client.socket(chats[1], ticket=ticket),
        alice.socket(chats[2]),
    )
    for socket in (by_token, by_ticket, by_key):
        start_long_reply(socket)
    alice.delete(TOKENS, params={"user": alice.external_id})
    assert closes_within_five_seconds(by_token, by_ticket) == 4401
    for chat in chats[:2]:
        wait_until(lambda chat=chat: statuses_of(server, chat) == ["complete", "cancelled"], 5, "a stopped reply")
    by_key.recv_until("reply.delta")
    assert statuses_of(server, chats[2]) == ["complete", "streaming"]
    alice.post(path_of(chats[2], "stop/"))


def test_ticket_of_an_ended_token_opens_nothing(alice: ApiClient, as_user):
    client, chat = as_user(), alice.start()["id"]
    ticket = client.post(path_of(chat, "ticket/")).json()["ticket"]
    alice.delete(TOKENS, params={"user": alice.external_id})
    assert client.socket(chat, ticket=ticket).wait_closed() == 4401


def test_reply_over_rest_stops_with_the_token(alice: ApiClient, server: Server, as_user):
    client, chat = as_user(), alice.start()["id"]
    events = client.sse(chat, "[[n=400,gap=50]]")
    while next(events).name != "reply.delta":
        pass
    alice.delete(TOKENS, params={"user": alice.external_id})
    assert [event.name for event in events][-1] == "reply.cancelled"
    assert statuses_of(server, chat) == ["complete", "cancelled"]


def test_token_expires_and_its_socket_stays(make_server: MakeServer, make_client: MakeClient):
    server = make_server(END_USER_TOKEN_SECONDS="2")
    key = make_client(server)
    chat = key.start()["id"]
    client = make_client(server, key=end_user_token(key, key.external_id))
    socket: Socket = client.socket(chat)
    assert socket.say("hello")["message"]["status"] == "complete"
    wait_until(lambda: client.get(SESSIONS).status_code == 401, 5, "the end of the token")
    assert socket.say("still here")["message"]["status"] == "complete"

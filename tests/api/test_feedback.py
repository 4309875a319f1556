"""Satisfaction over REST."""

from uuid import uuid4

import pytest

from tests.api.checks import change_rows, fields_of, on_sqlite, outcome, path_of
from tests.client import ApiClient
from tests.services.server import Server


def rate(client: ApiClient, chat: str, **body):
    return client.post(path_of(chat, "feedback/"), body)


@pytest.fixture
def chat(alice: ApiClient) -> str:
    return alice.start()["id"]


def test_later_rating_replaces_the_former(alice: ApiClient, chat: str, server: Server):
    reply = alice.send(chat, "hello")["reply"]["id"]
    first, second = rate(alice, chat, rating=2, message_id=reply), rate(alice, chat, rating=5, message_id=reply)
    assert (first.status_code, second.status_code) == (201, 201)
    assert second.json() == {**first.json(), "rating": 5}
    touch = "update chat_sessions_feedback set rating = rating where message_id = ? and rating = 5"
    assert (
        change_rows(server, touch, reply if server.database_url.startswith("postgres") else reply.replace("-", "")) == 1
    )


def test_whole_chat_session_has_a_rating_of_its_own(alice: ApiClient, chat: str):
    reply = alice.send(chat, "hello")["reply"]["id"]
    whole = rate(alice, chat, rating=4, comment="Grüße 🦊\nsecond line").json()
    assert (whole["message_id"], whole["comment"]) == (None, "Grüße 🦊\nsecond line")
    assert rate(alice, chat, rating=1, message_id=reply).json()["id"] != whole["id"]
    assert rate(alice, chat, rating=3).json()["id"] == whole["id"]


@pytest.mark.parametrize("rating", [0, 6, -1, 4.5, "5", True, None, 10**17])
@on_sqlite
def test_rating_is_one_to_five(alice: ApiClient, chat: str, rating: object):
    response = rate(alice, chat, rating=rating)
    assert outcome(response) == (400, "invalid_input")
    assert [field for field, _ in fields_of(response)] == ["rating"]


def test_only_replies_are_rated(alice: ApiClient, chat: str):
    said = alice.send(chat, "hello")["message"]["id"]
    assert outcome(rate(alice, chat, rating=5, message_id=said)) == (409, "not_a_reply")


def test_reply_of_another_chat_session_is_not_found(alice: ApiClient, chat: str):
    elsewhere = alice.send(alice.start()["id"], "hello")["reply"]["id"]
    assert outcome(rate(alice, chat, rating=5, message_id=elsewhere)) == (404, "not_found")
    assert outcome(rate(alice, chat, rating=5, message_id=str(uuid4()))) == (404, "not_found")


def test_ended_chat_session_can_be_rated(alice: ApiClient, chat: str):
    alice.post(path_of(chat, "end/"))
    assert rate(alice, chat, rating=5).status_code == 201

"""Leaving, blocking and reporting over REST."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.api.checks import fields_of, outcome, path_of, read_rows
from tests.client import ApiClient
from tests.matchmaking_api.seekers import BLOCKS, Seeker, meet
from tests.services.server import Server

on_embedded = pytest.mark.parametrize("quick", ["embedded"], indirect=True)
CALLS = [("leave/", {}), ("block/", {}), ("report/", {"reason": "spam"})]


@pytest.fixture
def room(ada: Seeker, grace: Seeker) -> str:
    """Where Ada and Grace are."""
    return meet(ada, grace)


def blocks(seeker: Seeker) -> list[dict[str, Any]]:
    """Whom somebody has blocked."""
    return list(seeker.get(BLOCKS, params={"user": seeker.external_id}).raise_for_status().json()["results"])


def test_leaving_with_a_token(ada: Seeker, grace: Seeker, room: str):
    left = grace.as_token().post(path_of(room, "leave/"))
    assert (left.status_code, left.json()["end_reason"]) == (200, "participant_left")
    assert left.json()["user"]["external_id"] == grace.external_id
    assert ada.join().status_code == 201


@on_embedded
@pytest.mark.parametrize(("call", "body"), CALLS)
def test_key_names_who_acts(ada: Seeker, room: str, call: str, body: dict[str, Any]):
    assert fields_of(ada.post(path_of(room, call), body)) == [("user", "required")]
    stranger = ada.post(path_of(room, call), {**body, "user": "stranger"})
    assert fields_of(stranger) == [("user", "not_in_room")]
    assert ada.get(path_of(room)).json()["status"] == "active"


@on_embedded
@pytest.mark.parametrize(("call", "body"), CALLS)
def test_token_acts_for_nobody_else(ada: Seeker, grace: Seeker, room: str, call: str, body: dict[str, Any]):
    acting = {**body, "user": grace.external_id}
    assert outcome(ada.as_token().post(path_of(room, call), acting)) == (400, "not_yours")
    assert outcome(ada.post(path_of(str(uuid4()), call), acting)) == (404, "not_found")


@on_embedded
@pytest.mark.parametrize(("call", "body"), CALLS)
def test_talk_with_a_personality_is_no_room(ada: Seeker, call: str, body: dict[str, Any]):
    chat = ada.start()["id"]
    for acting in (body, ada.acting(**body)):
        assert outcome(ada.post(path_of(chat, call), acting)) == (409, "not_a_room")
    assert outcome(ada.as_token().post(path_of(chat, call), body)) == (409, "not_a_room")
    assert ada.get(path_of(chat)).json()["status"] == "active"


def test_blocking_is_listed_and_undone(ada: Seeker, grace: Seeker, room: str):
    made = ada.post(path_of(room, "block/"), ada.acting()).json()
    assert ada.post(path_of(room, "block/"), ada.acting()).json() == made
    assert ada.get(path_of(room)).json()["status"] == "ended"
    assert (blocks(ada), blocks(grace)) == ([made], [])
    assert ada.as_token().get(BLOCKS).json()["results"] == [made]
    assert outcome(grace.as_token().delete(f"{BLOCKS}{made['id']}/")) == (404, "not_found")
    assert ada.delete(f"{BLOCKS}{made['id']}/").status_code == 204
    assert outcome(ada.delete(f"{BLOCKS}{made['id']}/")) == (404, "not_found")
    assert blocks(ada) == []


@on_embedded
def test_blocks_are_those_of_somebody(ada: Seeker):
    assert fields_of(ada.get(BLOCKS)) == [("user", "required")]
    assert outcome(ada.get(BLOCKS, params={"user": "nobody-knows-them"})) == (404, "not_found")
    assert outcome(ada.as_token().get(BLOCKS, params={"user": "somebody-else"})) == (404, "not_found")


@on_embedded
def test_block_with_an_idempotency_key_is_answered_again(ada: Seeker, room: str):
    headers = {"Idempotency-Key": str(uuid4())}
    first, again = (ada.post(path_of(room, "block/"), ada.acting(), headers=headers) for _ in range(2))
    assert (first.json(), again.headers["Idempotency-Replayed"]) == (again.json(), "true")


def reports_on(server: Server, room: str) -> list[Any]:
    """What is reported about a room."""
    id_ = room.replace("-", "") if server.database_url.startswith("sqlite") else room
    sql = "SELECT reason, comment, state FROM matchmaking_report WHERE chat_session_id = ?"
    return [tuple(row) for row in read_rows(server, sql, id_)]


def test_later_report_replaces_the_former(ada: Seeker, grace: Seeker, room: str):
    first = ada.post(path_of(room, "report/"), ada.acting(reason="spam"))
    assert (first.status_code, set(first.json())) == (201, {"id", "reason", "comment", "created_at"})
    later = ada.post(path_of(room, "report/"), ada.acting(reason="hate", comment="Said it twice."))
    assert later.json() == {**first.json(), "reason": "hate", "comment": "Said it twice."}
    assert reports_on(ada.server, room) == [("hate", "Said it twice.", "open")]
    grace.post(path_of(room, "report/"), grace.acting(reason="other")).raise_for_status()
    assert len(reports_on(ada.server, room)) == 2
    assert ada.get(path_of(room)).json()["status"] == "active"


@on_embedded
@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({}, "reason", "required"),
        ({"reason": "boring"}, "reason", "literal_error"),
        ({"reason": "spam", "comment": "x" * 2001}, "comment", "too_long"),
        ({"reason": "spam", "comment": " "}, "comment", "blank"),
        ({"reason": "spam", "who": "x"}, "who", "unknown_field"),
    ],
)
def test_bad_report_is_refused(ada: Seeker, room: str, body: dict[str, Any], field: str, code: str):
    assert fields_of(ada.post(path_of(room, "report/"), ada.acting(**body))) == [(field, code)]
    assert reports_on(ada.server, room) == []


def test_strangers_find_no_room(ada: Seeker, room: str):
    mallory = ApiClient(ada.server.url, ada.server.other_key)
    for call, body in CALLS:
        assert outcome(mallory.post(path_of(room, call), ada.acting(**body))) == (404, "not_found")
    assert ada.get(path_of(room)).json()["status"] == "active"
    mallory.close()

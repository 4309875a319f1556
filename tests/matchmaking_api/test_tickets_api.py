"""Match tickets over REST."""

from __future__ import annotations

import ssl
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.accounts.visitors import Visitor
from tests.api.checks import fields_of, on_sqlite, outcome
from tests.client import ApiClient
from tests.matchmaking_api.conftest import MakeSeeker
from tests.matchmaking_api.seekers import TICKETS, Seeker, age_ticket, seen_at
from tests.services.server import Server
from tests.waiting import wait_until

on_embedded = pytest.mark.parametrize("quick", ["embedded"], indirect=True)
ALL_FIELDS = {
    "id", "status", "user", "preferences", "created_at", "deadline", "served_at", "session", "reason", "disclosure",
    "proposal", "closed_at", "close_reason", "ws_url",
}  # fmt: skip


def path(ticket: dict[str, Any], rest: str = "") -> str:
    """The path of a ticket, or of something below it."""
    return f"{TICKETS}{ticket['id']}/{rest}"


def wait_for(seeker: Seeker, ticket: dict[str, Any], status: str) -> dict[str, Any]:
    """The ticket when it has come to this status."""
    return wait_until(lambda: found if (found := seeker.ticket(ticket["id"]))["status"] == status else None)


# The life of a ticket -----------------------------------------------------------------------------
def test_joining_gives_a_ticket(ada: Seeker):
    ticket = ada.joined(preferences={**ada.preferences, "interests": ["Sailing", " sailing ", "Tea"]})
    assert set(ticket) == ALL_FIELDS
    assert ticket["user"] == {"external_id": ada.external_id}
    assert ticket["preferences"] == {
        "language": ada.language, "interests": ["sailing", "tea"], "strict": ["language"], "template": None
    }  # fmt: skip
    assert (ticket["status"], ticket["session"], ticket["closed_at"]) == ("waiting", None, None)
    assert ticket["ws_url"] == f"{ada.server.ws_url}/ws/v1/match/"


def test_joining_twice_gives_the_same_ticket(ada: Seeker):
    ticket = ada.joined()
    again = ada.join()
    assert (again.status_code, again.json()["id"]) == (200, ticket["id"])


def test_one_alone_gets_a_personality(ada: Seeker):
    ticket = wait_for(ada, ada.joined(), "with_chatbot")
    assert ticket["reason"] == "chatbot_fallback_triggered"
    chat = ada.get(f"/api/v1/sessions/{ticket['session']}/").json()
    assert (chat["mode"], chat["disclosure"]) == ("ai", ticket["disclosure"])
    assert chat["metadata"] == {"match_ticket": ticket["id"], "reason": "chatbot_fallback_triggered"}
    assert ticket["served_at"] >= ticket["deadline"]


def test_two_people_meet_and_part(patient: tuple[Server, Server], make_seeker: MakeSeeker):
    ada, grace = (make_seeker(server) for server in patient)
    tickets = ada.joined(), grace.joined()
    found = [wait_for(one, ticket, "matched_human") for one, ticket in zip((ada, grace), tickets, strict=True)]
    assert found[0]["session"] == found[1]["session"]
    assert outcome(ada.delete(path(tickets[0]))) == (409, "in_room")
    following = ada.join(next=True)
    assert (following.status_code, following.json()["status"]) == (201, "waiting")
    assert [ada.ticket(tickets[0]["id"])["close_reason"], grace.ticket(tickets[1]["id"])["close_reason"]] == [
        "left", "partner_left"
    ]  # fmt: skip
    assert grace.joined()["status"] == "waiting"


def test_question_is_answered(ada: Seeker, grace: Seeker):
    mine = wait_for(ada, ada.joined(), "with_chatbot")
    theirs = grace.joined()
    asked = wait_until(lambda: ada.ticket(mine["id"])["proposal"])
    assert (asked["must_answer"], asked["state"]) == (True, "open")
    body = {"proposal": asked["id"]}
    accepted = ada.post(path(mine, "accept/"), body).json()
    assert (accepted["status"], accepted["proposal"]["state"]) == ("matched_human", "accepted")
    assert grace.ticket(theirs["id"])["session"] == accepted["session"]
    assert ada.post(path(mine, "accept/"), body).json() == accepted
    assert outcome(ada.post(path(mine, "stay/"), body)) == (409, "proposal_closed")


def test_who_stays_is_asked_no_more(ada: Seeker, grace: Seeker):
    mine = wait_for(ada, ada.joined(), "with_chatbot")
    theirs = grace.joined()
    asked = wait_until(lambda: ada.ticket(mine["id"])["proposal"])
    stayed = ada.post(path(mine, "stay/"), {"proposal": asked["id"]}).json()
    assert (stayed["status"], stayed["proposal"]["state"]) == ("with_chatbot", "declined")
    assert outcome(grace.post(path(theirs, "accept/"), {"proposal": asked["id"]})) == (409, "proposal_closed")


def test_cancelling_once_is_enough(ada: Seeker):
    ticket = ada.joined()
    cancelled = ada.delete(path(ticket))
    assert (cancelled.status_code, cancelled.json()["close_reason"]) == (200, "cancelled")
    assert ada.delete(path(ticket)).json() == cancelled.json() == ada.ticket(ticket["id"])
    assert ada.joined()["id"] != ticket["id"]


def test_talk_goes_on_when_nobody_is_looked_for_any_more(ada: Seeker):
    ticket = wait_for(ada, ada.joined(), "with_chatbot")
    cancelled = ada.delete(path(ticket)).json()
    assert cancelled["closed_at"] is not None
    assert ada.send(ticket["session"], "hello")["reply"]["status"] == "complete"


@pytest.mark.parametrize("call", ["GET", "POST"])
def test_looking_is_a_sign_of_life(ada: Seeker, call: str):
    ticket = wait_for(ada, ada.joined(), "with_chatbot")
    age_ticket(ada.server, ticket["id"], "seen_at", 40)
    before = seen_at(ada.server, ticket["id"])
    response = ada.http.request(call, path(ticket, "heartbeat/" if call == "POST" else ""))
    assert (response.status_code, response.json()["id"]) == (200, ticket["id"])
    assert seen_at(ada.server, ticket["id"]) > before


# The same call again ------------------------------------------------------------------------------
def test_call_with_an_idempotency_key_is_done_once(ada: Seeker):
    headers = {"Idempotency-Key": str(uuid4())}
    body = {"user": {"external_id": ada.external_id}, "preferences": ada.preferences}
    first = ada.post(TICKETS, body, headers=headers)
    ada.delete(path(first.json()))
    again = ada.post(TICKETS, body, headers=headers)
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["Idempotency-Replayed"] == "true"
    assert outcome(ada.post(TICKETS, {**body, "next": True}, headers=headers)) == (422, "idempotency_key_reused")


# Bad input ----------------------------------------------------------------------------------------
@on_embedded
@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({"user": None}, "user.external_id", "required"),
        ({"user": {"name": "Ada"}}, "user.external_id", "required"),
        ({"user": {"external_id": "x", "shoe_size": 43}}, "user.shoe_size", "unknown_field"),
        ({"preferences": {"language": "english!"}}, "preferences.language", "string_pattern_mismatch"),
        ({"preferences": {"language": "e"}}, "preferences.language", "too_short"),
        ({"preferences": {"language": 1}}, "preferences.language", "wrong_type"),
        ({"preferences": {"interests": "tea"}}, "preferences.interests", "wrong_type"),
        ({"preferences": {"interests": [""]}}, "preferences.interests.0", "too_short"),
        ({"preferences": {"strict": ["age"]}}, "preferences.strict.0", "literal_error"),
        ({"preferences": {"template": "nobody"}}, "preferences.template", "unknown_template"),
        ({"preferences": {"age": "adult"}}, "preferences.age", "unknown_field"),
        ({"next": 1}, "next", "wrong_type"),
        ({"ticket": "x"}, "ticket", "unknown_field"),
    ],
)
def test_bad_body_is_refused(ada: Seeker, body: dict[str, Any], field: str, code: str):
    response = ada.join(**body)
    assert (response.status_code, fields_of(response)) == (400, [(field, code)])


@on_embedded
@pytest.mark.parametrize("call", ["accept/", "stay/"])
def test_answer_names_its_question(ada: Seeker, call: str):
    ticket = ada.joined()
    assert fields_of(ada.post(path(ticket, call), {})) == [("proposal", "required")]
    assert fields_of(ada.post(path(ticket, call), {"proposal": "x"})) == [("proposal", "uuid_parsing")]
    assert outcome(ada.post(path(ticket, call), {"proposal": str(uuid4())})) == (409, "proposal_closed")


@on_embedded
def test_minor_cannot_ask_for_a_personality_for_adults(ada: Seeker):
    adult = next(one for one in ada.get("/api/v1/templates/").json()["results"] if one["adult_only"])
    body = {"user": {"external_id": ada.external_id, "age": 17}, "preferences": {"template": adult["slug"]}}
    assert outcome(ada.post(TICKETS, body)) == (403, "age_restricted")


@on_embedded
@pytest.mark.parametrize("call", ["heartbeat/", "ticket/"])
def test_bodies_that_are_not_asked_for_are_refused(ada: Seeker, call: str):
    assert fields_of(ada.post(path(ada.joined(), call), {"user": "x"})) == [("user", "unknown_field")]


# Who looks ----------------------------------------------------------------------------------------
def test_token_meets_a_key(patient: tuple[Server, Server], make_seeker: MakeSeeker):
    ada, grace = (make_seeker(server) for server in patient)
    mine = ada.as_token()
    ticket = mine.joined()
    theirs = grace.joined()
    assert wait_for(mine, ticket, "matched_human")["session"] == wait_for(grace, theirs, "matched_human")["session"]
    assert outcome(mine.get(path(theirs))) == (404, "not_found")
    assert mine.get(path(ticket)).json() == ada.get(path(ticket)).json()


@on_sqlite
def test_person_looks_for_themself(server: Server):
    person = Visitor(server.url).register()
    client = ApiClient(server.url, person.tokens["access_token"])
    ticket = client.post(TICKETS, {"user": {"name": "Ada"}, "preferences": {}})
    assert ticket.status_code == 201
    assert client.delete(path(ticket.json())).json()["status"] == "cancelled"
    assert outcome(client.post(TICKETS, {"user": {"external_id": "somebody"}})) == (400, "not_yours")
    client.close()
    person.http.close()


@on_sqlite
def test_browser_looks_for_itself_and_opens_a_socket(server: Server, make_seeker: MakeSeeker):
    tls = ssl.create_default_context()
    with httpx.Client(base_url=server.url, trust_env=False, verify=tls, timeout=30) as http:
        http.get("/").raise_for_status()
        assert outcome(http.post(TICKETS, json={})) == (403, "permission_denied")
        csrf = {"X-CSRFToken": http.cookies["csrftoken"], "Referer": f"{server.url}/"}
        seeker = make_seeker(server)
        ticket = http.post(TICKETS, json={"preferences": seeker.preferences}, headers=csrf).json()
        admitted = http.post(path(ticket, "ticket/"), headers=csrf).json()["ticket"]
        socket = seeker.match_socket(f"?ticket={admitted}")
        assert socket.recv()["ticket"]["id"] == ticket["id"]
        http.delete(path(ticket), headers=csrf).raise_for_status()
        assert socket.recv()["type"] == "match.cancelled"

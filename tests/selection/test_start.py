"""Who answers in a new chat session, and how it says why: over HTTP."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.api.checks import SESSIONS, fields_of, outcome, path_of
from tests.client import ApiClient
from tests.services.server import Server

DEFAULT = {"by": "default", "reason": "Nothing else decided."}


def started(client: ApiClient, **body: Any) -> dict[str, Any]:
    user = {"external_id": client.external_id, **body.pop("user", {})}
    response = client.post(SESSIONS, {"user": user, **body})
    assert response.status_code == 201, response.text
    found: dict[str, Any] = response.json()
    return found


def choice(client: ApiClient, **body: Any) -> tuple[str, str, str]:
    found = started(client, **body)
    assert client.get(path_of(found["id"])).json()["selection"] == found["selection"]
    return found["template"], found["selection"]["by"], found["selection"]["reason"]


def rate(client: ApiClient, template: str, rating: int, times: int) -> None:
    for _ in range(times):
        chat = client.start(template)["id"]
        assert client.post(path_of(chat, "feedback/"), {"rating": rating}).status_code == 201


def test_who_was_asked_for_answers(alice: ApiClient) -> None:
    found = started(alice, template="general_conversation", context="my relationship")
    assert found["selection"] == {"by": "explicit", "reason": "It was asked for."}
    assert found["suggestion"] is None


@pytest.mark.parametrize("body", [{}, {"template": "auto"}, {"template": None}])
def test_nothing_decides_for_the_default(alice: ApiClient, body: dict[str, Any]) -> None:
    found = started(alice, **body)
    assert (found["template"], found["selection"]) == ("casual_chat", DEFAULT)


@pytest.mark.parametrize(
    "body",
    [{"context": "We BROKE   up"}, {"title": "My crush"}, {"user": {"interests": ["chess", "dating"]}}],
    ids=lambda body: next(iter(body)),
)
def test_what_it_is_about_decides(alice: ApiClient, body: dict[str, Any]) -> None:
    assert choice(alice, **body) == ("dating_advice", "context", "Relationships")


def test_context_is_not_kept(alice: ApiClient) -> None:
    assert "my ex" not in json.dumps(started(alice, context="my ex"))


@pytest.mark.parametrize(
    ("code", "about"),
    [("too_long", "x" * 501), ("not_single_line", "a\nb"), ("wrong_type", 7)],
    ids=lambda one: str(one)[:20],
)
def test_bad_context_is_refused(alice: ApiClient, code: str, about: Any) -> None:
    response = alice.post(SESSIONS, {"context": about, "user": {"external_id": alice.external_id}})
    assert response.status_code == 400
    assert fields_of(response) == [("context", code)]


# Preference ---------------------------------------------------------------------------------------
def test_preferred_one_answers(alice: ApiClient) -> None:
    user = {"preferred_template": "general_conversation"}
    assert choice(alice, user=user, context="my relationship")[:2] == ("general_conversation", "preference")
    assert choice(alice)[:2] == ("general_conversation", "preference")
    assert choice(alice, template="casual_chat")[:2] == ("casual_chat", "explicit")
    assert choice(alice, user={"preferred_template": None})[:2] == ("casual_chat", "default")


def test_preference_is_part_of_the_profile(alice: ApiClient) -> None:
    alice.start()
    path = f"/api/v1/users/{alice.external_id}/"
    assert alice.get(path).json()["preferred_template"] is None
    assert alice.patch(path, {"preferred_template": "dating_advice"}).json()["preferred_template"] == "dating_advice"
    assert started(alice)["user"]["preferred_template"] == "dating_advice"
    assert fields_of(alice.patch(path, {"preferred_template": "no slug"}))[0][0] == "preferred_template"


@pytest.mark.parametrize(("slug", "age"), [("flirty_chat", 17), ("flirty_chat", None), ("gone", 30)])
def test_preferred_one_that_cannot_be_had_is_passed_over_and_logged(
    alice: ApiClient, server: Server, slug: str, age: int | None
) -> None:
    why = "not on offer" if slug == "gone" else "for adults"
    reason = f"The preferred one, {slug}, is {why}."
    assert choice(alice, user={"preferred_template": slug, "age": age}) == ("casual_chat", "default", reason)
    assert f'"skipped": ["preference: {slug} is {why}"]' in server.log_text()


def test_one_they_were_content_with_answers(alice: ApiClient) -> None:
    rate(alice, "general_conversation", 5, times=1)
    assert choice(alice)[:2] == ("casual_chat", "default"), "once is not enough"
    rate(alice, "general_conversation", 4, times=1)
    rate(alice, "dating_advice", 3, times=2)
    reason = "Earlier conversations with it were rated 4.5 of 5."
    assert choice(alice, context="dating") == ("general_conversation", "satisfaction", reason)


def test_what_others_rated_decides_nothing(alice: ApiClient, bob: ApiClient) -> None:
    rate(bob, "general_conversation", 5, times=2)
    assert choice(alice)[:2] == ("casual_chat", "default")


# Errors -------------------------------------------------------------------------------------------
def test_wrong_explicit_choice_changes_nothing(alice: ApiClient) -> None:
    started(alice, user={"name": "Ada"})
    user = {"external_id": alice.external_id, "name": "Eve", "preferred_template": "casual_chat"}
    response = alice.post(SESSIONS, {"template": "gone", "user": user})
    assert outcome(response) == (400, "unknown_template")
    assert alice.get(f"/api/v1/users/{alice.external_id}/").json()["name"] == "Ada"
    assert outcome(alice.post(SESSIONS, {"template": "flirty_chat", "user": user})) == (403, "age_restricted")


def test_minor_does_not_get_the_adult_one_by_context_or_ratings(alice: ApiClient) -> None:
    user = {"age": 17, "preferred_template": "flirty_chat"}
    assert choice(alice, template="auto", user=user, context="let us flirt")[0] == "casual_chat"

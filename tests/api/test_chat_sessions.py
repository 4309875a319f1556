"""Chat sessions over REST: start, find, rename, end, delete."""

import time
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from tests.api.checks import SESSIONS, change_rows, fields_of, on_sqlite, outcome, path_of
from tests.client import ApiClient
from tests.conftest import MakeClient
from tests.services.server import Server
from tests.waiting import wait_until

FIELDS = {
    "id", "template", "template_version", "status", "mode", "title", "greeting", "disclosure", "user", "metadata",
    "selection", "suggestion", "message_count", "total_tokens_used", "last_seq", "last_activity", "created_at",
    "ws_url", "speaker", "your_role", "partner",
}  # fmt: skip


def ids_of(response):
    return [chat["id"] for chat in response.json()["results"]]


def list_of(client: ApiClient, **params):
    return client.get(SESSIONS, params={"user": client.external_id, **params})


# Start --------------------------------------------------------------------------------------------
def test_start_gives_the_chat_session(alice: ApiClient, server: Server):
    body = {
        "template": "casual_chat",
        "title": "Tea",
        "metadata": {"campaign": ["a", {"b": None}]},
        "user": {"external_id": alice.external_id, "name": "Alice", "age": 30, "interests": ["tea"], "style": "dry"},
    }
    response = alice.post(SESSIONS, body)
    chat = response.json()
    assert response.status_code == 201
    assert set(chat) == FIELDS
    assert (chat["status"], chat["mode"], chat["title"], chat["metadata"]) == ("active", "ai", "Tea", body["metadata"])
    assert (chat["speaker"], chat["your_role"], chat["partner"]) == ("ai", "user", None)
    assert (chat["last_seq"], chat["message_count"], chat["total_tokens_used"], chat["template_version"]) == (
        0,
        0,
        0,
        1,
    )
    assert chat["user"] == body["user"] | {"preferred_template": None}
    assert chat["ws_url"] == f"{server.ws_url}/ws/v1/sessions/{chat['id']}/"
    assert datetime.fromisoformat(chat["created_at"]).utcoffset().total_seconds() == 0
    assert alice.get(path_of(chat["id"])).json() == chat


def test_greeting_is_rendered_and_not_a_message(alice: ApiClient):
    chat = alice.start(name="Ada {{ user.age }}", age=36)
    assert chat["greeting"].startswith("Hi Ada ((")
    assert "{{" not in chat["greeting"]
    assert "36" not in chat["greeting"]
    assert alice.messages(chat["id"]) == []


def test_chat_session_says_that_it_is_with_an_ai(alice: ApiClient):
    assert alice.start()["disclosure"] == "You are talking to Milo, an AI. It is not a human being."


def test_default_personality_answers_when_nobody_chose(alice: ApiClient):
    assert alice.start(template=None)["template"] == "casual_chat"


def test_unknown_personality_is_refused(alice: ApiClient):
    response = alice.post(SESSIONS, {"template": "no_such", "user": {"external_id": alice.external_id, "name": "A"}})
    assert outcome(response) == (400, "unknown_template")
    assert fields_of(response) == [("template", "unknown_template")]


@pytest.fixture
def inactive_template(server: Server):
    toggle = "update templates_app_prompttemplate set is_active = ?, updated_at = ? where slug = 'dating_advice'"
    change_rows(server, toggle, False, f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S.%f}")
    yield "dating_advice"
    change_rows(server, toggle, True, f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S.%f}")


def test_inactive_personality_takes_no_new_chat_session(alice: ApiClient, inactive_template: str):
    body = {"template": inactive_template, "user": {"external_id": alice.external_id}}
    wait_until(lambda: alice.post(SESSIONS, body).status_code == 400, 10, "what is kept in memory was read again")
    assert outcome(alice.post(SESSIONS, body)) == (400, "unknown_template")
    assert outcome(alice.get(f"/api/v1/templates/{inactive_template}/")) == (404, "unknown_template")
    offered = [template["slug"] for template in alice.get("/api/v1/templates/").json()["results"]]
    assert inactive_template not in offered


@pytest.mark.parametrize(("age", "status"), [(None, 403), (17, 403), (18, 201), (99, 201)])
def test_adult_personality_is_for_adults(alice: ApiClient, age: int | None, status: int):
    user = {"external_id": alice.external_id, **({"age": age} if age is not None else {})}
    response = alice.post(SESSIONS, {"template": "flirty_chat", "user": user})
    assert response.status_code == status
    if status == 403:
        assert outcome(response) == (403, "age_restricted")
        assert list_of(alice).json()["results"] == []


def test_profile_is_kept_and_updated_field_by_field(alice: ApiClient):
    first = alice.start(name="Ada", age=36, interests=["tea", "trains"], style="dry")["user"]
    assert alice.start()["user"] == first
    assert alice.start(name="Ada L.")["user"] == {**first, "name": "Ada L."}
    cleared = alice.start(age=None, interests=None, style=None)["user"]
    assert cleared == {**first, "name": "Ada L.", "age": None, "interests": [], "style": ""}


def test_refused_start_leaves_the_profile_alone(alice: ApiClient):
    chat = alice.start(name="Ada", age=17)
    user = {"external_id": alice.external_id, "name": "Eve"}
    assert alice.post(SESSIONS, {"template": "flirty_chat", "user": user}).status_code == 403
    assert alice.get(path_of(chat["id"])).json()["user"]["name"] == "Ada"


@pytest.mark.parametrize("body", [{}, {"user": {}}, {"user": None}, {"user": {"name": "A", "external_id": None}}])
@on_sqlite
def test_key_has_to_say_for_whom_it_starts(alice: ApiClient, body: dict):
    response = alice.post(SESSIONS, body)
    assert outcome(response) == (400, "required")
    assert fields_of(response) == [("user.external_id", "required")]


def test_body_may_come_in_chunks(alice: ApiClient):
    chat = alice.start()["id"]
    headers = {"Content-Type": "application/json"}
    response = alice.http.patch(path_of(chat), content=iter([b'{"title":', b'"in chunks"}']), headers=headers)
    assert (response.status_code, response.json()["title"]) == (200, "in chunks")


# Lists --------------------------------------------------------------------------------------------
def test_list_is_filtered_by_user_status_and_title(alice: ApiClient, bob: ApiClient):
    first, second = alice.start()["id"], alice.start()["id"]
    other = bob.start()["id"]
    alice.patch(path_of(first), {"title": "Über Züge 100%"})
    alice.post(path_of(second, "end/"))
    assert ids_of(list_of(alice)) == [second, first]
    assert ids_of(list_of(alice, status="ended")) == [second]
    assert ids_of(list_of(alice, status="active")) == [first]
    assert ids_of(list_of(alice, status="paused")) == []
    assert ids_of(list_of(alice, search="GE 100%")) == [first]
    assert ids_of(list_of(alice, search="_")) == []
    assert other not in ids_of(list_of(alice))
    assert {first, second, other} <= set(ids_of(alice.get(SESSIONS, params={"limit": 200})))


def test_latest_activity_comes_first(alice: ApiClient):
    first, second = alice.start()["id"], alice.start()["id"]
    assert ids_of(list_of(alice)) == [second, first]
    alice.send(first, "hello")
    assert ids_of(list_of(alice)) == [first, second]


def test_pages_lose_and_double_nothing_while_new_ones_arrive(alice: ApiClient):
    started = [alice.start()["id"] for _ in range(5)]
    response, seen = list_of(alice, limit=2), []
    while True:
        seen += ids_of(response)
        alice.start()
        if not (following := response.json()["next"]):
            break
        response = alice.get(following)
    assert seen == started[::-1]


def test_page_leads_back(alice: ApiClient):
    for _ in range(4):
        alice.start()
    first = list_of(alice, limit=2)
    second = alice.get(first.json()["next"])
    assert first.json()["previous"] is None
    assert ids_of(alice.get(second.json()["previous"])) == ids_of(first)


def test_active_is_the_latest_that_is_active(alice: ApiClient):
    asked = {"params": {"user": alice.external_id}}
    assert outcome(alice.get(f"{SESSIONS}active/", **asked)) == (404, "not_found")
    first, second = alice.start(), alice.start()
    assert alice.get(f"{SESSIONS}active/", **asked).json()["id"] == second["id"]
    alice.post(path_of(second["id"], "end/"))
    assert alice.get(f"{SESSIONS}active/", **asked).json() == first
    alice.delete(path_of(first["id"]))
    assert outcome(alice.get(f"{SESSIONS}active/", **asked)) == (404, "not_found")
    assert outcome(alice.get(f"{SESSIONS}active/")) == (400, "required")


# Rename, end, delete ------------------------------------------------------------------------------
def test_rename_changes_the_title_only(alice: ApiClient):
    chat = alice.start()
    title = "Ein 🦊 " * 20
    response = alice.patch(path_of(chat["id"]), {"title": title})
    assert response.json() == {**chat, "title": title} == alice.get(path_of(chat["id"])).json()


def test_first_message_names_a_chat_session_that_has_no_title(alice: ApiClient):
    chat, named = alice.start()["id"], alice.start()["id"]
    alice.patch(path_of(named), {"title": "Mine"})
    for id_ in (chat, named):
        alice.send(id_, "  What is\n\na fox?  ")
    assert alice.get(path_of(chat)).json()["title"] == "What is a fox?"
    assert alice.get(path_of(named)).json()["title"] == "Mine"


def test_end_is_for_good_and_once(alice: ApiClient):
    chat = alice.start()["id"]
    failed = alice.send(chat, f"[[401,times=1]] {uuid4()}")["reply"]["id"]
    ended = alice.post(path_of(chat, "end/"), {"reason": "went_home"}).json()
    assert (ended["status"], ended["end_reason"]) == ("ended", "went_home")
    assert datetime.fromisoformat(ended["ended_at"]).timestamp() == pytest.approx(time.time(), abs=30)
    assert alice.post(path_of(chat, "end/"), {"reason": "again"}).json() == ended
    assert outcome(alice.post(path_of(chat, "messages/"), {"content": "hi"})) == (409, "session_ended")
    assert outcome(alice.post(path_of(chat, f"messages/{failed}/retry/"))) == (409, "session_ended")
    assert alice.post(path_of(chat, "stop/")).json() == {"stopped": False}
    assert len(alice.messages(chat)) == 2


def test_reason_of_the_end_has_a_default(alice: ApiClient):
    assert alice.post(path_of(alice.start()["id"], "end/")).json()["end_reason"] == "ended_by_application"


def test_end_keeps_what_the_running_reply_said(alice: ApiClient):
    chat = alice.start()["id"]
    events = alice.sse(chat, "[[slow]]")
    next(event for event in events if event.name == "reply.delta")
    alice.post(path_of(chat, "end/"))
    last = list(events)[-1]
    assert last.name == "reply.cancelled"
    assert last.data["message"]["content"].startswith("t0 ")
    assert alice.messages(chat)[-1] == last.data["message"]


def test_deleted_chat_session_is_nowhere(alice: ApiClient):
    chat, kept = alice.start()["id"], alice.start()["id"]
    reply = alice.send(chat, "hello")["reply"]["id"]
    assert alice.delete(path_of(chat)).status_code == 204
    answers = {
        rest: outcome(alice.http.request(method, path_of(chat, rest), **({"json": body} if body else {})))
        for method, rest, body in [
            ("GET", "", None), ("PATCH", "", {"title": "x"}), ("DELETE", "", None),
            ("GET", "messages/", None), ("POST", "messages/", {"content": "x"}), ("POST", "ticket/", None),
            ("GET", "stream/", None), ("POST", "stop/", None), ("POST", "end/", None),
            ("POST", "feedback/", {"rating": 5}), ("POST", f"messages/{reply}/retry/", None),
        ]
    }  # fmt: skip
    assert set(answers.values()) == {(404, "not_found")}
    with alice.socket(chat) as socket:
        assert socket.wait_closed() == 4404
    assert ids_of(list_of(alice)) == [kept]


def test_delete_all_takes_one_user_of_one_tenant_only(
    alice: ApiClient, bob: ApiClient, mallory: ApiClient, make_client: MakeClient, server: Server
):
    namesake = make_client(server, key=server.other_key, external_id=alice.external_id)
    mine = [alice.start()["id"] for _ in range(3)]
    theirs = [(client, client.start()["id"]) for client in (bob, mallory, namesake)]
    assert alice.delete(SESSIONS, params={"user": alice.external_id}).json() == {"deleted": 3}
    assert {alice.get(path_of(id_)).status_code for id_ in mine} == {404}
    assert [client.get(path_of(id_)).status_code for client, id_ in theirs] == [200, 200, 200]
    assert alice.delete(SESSIONS, params={"user": alice.external_id}).json() == {"deleted": 0}


def test_key_has_to_say_whose_chat_sessions_to_delete(alice: ApiClient):
    chat = alice.start()["id"]
    response = alice.delete(SESSIONS)
    assert outcome(response) == (400, "required")
    assert fields_of(response) == [("user", "required")]
    assert alice.get(path_of(chat)).status_code == 200


# Personalities ------------------------------------------------------------------------------------
def test_personalities_are_listed_without_their_prompts(alice: ApiClient):
    listed = alice.get("/api/v1/templates/").json()["results"]
    assert [one["slug"] for one in listed if one["adult_only"]] == ["flirty_chat"]
    assert [one["slug"] for one in listed if one["is_default"]] == ["casual_chat"]
    assert len(listed) == 4
    for one in listed:
        assert set(one) == {
            "slug", "name", "description", "greeting", "personality_traits", "adult_only", "is_default", "is_own",
            "is_active", "version", "created_at", "updated_at",
        }  # fmt: skip
        assert "{{" not in one["greeting"]
        assert alice.get(f"/api/v1/templates/{one['slug']}/").json() == one


def test_personalities_come_in_pages(alice: ApiClient):
    first = alice.get("/api/v1/templates/", params={"limit": 3}).json()
    second = alice.get(first["next"]).json()
    slugs = [one["slug"] for one in first["results"] + second["results"]]
    assert (len(first["results"]), len(second["results"]), len(set(slugs))) == (3, 1, 4)
    assert second["next"] is None

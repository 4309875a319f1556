"""Nobody gets at what is not theirs, beside what tests/api/test_access_table.py tries: mixtures, and browsers."""

import ssl
from uuid import uuid4

import httpx
import pytest

from tests.api.checks import SESSIONS, outcome, path_of, state_of
from tests.api.routes import Route, object_routes
from tests.client import ApiClient
from tests.services.server import Server

_TLS = ssl.create_default_context()


def call(http: httpx.Client, route: Route, ids: dict[str, str], **options) -> httpx.Response:
    body = {"json": route.body} if route.method not in ("GET", "DELETE") else {}
    return http.request(route.method, route.path(**ids), **body, **options)


def ids_of(client: ApiClient) -> dict[str, str]:
    """A chat session with a failed reply, which could be retried."""
    chat = client.start(name="Alice")["id"]
    reply = client.send(chat, f"secret [[401]] {uuid4()}")["reply"]["id"]
    return {"chat_session_id": chat, "message_id": reply}


class Browser:
    """A page in a browser: cookies, and the CSRF token that its script would send."""

    def __init__(self, server: Server) -> None:
        self.http = httpx.Client(base_url=server.url, trust_env=False, verify=_TLS, timeout=30)
        self.http.get("/").raise_for_status()
        self.csrf = {"X-CSRFToken": self.http.cookies["csrftoken"], "Referer": f"{server.url}/"}

    def call(self, method: str, path: str, body: object = None) -> httpx.Response:
        return self.http.request(method, path, headers=self.csrf, **({"json": body} if body is not None else {}))


@pytest.fixture
def browsers(server: Server):
    made = [Browser(server), Browser(server)]
    yield made
    for browser in made:
        browser.http.close()


def test_routes_are_found():
    names = {str(route) for route in object_routes()}
    assert {"GET session-detail", "DELETE session-detail", "POST message-list", "POST message-retry"} <= names
    assert len(names) >= 11


def test_message_of_another_chat_session_is_not_found(alice: ApiClient, mallory: ApiClient):
    theirs = ids_of(mallory)
    mixed = {**ids_of(alice), "message_id": theirs["message_id"]}
    routes = [route for route in object_routes() if "message_id" in route.pattern]
    assert {outcome(call(alice.http, route, mixed)) for route in routes} == {(404, "not_found")}
    body = {"rating": 5, "message_id": theirs["message_id"]}
    assert outcome(alice.post(path_of(mixed["chat_session_id"], "feedback/"), body)) == (404, "not_found")


def test_key_may_come_in_a_header_of_its_own(server: Server):
    with httpx.Client(base_url=server.url, trust_env=False, verify=_TLS, headers={"X-API-Key": server.key}) as http:
        assert http.get(SESSIONS).status_code == 200


def test_other_tenant_lists_and_deletes_only_its_own(alice: ApiClient, mallory: ApiClient):
    alice.start()
    before = state_of(alice)
    asked = {"params": {"user": alice.external_id}}
    assert mallory.get(SESSIONS, **asked).json()["results"] == []
    assert outcome(mallory.get(f"{SESSIONS}active/", **asked)) == (404, "not_found")
    assert mallory.delete(SESSIONS, **asked).json() == {"deleted": 0}
    mallory.post(SESSIONS, {"user": {"external_id": alice.external_id, "name": "Mallory"}})
    assert state_of(alice) == before


# Browsers -----------------------------------------------------------------------------------------
def test_browser_talks_as_its_own_end_user(browsers: list[Browser]):
    mine = browsers[0].call("POST", SESSIONS, {"user": {"name": "Ada"}}).json()
    turn = browsers[0].call("POST", path_of(mine["id"], "messages/"), {"content": "hello"})
    assert (turn.status_code, turn.json()["reply"]["content"]) == (200, "You said: hello")
    assert [one["id"] for one in browsers[0].call("GET", SESSIONS).json()["results"]] == [mine["id"]]
    assert browsers[1].call("GET", SESSIONS).json()["results"] == []
    assert browsers[1].call("DELETE", SESSIONS).json() == {"deleted": 0}
    assert browsers[0].call("POST", path_of(mine["id"], "end/")).json()["end_reason"] == "ended_by_user"


def test_browser_finds_nothing_of_others(browsers: list[Browser], alice: ApiClient):
    browser, other = browsers
    theirs = other.call("POST", SESSIONS, {}).json()["id"]
    hers = ids_of(alice)
    before = state_of(alice), other.call("GET", path_of(theirs)).json()
    for ids in (hers, {**hers, "chat_session_id": theirs}):
        answers = {str(one): outcome(call(browser.http, one, ids, headers=browser.csrf)) for one in object_routes()}
        assert set(answers.values()) == {(404, "not_found")}, answers
    assert (state_of(alice), other.call("GET", path_of(theirs)).json()) == before


def test_browser_cannot_speak_for_somebody_else(browsers: list[Browser], alice: ApiClient):
    alice.start(name="Alice")
    response = browsers[0].call("POST", SESSIONS, {"user": {"external_id": alice.external_id, "name": "Eve"}})
    assert outcome(response) == (400, "not_yours")
    asked = browsers[0].http.get(SESSIONS, params={"user": alice.external_id})
    assert asked.json()["results"] == []
    assert state_of(alice)[0][0]["user"]["name"] == "Alice"


def test_cookie_alone_may_read_but_not_write(browsers: list[Browser]):
    http, mine = browsers[0].http, browsers[0].call("POST", SESSIONS, {}).json()["id"]
    ids = {"chat_session_id": mine, "message_id": str(uuid4())}
    before = http.get(path_of(mine)).json()
    for route in object_routes():
        response = call(http, route, ids)
        if route.method == "GET":
            assert response.status_code in (200, 204), route
        else:
            assert outcome(response)[0] == 403, route
    assert http.post(SESSIONS, json={}).status_code == 403
    assert http.get(path_of(mine)).json() == before

"""`users/{external_id}/`: who may see, change, export and erase whom."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.accounts.signups import KEYS, end_user_token, from_elsewhere
from tests.api.checks import fields_of, on_sqlite, outcome
from tests.client import ApiClient
from tests.conftest import MakeClient
from tests.privacy.calls import SESSIONS, new_word, user_path
from tests.privacy.traces import traces
from tests.services.server import Server

ODD_IDS = (
    "a/b", "/a//b/", "a/export", "export", "a/export/export", "100%", "%2F", "ü ñ 猫", "x@example.org", "a?b#c&d=e",
    " spaces ", "..a", "+", "<script>", "'\"", "x" * 128,
)  # fmt: skip
MISSING = (403, "missing_scope")
NOT_FOUND = (404, "not_found")
BOUND = (403, "bound_to_session")


@pytest.fixture
def key_for(server: Server, alice: ApiClient, make_client: MakeClient) -> Iterator[Callable[..., ApiClient]]:
    """Clients with a key of these scopes only, of the tenant of alice."""
    made = []

    def make(*scopes: str) -> ApiClient:
        made.append(alice.post(KEYS, {"name": "test", "scopes": scopes}).json())
        return make_client(server, key=made[-1]["key"])

    yield make
    for one in made:  # a tenant may have so many only
        alice.delete(f"{KEYS}{one['api_key']['id']}/")


def each(client: ApiClient, whom: ApiClient) -> dict[str, Any]:
    """What is answered to each call about somebody: the status, or the error."""
    answers = {
        "get": client.get(user_path(whom)),
        "patch": client.patch(user_path(whom), {"style": "dry"}),
        "export": client.get(user_path(whom, "export/")),
        "delete": client.delete(user_path(whom)),
    }
    return {name: answer.status_code if answer.is_success else outcome(answer) for name, answer in answers.items()}


# Profiles -----------------------------------------------------------------------------------------
def test_key_makes_and_changes_a_user(server: Server, make_client: MakeClient) -> None:
    client = make_client(server)
    profile = {"name": "Lin", "age": 41, "interests": ["oolong"], "style": "dry", "preferred_template": None}
    made = client.patch(user_path(client), profile)
    assert made.status_code == 201
    assert made.json() == {"external_id": client.external_id, **profile} | times_of(made)
    changes = {"style": "warm", "age": None}
    changed = client.patch(user_path(client), changes)
    assert (changed.status_code, changed.json()) == (200, made.json() | changes | times_of(changed))
    assert changed.json()["updated_at"] > made.json()["updated_at"]
    assert client.get(user_path(client)).json() == changed.json()
    assert client.patch(user_path(client), {}).json() == changed.json()
    assert client.start()["user"] == {k: v for k, v in changed.json().items() if not k.endswith("_at")}


def times_of(answer: httpx.Response) -> dict[str, str]:
    return {name: answer.json()[name] for name in ("created_at", "updated_at")}


@on_sqlite
@pytest.mark.parametrize("external_id", ODD_IDS)
def test_odd_ids_are_ids_like_others(server: Server, make_client: MakeClient, external_id: str) -> None:
    client = make_client(server, external_id=external_id)
    made = client.patch(user_path(client), {"name": "Odd"})
    assert (made.status_code, made.json()["external_id"]) == (201, external_id)
    assert client.get(user_path(client)).json() == made.json()
    assert client.get(user_path(client, "export/")).json()["user"] == made.json()
    assert client.delete(user_path(client)).status_code == 204
    assert outcome(client.get(user_path(client))) == NOT_FOUND


def test_slash_that_is_not_escaped_is_one_as_well(server: Server, make_client: MakeClient) -> None:
    client = make_client(server, external_id=f"{new_word()}/b")
    client.patch(user_path(client), {"name": "Odd"})
    assert client.get(f"/api/v1/users/{client.external_id}/").json()["name"] == "Odd"
    assert client.get(f"/api/v1/users/{client.external_id}/export/").json()["user"]["name"] == "Odd"


@pytest.mark.parametrize("part", ["%00", "x" * 129, "a%C2%85"])
def test_ids_that_nobody_has_are_refused(server: Server, make_client: MakeClient, part: str) -> None:
    client = make_client(server)
    for answer in (
        client.get(f"/api/v1/users/{part}/"),
        client.patch(f"/api/v1/users/{part}/", {"name": "x"}),
        client.delete(f"/api/v1/users/{part}/"),
        client.get(f"/api/v1/users/{part}/export/"),
    ):
        assert answer.status_code == 400, answer.text
        assert [field for field, _ in fields_of(answer)] == ["external_id"]


@on_sqlite
def test_ids_of_several_lines_lead_nowhere(alice: ApiClient) -> None:
    assert outcome(alice.patch("/api/v1/users/a%0Ab/", {"name": "x"})) == NOT_FOUND


@on_sqlite
@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({"external_id": "other"}, ("external_id", "unknown_field")),
        ({"age": "41"}, ("age", "wrong_type")),
        ({"name": "two\nlines"}, ("name", "not_single_line")),
        ({"interests": ["x"] * 21}, ("interests", "too_long")),
    ],
)
def test_wrong_profiles_name_the_field(
    server: Server, make_client: MakeClient, body: dict[str, Any], wrong: tuple[str, str]
) -> None:
    client = make_client(server)
    assert fields_of(client.patch(user_path(client), body)) == [wrong]
    assert outcome(client.get(user_path(client))) == NOT_FOUND, "nobody was made"


@on_sqlite
def test_other_methods_are_not_allowed(alice: ApiClient) -> None:
    alice.start()
    for answer in (
        alice.post(user_path(alice)),
        alice.post(user_path(alice, "export/")),
        alice.delete(user_path(alice, "export/")),
    ):
        assert outcome(answer) == (405, "method_not_allowed")
    assert alice.http.head(user_path(alice, "export/")).status_code == 405
    assert alice.http.put(user_path(alice), json={}).status_code == 405


# Who may ------------------------------------------------------------------------------------------
def test_scopes_of_keys(alice: ApiClient, key_for: Callable[..., ApiClient]) -> None:
    alice.start()
    assert each(key_for("templates"), alice) == dict.fromkeys(("get", "patch", "export", "delete"), MISSING)
    assert each(key_for("chat"), alice) == {"get": 200, "patch": 200, "export": MISSING, "delete": MISSING}
    assert each(key_for("admin"), alice) == {"get": MISSING, "patch": MISSING, "export": 200, "delete": 204}


def test_other_tenant_finds_nobody(alice: ApiClient, mallory: ApiClient) -> None:
    alice.start(name="Alice")
    assert outcome(mallory.get(user_path(alice))) == NOT_FOUND
    assert outcome(mallory.get(user_path(alice, "export/"))) == NOT_FOUND
    assert outcome(mallory.delete(user_path(alice))) == NOT_FOUND
    made = mallory.patch(user_path(alice), {"name": "Mallory"})
    assert made.status_code == 201, "of the same id, but another tenant's"
    assert mallory.delete(user_path(alice)).status_code == 204
    assert alice.get(user_path(alice)).json()["name"] == "Alice"


def test_end_user_sees_and_changes_themself_only(
    server: Server, make_client: MakeClient, alice: ApiClient, bob: ApiClient
) -> None:
    bob.start()
    token = make_client(server, key=end_user_token(alice, alice.external_id))
    assert each(token, alice) == {"get": 200, "patch": 200, "export": 200, "delete": MISSING}
    assert each(token, bob) == {"get": NOT_FOUND, "patch": NOT_FOUND, "export": NOT_FOUND, "delete": MISSING}
    assert fields_of(token.patch(user_path(alice), {"age": 30})) == [("age", "not_yours")]
    assert outcome(token.patch(user_path("nobody"), {"name": "x"})) == NOT_FOUND


def test_token_for_one_chat_session(server: Server, make_client: MakeClient, alice: ApiClient) -> None:
    chat = alice.start()["id"]
    token = make_client(server, key=end_user_token(alice, alice.external_id, session=chat))
    assert each(token, alice) == {"get": 200, "patch": BOUND, "export": BOUND, "delete": MISSING}


def test_nobody_is_asked_who_they_are(alice: ApiClient, server: Server, make_client: MakeClient) -> None:
    alice.start()
    nobody = make_client(server, key="")
    assert set(each(nobody, alice).values()) == {(401, "not_authenticated")}


@pytest.fixture
def ada(server: Server, make_client: MakeClient) -> ApiClient:
    """Somebody who registered; `external_id` is how she is called as an end user."""
    body = {"email": f"{new_word()}@example.org", "password": "Engine-No-9", "name": new_word()}
    with from_elsewhere(server) as http:
        signed_in = http.post("/api/v1/auth/register/", json=body).json()
    client = make_client(server, key=signed_in["access_token"])
    client.external_id = client.get("/api/v1/auth/me/").json()["external_id"]
    return client


def test_person_erases_themself_with_their_account(server: Server, ada: ApiClient, alice: ApiClient) -> None:
    alice.start()
    me = ada.get("/api/v1/auth/me/").json()
    assert each(ada, alice) == dict.fromkeys(("get", "patch", "export", "delete"), NOT_FOUND)
    ada.post(SESSIONS, {}).raise_for_status()
    account = ada.get(user_path(ada, "export/")).json()["account"]
    assert [one["email"] for one in account] == [me["email"]]
    assert each(ada, ada) == {"get": 200, "patch": 200, "export": 200, "delete": 204}
    assert outcome(ada.get("/api/v1/auth/me/")) == (401, "not_authenticated")
    assert [traces(me[field], server) for field in ("email", "name")] == [set(), set()]


def test_token_is_worth_nothing_after_an_erasure(server: Server, make_client: MakeClient, alice: ApiClient) -> None:
    token = make_client(server, key=end_user_token(alice, alice.external_id))
    assert token.get(user_path(alice)).status_code == 200
    alice.delete(user_path(alice)).raise_for_status()
    alice.start()
    assert outcome(token.get(user_path(alice))) == (401, "not_authenticated"), "who comes back is somebody new"


# Logs ---------------------------------------------------------------------------------------------
def test_external_ids_are_not_logged(server: Server, make_client: MakeClient) -> None:
    client = make_client(server, external_id=f"{new_word()} with spaces/and/{new_word()}")
    first, last = client.external_id[:13], client.external_id[-13:]
    each(client, client)
    client.get(user_path(client).rstrip("/"))
    client.get(f"/api/v1/users/{client.external_id}/export")
    client.get(f"/API/V1/users/{client.external_id}/")
    client.http.options(user_path(client), headers={"Origin": "https://x.org", "Access-Control-Request-Method": "PUT"})
    client.http.post(user_path(client), content=b"{")
    log = server.log_text()
    assert "/api/v1/users/<external_id>/export/" in log
    assert [word for word in (first, last) if word in log] == []

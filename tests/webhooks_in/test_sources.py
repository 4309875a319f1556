"""Sources over REST: made, changed, rotated, deleted, by who owns the tenant."""

from typing import Any
from uuid import uuid4

import pytest

from chatify.webhooks.sources import MAX_SOURCES
from tests.api.checks import fields_of, on_sqlite, outcome, read_rows
from tests.client import ApiClient
from tests.conftest import MakeClient
from tests.limits.tenants import make_tenant
from tests.services.server import Server
from tests.webhooks_in.matchmakers import FALLBACK, PATH, SOURCES, Matchmaker, make_matchmaker

FIELDS = {"id", "name", "url", "is_active", "former_secret_until", "last_used_at", "created_at"}


def source_of(matchmaker: Matchmaker) -> dict[str, Any]:
    found: dict[str, Any] = matchmaker.client.get(f"{SOURCES}{matchmaker.id}/").json()
    return found


def test_secret_is_shown_once(server: Server, alice: ApiClient):
    response = alice.post(SOURCES, {"name": "lobby"})
    made = response.json()
    assert (response.status_code, response.headers["Cache-Control"]) == (201, "no-store")
    assert set(made) == {"secret", "source"}
    assert made["secret"].startswith("whsec_")
    assert len(made["secret"]) == len("whsec_") + 44
    source = made["source"]
    assert set(source) == FIELDS
    assert source["url"] == f"{server.url}{PATH}?source={source['id']}"
    assert alice.get(f"{SOURCES}{source['id']}/").json() == source
    assert made["secret"] not in alice.get(SOURCES, params={"limit": 200}).text


def test_secret_is_stored_sealed(server: Server, matchmaker: Matchmaker):
    rows = str(read_rows(server, "select * from webhooks_webhooksource"))
    assert matchmaker.id.replace("-", "") in rows.replace("-", "")
    assert matchmaker.secret.removeprefix("whsec_") not in rows


def test_sources_are_listed_newest_first(alice: ApiClient):
    made = [make_matchmaker(alice).id for _ in range(4)]
    found = alice.get(SOURCES, params={"limit": 3}).json()
    assert [source["id"] for source in found["results"]] == made[:0:-1]
    assert found["next"]


@on_sqlite
def test_source_is_renamed(matchmaker: Matchmaker):
    response = matchmaker.client.patch(f"{SOURCES}{matchmaker.id}/", {"name": "another"})
    assert (response.status_code, response.json()["name"]) == (200, "another")
    assert source_of(matchmaker) == response.json()


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({"name": ""}, "name", "too_short"),
        ({"name": " "}, "name", "blank"),
        ({"name": "x" * 81}, "name", "too_long"),
        ({"is_active": 1}, "is_active", "wrong_type"),
        ({"secret": "whsec_x"}, "secret", "unknown_field"),
    ],
)
@on_sqlite
def test_bad_change_is_refused(matchmaker: Matchmaker, body: dict[str, Any], field: str, code: str):
    before = source_of(matchmaker)
    assert (field, code) in fields_of(matchmaker.client.patch(f"{SOURCES}{matchmaker.id}/", body))
    assert source_of(matchmaker) == before


@on_sqlite
def test_source_needs_a_name(alice: ApiClient):
    assert ("name", "required") in fields_of(alice.post(SOURCES, {}))


def test_both_secrets_are_good_after_a_rotation(matchmaker: Matchmaker, alice: ApiClient):
    response = alice.post(f"{SOURCES}{matchmaker.id}/rotate/")
    assert (response.status_code, response.headers["Cache-Control"]) == (200, "no-store")
    assert response.json()["source"]["former_secret_until"]
    new = Matchmaker(alice, matchmaker.id, response.json()["secret"])
    assert new.secret != matchmaker.secret
    for one in (matchmaker, new):
        assert one.tell(FALLBACK, alice.external_id)["session"]["status"] == "active"


@on_sqlite
def test_secret_before_the_former_one_is_good_no_more(matchmaker: Matchmaker, alice: ApiClient):
    for _ in range(2):
        assert alice.post(f"{SOURCES}{matchmaker.id}/rotate/").status_code == 200
    assert outcome(matchmaker.send({"type": "user_left"})) == (401, "bad_signature")


@on_sqlite
def test_use_is_noted(matchmaker: Matchmaker, alice: ApiClient):
    assert source_of(matchmaker)["last_used_at"] is None
    matchmaker.tell("user_left", alice.external_id)
    assert source_of(matchmaker)["last_used_at"]


@on_sqlite
def test_somebody_elses_source_is_not_there(matchmaker: Matchmaker, mallory: ApiClient):
    path = f"{SOURCES}{matchmaker.id}/"
    answers = [mallory.get(path), mallory.patch(path, {}), mallory.delete(path), mallory.post(f"{path}rotate/")]
    assert {outcome(answer) for answer in answers} == {(404, "not_found")}
    assert outcome(mallory.get(f"{SOURCES}{uuid4()}/")) == (404, "not_found")
    assert matchmaker.id not in mallory.get(SOURCES, params={"limit": 200}).text


@on_sqlite
def test_changes_are_in_the_audit_log(server: Server, matchmaker: Matchmaker, alice: ApiClient):
    path = f"{SOURCES}{matchmaker.id}/"
    alice.patch(path, {"name": "x"})
    alice.patch(path, {"name": "x"})  # changes nothing
    alice.post(f"{path}rotate/")
    alice.delete(path)
    sql = "select action from accounts_auditentry where subject_id = ? order by id"
    found = read_rows(server, sql, matchmaker.id.replace("-", ""))
    assert [row[0] for row in found] == ["source.created", "source.updated", "source.rotated", "source.deleted"]


@on_sqlite
def test_sources_are_limited(server: Server, make_client: MakeClient):
    client = make_client(server, key=make_tenant(server).key)
    made = [make_matchmaker(client).id for _ in range(MAX_SOURCES)]
    assert outcome(client.post(SOURCES, {"name": "x"})) == (409, "too_many_sources")
    assert client.delete(f"{SOURCES}{made[0]}/").status_code == 204
    assert client.post(SOURCES, {"name": "x"}).status_code == 201

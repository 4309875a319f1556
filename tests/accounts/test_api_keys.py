"""API keys: what they are good for, rotation, revocation, and what ends with them."""

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from chatify.accounts import credentials, tenancy
from chatify.accounts.actions import ensure_tenant
from chatify.accounts.models import ApiKey, AuditEntry
from tests.accounts.signups import (
    KEYS,
    ME,
    TOKENS,
    NewTenant,
    audit_of,
    closes_within_five_seconds,
    end_user_token,
    rows,
    sign_up,
    start_long_reply,
    statuses_of,
)
from tests.api.checks import SESSIONS, change_rows, fields_of, on_sqlite, outcome, path_of
from tests.client import ApiClient
from tests.conftest import MakeClient
from tests.services.server import Server
from tests.waiting import wait_until

FIELDS = {
    "id", "name", "prefix", "scopes", "created_at", "last_used_at", "expires_at", "rotated_at", "revoked_at",
}  # fmt: skip
ALL_SCOPES = ["chat", "templates", "knowledge", "admin"]


@pytest.fixture(scope="module")
def tenants() -> Iterator[dict[str, NewTenant]]:
    """A tenant on each server: to sign up takes its time."""
    made: dict[str, NewTenant] = {}
    yield made
    for tenant in made.values():
        tenant.client.close()


@pytest.fixture
def tenant(server: Server, tenants: dict[str, NewTenant]) -> NewTenant:
    """The one that the tests share."""
    if server.url not in tenants:
        tenants[server.url] = sign_up(server, lambda server, key: ApiClient(server.url, key))
    return tenants[server.url]


@pytest.fixture
def fresh(server: Server, make_client: MakeClient) -> NewTenant:
    """One that has its first key only."""
    return sign_up(server, make_client)


def listed(tenant: NewTenant, id_: str) -> dict[str, object]:
    """A key as the list shows it."""
    return next(key for key in tenant.client.get(KEYS).json()["results"] if key["id"] == id_)


def is_refused(client: ApiClient) -> bool:
    return client.get(SESSIONS).status_code == 401


# New keys -----------------------------------------------------------------------------------------
def test_new_key_chats_and_does_no_more(server: Server, tenant: NewTenant, make_client: MakeClient):
    answer = tenant.client.post(KEYS, {"name": "web server"})
    assert (answer.status_code, answer.headers["Cache-Control"]) == (201, "no-store")
    key, shown = answer.json()["key"], answer.json()["api_key"]
    assert set(shown) == FIELDS
    assert key.startswith(f"{shown['prefix']}_")
    assert (shown["name"], shown["scopes"]) == ("web server", ["chat"])
    assert {shown[name] for name in ("last_used_at", "expires_at", "rotated_at", "revoked_at")} == {None}
    client = make_client(server, key=key)
    assert client.send(client.start()["id"], "hello")["reply"]["content"] == "You said: hello"
    assert outcome(client.get(ME)) == (403, "missing_scope")
    assert audit_of(server, tenant.object["id"])[-1] == "key.created"


@pytest.mark.parametrize("scopes", [["templates"], ["knowledge"], ["admin"], ["templates", "knowledge", "admin"]])
@on_sqlite
def test_key_without_the_scope_does_not_chat(
    server: Server, tenant: NewTenant, make_client: MakeClient, scopes: list[str]
):
    made = tenant.make_key(scopes=scopes)
    assert made["api_key"]["scopes"] == scopes
    client = make_client(server, key=made["key"])
    assert outcome(client.get(SESSIONS)) == (403, "missing_scope")
    assert outcome(client.post(TOKENS, {"user": {"external_id": "ann"}})) == (403, "missing_scope")
    chat = tenant.client.start()["id"]
    assert client.socket(chat).wait_closed() == 4403
    assert client.get(ME).status_code == (200 if "admin" in scopes else 403)


@on_sqlite
def test_scopes_are_in_order_and_once(tenant: NewTenant):
    assert tenant.make_key(scopes=["admin", "chat", "admin"])["api_key"]["scopes"] == ["chat", "admin"]


@pytest.mark.parametrize(
    ("change", "field", "code"),
    [
        ({"name": ""}, "name", "too_short"),
        ({"name": "\t"}, "name", "not_single_line"),
        ({"name": "\u3000"}, "name", "blank"),
        ({"name": "x" * 81}, "name", "too_long"),
        ({"name": None}, "name", "wrong_type"),
        ({"scopes": []}, "scopes", "too_short"),
        ({"scopes": ["chat", "root"]}, "scopes.1", "literal_error"),
        ({"scopes": ["chat"] * 11}, "scopes", "too_long"),
        ({"scopes": "chat"}, "scopes", "wrong_type"),
        ({"scopes": None}, "scopes", "wrong_type"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at", "not_in_future"),
        ({"expires_at": "2099-01-01T00:00:00"}, "expires_at", "bad_time"),
        ({"expires_at": "2099-01-01"}, "expires_at", "bad_time"),
        ({"expires_at": "9999-12-31T23:59:59-23:00"}, "expires_at", "bad_time"),
        ({"expires_at": "tomorrow"}, "expires_at", "bad_time"),
        ({"expires_at": 4102444800}, "expires_at", "bad_time"),
        ({"key": "ck_mine"}, "key", "unknown_field"),
    ],
)
@on_sqlite
def test_bad_key_is_not_made(tenant: NewTenant, change: dict[str, object], field: str, code: str):
    answer = tenant.client.post(KEYS, {"name": "x", **change})
    assert outcome(answer)[0] == 400
    assert fields_of(answer) == [(field, code)]


@on_sqlite
def test_key_expires(server: Server, tenant: NewTenant, make_client: MakeClient):
    made = tenant.make_key(expires_at="2099-01-01T02:00:00+02:00")
    assert made["api_key"]["expires_at"] == "2099-01-01T00:00:00Z"
    client = make_client(server, key=made["key"])
    assert not is_refused(client)
    expire(server, made["api_key"]["id"])
    assert is_refused(client)


def expire(server: Server, id_: str) -> None:
    """Let it be over."""
    id_ = id_ if server.database_url.startswith("postgres") else id_.replace("-", "")
    assert change_rows(server, "update accounts_apikey set expires_at = '2020-01-01 00:00:00' where id = ?", id_) == 1


# The list -----------------------------------------------------------------------------------------
def test_list_has_all_keys_newest_first_in_pages(fresh: NewTenant):
    made = [fresh.make_key(name=f"key {number}") for number in range(4)]
    fresh.client.delete(f"{KEYS}{made[2]['api_key']['id']}/")
    first = fresh.client.get(KEYS, params={"limit": 3}).json()
    second = fresh.client.get(first["next"]).json()
    names = [key["name"] for key in first["results"] + second["results"]]
    assert names == ["key 3", "key 2", "key 1", "key 0", "First key"]
    assert (first["results"][1]["revoked_at"] is None, second["next"]) == (False, None)
    assert not any(one["key"][12:] in json.dumps(first) + json.dumps(second) for one in made)


@on_sqlite
def test_list_takes_only_our_cursors(tenant: NewTenant):
    assert outcome(tenant.client.get(KEYS, params={"cursor": "x"})) == (400, "bad_cursor")
    assert outcome(tenant.client.get(KEYS, params={"limit": 0}))[0] == 400


def test_key_of_another_tenant_is_not_found(tenant: NewTenant, mallory: ApiClient):
    id_ = tenant.make_key()["api_key"]["id"]
    for unreachable in (id_, str(uuid4())):
        assert outcome(mallory.delete(f"{KEYS}{unreachable}/")) == (404, "not_found")
        assert outcome(mallory.post(f"{KEYS}{unreachable}/rotate/")) == (404, "not_found")
    assert id_ not in mallory.get(KEYS).text
    assert (listed(tenant, id_)["revoked_at"], listed(tenant, id_)["rotated_at"]) == (None, None)


# So many ------------------------------------------------------------------------------------------
def test_fifty_keys_work_at_once(server: Server, fresh: NewTenant):
    made = [fresh.make_key() for _ in range(48)]  # beside the first one

    def one_more(_: int) -> int:
        return fresh.client.post(KEYS, {"name": "one more"}).status_code

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(one_more, range(4))) == [201, 409, 409, 409]
    assert outcome(fresh.client.post(KEYS, {"name": "too many"})) == (409, "too_many_keys")
    rotate = f"{KEYS}{made[0]['api_key']['id']}/rotate/"
    assert outcome(fresh.client.post(rotate)) == (409, "too_many_keys")
    assert fresh.client.post(rotate, {"grace_seconds": 0}).status_code == 201
    fresh.client.delete(f"{KEYS}{made[1]['api_key']['id']}/")
    expire(server, made[2]["api_key"]["id"])
    assert [fresh.client.post(KEYS, {"name": "fits"}).status_code for _ in range(3)] == [201, 201, 409]


# Rotation -----------------------------------------------------------------------------------------
def test_rotated_key_works_beside_the_new_one(server: Server, tenant: NewTenant, make_client: MakeClient):
    ends = (datetime.now(UTC) + timedelta(days=90)).replace(microsecond=0)
    old = tenant.make_key(name="web", scopes=["chat", "templates"], expires_at=ends.isoformat())
    before = datetime.now(UTC)
    answer = tenant.client.post(f"{KEYS}{old['api_key']['id']}/rotate/", {"grace_seconds": 3600})
    assert (answer.status_code, answer.headers["Cache-Control"]) == (201, "no-store")
    new = answer.json()
    same = ("name", "scopes", "expires_at")
    assert [new["api_key"][name] for name in same] == [old["api_key"][name] for name in same]
    assert new["key"] != old["key"]
    assert not any(is_refused(make_client(server, key=one["key"])) for one in (old, new))
    shown = listed(tenant, old["api_key"]["id"])
    rotated_at, works_until = (datetime.fromisoformat(str(shown[name])) for name in ("rotated_at", "expires_at"))
    assert before <= rotated_at <= datetime.now(UTC)
    assert works_until - rotated_at == timedelta(hours=1)
    assert audit_of(server, tenant.object["id"])[-1] == "key.rotated"


@on_sqlite
def test_grace_is_a_day_and_no_longer_than_the_key_lasts(tenant: NewTenant):
    soon = (datetime.now(UTC) + timedelta(minutes=5)).isoformat()
    for expires_at, wanted in ((None, timedelta(days=1)), (soon, timedelta(minutes=5))):
        old = tenant.make_key(expires_at=expires_at)["api_key"]
        assert tenant.client.post(f"{KEYS}{old['id']}/rotate/").status_code == 201
        shown = listed(tenant, old["id"])
        lasts = datetime.fromisoformat(str(shown["expires_at"])) - datetime.fromisoformat(str(shown["rotated_at"]))
        assert abs(lasts - wanted) < timedelta(seconds=10)


def test_without_grace_the_old_key_stops_at_once(server: Server, tenant: NewTenant, make_client: MakeClient):
    old = tenant.make_key()
    new = tenant.client.post(f"{KEYS}{old['api_key']['id']}/rotate/", {"grace_seconds": 0}).json()
    assert is_refused(make_client(server, key=old["key"]))
    assert not is_refused(make_client(server, key=new["key"]))


@pytest.mark.parametrize("grace", [-1, 2_592_001, "60", 1.5, None, True])
@on_sqlite
def test_grace_is_at_most_thirty_days(tenant: NewTenant, grace: object):
    path = f"{KEYS}{tenant.client.get(KEYS).json()['results'][0]['id']}/rotate/"
    answer = tenant.client.post(path, {"grace_seconds": grace})
    assert outcome(answer)[0] == 400
    assert [field for field, _ in fields_of(answer)] == ["grace_seconds"]


def test_key_is_rotated_once(tenant: NewTenant):
    path = f"{KEYS}{tenant.make_key()['api_key']['id']}/rotate/"
    assert tenant.client.post(path, {"grace_seconds": 0}).status_code == 201
    assert outcome(tenant.client.post(path)) == (409, "already_rotated")


def test_rotations_at_once_make_one_key(fresh: NewTenant):
    path = f"{KEYS}{fresh.make_key()['api_key']['id']}/rotate/"
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: fresh.client.post(path), range(4)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    assert len(fresh.client.get(KEYS).json()["results"]) == 3


def test_key_that_does_not_work_is_not_rotated(server: Server, tenant: NewTenant):
    revoked, expired = (tenant.make_key()["api_key"]["id"] for _ in range(2))
    tenant.client.delete(f"{KEYS}{revoked}/")
    expire(server, expired)
    for id_ in (revoked, expired):
        assert outcome(tenant.client.post(f"{KEYS}{id_}/rotate/")) == (409, "key_not_working")


# Revocation ---------------------------------------------------------------------------------------
def test_revoked_key_is_refused_at_once(server: Server, fresh: NewTenant, make_client: MakeClient):
    made = fresh.make_key()
    client, path = make_client(server, key=made["key"]), f"{KEYS}{made['api_key']['id']}/"
    assert not is_refused(client)
    assert fresh.client.delete(path).status_code == 204
    assert is_refused(client)
    revoked_at = listed(fresh, made["api_key"]["id"])["revoked_at"]
    assert fresh.client.delete(path).status_code == 204
    assert listed(fresh, made["api_key"]["id"])["revoked_at"] == revoked_at
    assert audit_of(server, fresh.object["id"]).count("key.revoked") == 1


@on_sqlite
def test_key_may_revoke_itself(fresh: NewTenant):
    (first,) = fresh.client.get(KEYS).json()["results"]
    assert fresh.client.delete(f"{KEYS}{first['id']}/").status_code == 204
    assert is_refused(fresh.client)


def test_revoked_key_closes_its_socket_and_stops_its_reply(server: Server, tenant: NewTenant, make_client: MakeClient):
    made = tenant.make_key()
    client = make_client(server, key=made["key"])
    chat, other = client.start()["id"], tenant.client.start()["id"]
    socket, theirs = client.socket(chat), tenant.client.socket(other)
    for one in (socket, theirs):
        start_long_reply(one)
    tenant.client.delete(f"{KEYS}{made['api_key']['id']}/")
    assert closes_within_five_seconds(socket) == 4401
    wait_until(lambda: statuses_of(server, chat) == ["complete", "cancelled"], 5, "a stopped reply")
    theirs.recv_until("reply.delta")
    assert statuses_of(server, other) == ["complete", "streaming"]
    tenant.client.post(path_of(other, "stop/"))


def test_end_of_the_grace_closes_the_socket(server: Server, tenant: NewTenant, make_client: MakeClient):
    made = tenant.make_key()
    client = make_client(server, key=made["key"])
    chat = client.start()["id"]
    socket = client.socket(chat)
    start_long_reply(socket)
    tenant.client.post(f"{KEYS}{made['api_key']['id']}/rotate/", {"grace_seconds": 1})
    assert closes_within_five_seconds(socket) == 4401
    wait_until(lambda: statuses_of(server, chat) == ["complete", "cancelled"], 5, "a stopped reply")


def test_ticket_ends_with_the_key_that_asked_for_it(server: Server, tenant: NewTenant, make_client: MakeClient):
    made = tenant.make_key()
    client = make_client(server, key=made["key"])
    chat = client.start()["id"]
    used, unused = (client.post(path_of(chat, "ticket/")).json()["ticket"] for _ in range(2))
    socket = client.socket(chat, ticket=used)
    start_long_reply(socket)
    tenant.client.delete(f"{KEYS}{made['api_key']['id']}/")
    assert client.socket(chat, ticket=unused).wait_closed() == 4401
    assert closes_within_five_seconds(socket) == 4401
    wait_until(lambda: statuses_of(server, chat) == ["complete", "cancelled"], 5, "a stopped reply")


def test_tokens_end_with_a_revoked_key_and_outlast_an_expired_one(
    server: Server, tenant: NewTenant, make_client: MakeClient
):
    revoked, expired = (tenant.make_key() for _ in range(2))
    asking = [make_client(server, key=made["key"]) for made in (revoked, expired)]
    tokens = [make_client(server, key=end_user_token(client, "ann")) for client in asking]
    assert [is_refused(token) for token in tokens] == [False, False]
    tenant.client.delete(f"{KEYS}{revoked['api_key']['id']}/")
    expire(server, expired["api_key"]["id"])
    assert [is_refused(token) for token in tokens] == [True, False]


# Last used ----------------------------------------------------------------------------------------
def test_last_use_is_noted_to_the_minute(server: Server, tenant: NewTenant, make_client: MakeClient):
    made = tenant.make_key()
    client = make_client(server, key=made["key"])
    before = datetime.now(UTC)
    client.get(SESSIONS)
    first = listed(tenant, made["api_key"]["id"])["last_used_at"]
    client.get(SESSIONS)
    assert before <= datetime.fromisoformat(str(first)) <= datetime.now(UTC)
    assert listed(tenant, made["api_key"]["id"])["last_used_at"] == first


@pytest.mark.django_db
@pytest.mark.parametrize(("seconds_ago", "is_noted"), [(70, True), (30, False)])
def test_last_use_is_noted_once_by_all_processes(seconds_ago: int, is_noted: bool):
    made, key = credentials.create_api_key(tenant=ensure_tenant(slug="demo"), name="x")
    before = timezone.now() - timedelta(seconds=seconds_ago)
    ApiKey.objects.filter(id=made.id).update(last_used_at=before)  # by another process
    assert credentials.principal_of(key) is not None
    made.refresh_from_db()
    assert (made.last_used_at != before) is is_noted


@on_sqlite
def test_wrong_key_notes_nothing(server: Server, tenant: NewTenant, make_client: MakeClient):
    made = tenant.make_key()
    forged = made["key"][:-1] + ("A" if made["key"][-1] != "A" else "B")
    assert is_refused(make_client(server, key=forged))
    assert listed(tenant, made["api_key"]["id"])["last_used_at"] is None


# Secrecy ------------------------------------------------------------------------------------------
def test_text_of_a_key_is_nowhere(server: Server, tenant: NewTenant, make_client: MakeClient):
    made = tenant.make_key()
    make_client(server, key=made["key"]).get(SESSIONS)
    new = tenant.client.post(f"{KEYS}{made['api_key']['id']}/rotate/").json()
    secrets = [one["key"].split("_", 2)[2] for one in (made, new)]
    details = rows(server, "select details from accounts_auditentry where tenant_id = ?", tenant.object["id"])
    kept = rows(server, "select * from accounts_apikey where tenant_id = ?", tenant.object["id"])
    places = [server.log_text(), str(details), str(kept)]
    assert not any(secret in place for secret in secrets for place in places)
    assert made["api_key"]["prefix"].removeprefix("ck_") in str(kept)


# The command --------------------------------------------------------------------------------------
def test_command_prints_a_key_with_scopes_and_an_end(embedded_server: Server, make_client: MakeClient):
    slug = f"by-hand-{uuid4().hex[:8]}"
    asked = ("create_api_key", "--tenant", slug, "--name", "ci")
    done = embedded_server.manage(*asked, "--scopes", "admin,chat", "--expires-in-days", "7")
    assert re.fullmatch(r"ck_[a-z2-7]{8}_[\w-]{40}\n", done.stdout)
    (shown,) = make_client(embedded_server, key=done.stdout.strip()).get(KEYS).json()["results"]
    lasts = datetime.fromisoformat(shown["expires_at"]) - datetime.fromisoformat(shown["created_at"])
    assert (shown["name"], shown["scopes"], round(lasts / timedelta(days=1))) == ("ci", ["chat", "admin"], 7)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "options", [{"scopes": "chat,root"}, {"scopes": ""}, {"expires_in_days": 0}, {"expires_in_days": 10**9}]
)
def test_command_refuses_what_it_does_not_know(options: dict[str, object]):
    with pytest.raises(CommandError, match=next(iter(options)).replace("_", "-")):
        call_command("create_api_key", tenant="demo", name="x", **options)
    assert not ApiKey.objects.exists()


@pytest.mark.django_db
def test_command_tells_the_audit_log_of_a_new_tenant(capsys: pytest.CaptureFixture[str]):
    for _ in range(2):
        call_command("create_api_key", tenant="brand-new", name="x")
    capsys.readouterr()
    actions = AuditEntry.objects.filter(actor_kind="system").order_by("id").values_list("action", flat=True)
    assert list(actions) == ["tenant.created", "key.created", "key.created"]


@pytest.mark.django_db
def test_command_makes_no_key_that_would_not_work():
    tenant = ensure_tenant(slug="gone")
    tenancy.delete_tenants(tenant_ids=[tenant.id], who=None)
    with pytest.raises(CommandError, match="deleted"):
        call_command("create_api_key", tenant="gone", name="x")
    for _ in range(tenancy.MAX_WORKING_KEYS):
        credentials.create_api_key(tenant=ensure_tenant(slug="full"), name="x")
    with pytest.raises(CommandError, match="At most 50"):
        call_command("create_api_key", tenant="full", name="x")

"""Tenants: sign-up, their data, deletion with everything that it ends."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import httpx
import pytest

from chatify.accounts.allowances import NAMES
from tests.accounts.signups import (
    KEYS,
    ME,
    PASSWORD,
    TENANTS,
    NewTenant,
    audit_of,
    closes_within_five_seconds,
    end_user_token,
    from_elsewhere,
    sign_in,
    sign_up,
    sign_up_body,
    start_long_reply,
    statuses_of,
)
from tests.api.checks import SESSIONS, change_rows, fields_of, on_sqlite, outcome, path_of
from tests.client import ApiClient
from tests.conftest import MakeClient, MakeServer
from tests.services.server import Server
from tests.waiting import wait_until

FIELDS = {"id", "slug", "name", "email", "allowed_origins", "retention_days", "limits", "created_at"}
OTHER_PASSWORD = "Four-Pots-of-88"
RESTORE = "from chatify.accounts import tenancy; tenancy.restore_tenants(tenant_ids=['{}'], who=None)"


@pytest.fixture
def tenant(server: Server, make_client: MakeClient) -> NewTenant:
    return sign_up(server, make_client)


@pytest.fixture(scope="module")
def settled(embedded_server: Server) -> Iterator[NewTenant]:
    """A tenant for tests that change nothing of it."""
    made = sign_up(embedded_server, lambda server, key: ApiClient(server.url, key))
    yield made
    made.client.close()


def make_owner(server: Server, email: str, slug: str) -> None:
    """What staff do in the admin."""
    own = """insert into accounts_membership (id, user_id, tenant_id, created_at)
        select ?, person.id, tenant.id, '2099-01-01 00:00:00' from accounts_user person, accounts_tenant tenant
        where person.email = ? and tenant.slug = ?"""
    assert change_rows(server, own, uuid4().hex, email, slug) == 1


# Sign-up ------------------------------------------------------------------------------------------
def test_sign_up_gives_the_tenant_and_its_first_key(server: Server):
    body = sign_up_body(name="Tea & Scones")
    with from_elsewhere(server) as http:
        answer = http.post(TENANTS, json=body)
    assert answer.status_code == 201
    tenant, headers = answer.json()["tenant"], {"Authorization": f"Bearer {answer.json()['key']}"}
    assert set(tenant) == FIELDS
    assert (tenant["name"], tenant["email"]) == ("Tea & Scones", body["email"])
    assert tenant["slug"].startswith("tea-scones")
    assert (tenant["allowed_origins"], tenant["retention_days"], set(tenant["limits"])) == ([], None, set(NAMES))
    assert httpx.get(server.url + ME, headers=headers, trust_env=False).json() == tenant
    (key,) = httpx.get(server.url + KEYS, headers=headers, trust_env=False).json()["results"]
    assert key["scopes"] == ["chat", "templates", "knowledge", "admin"]
    assert audit_of(server, tenant["id"]) == ["tenant.created", "key.created"]


def test_first_key_chats(tenant: NewTenant):
    chat = tenant.client.start()
    assert tenant.client.send(chat["id"], "hello")["reply"]["content"] == "You said: hello"


def test_owner_signs_in_and_manages_the_tenant(server: Server, tenant: NewTenant, make_client: MakeClient):
    owner = sign_in(server, make_client, tenant)
    assert owner.get(ME).json() == tenant.object
    assert owner.get(ME, params={"tenant": tenant.object["slug"]}).json() == tenant.object
    made = owner.post(KEYS, {"name": "by its owner"})
    assert make_client(server, key=made.json()["key"]).get(SESSIONS).status_code == 200


def test_email_address_is_taken_however_it_is_written(server: Server, tenant: NewTenant):
    with from_elsewhere(server) as http:
        for email in (tenant.email, tenant.email.upper()):
            body = sign_up_body(email=email, password="Four-Cups-of-88")
            assert outcome(http.post(TENANTS, json=body)) == (409, "email_taken")


def test_owner_of_one_tenant_signs_up_another_with_the_same_password(server: Server, tenant: NewTenant):
    with from_elsewhere(server) as http:
        answer = http.post(TENANTS, json=sign_up_body(name="Coffee house", email=tenant.email))
        assert (answer.status_code, answer.json()["tenant"]["email"]) == (201, tenant.email)
        signed_in = http.post("/api/v1/auth/login/", json={"email": tenant.email, "password": PASSWORD}).json()
        auth = {"Authorization": f"Bearer {signed_in['access_token']}"}
        owned = http.get("/api/v1/auth/me/", headers=auth).json()["tenants"]
    assert len(owned) == 2


@pytest.mark.parametrize(
    ("change", "field", "code"),
    [
        ({"name": ""}, "name", "too_short"),
        ({"name": " \u3000"}, "name", "blank"),
        ({"name": "x" * 121}, "name", "too_long"),
        ({"name": "two\nlines"}, "name", "not_single_line"),
        ({"name": None}, "name", "wrong_type"),
        ({"email": "nobody"}, "email", "bad_email"),
        ({"email": "a@b@example.org"}, "email", "bad_email"),
        ({"email": f"{'x' * 250}@example.org"}, "email", "too_long"),
        ({"email": 7}, "email", "wrong_type"),
        ({"password": "Ab1-"}, "password", "password_too_short"),
        ({"password": "three-cups-of-77"}, "password", "password_no_upper_case"),
        ({"password": "Tea-house-of-77", "name": "Tea house of 77"}, "password", "password_too_similar"),
        ({"password": "Three-Cups-77-" * 1000}, "password", "password_too_long"),
        ({"password": "Three-Cups-\u0000-77"}, "password", "bad_characters"),
        ({"slug": "mine"}, "slug", "unknown_field"),
    ],
)
@on_sqlite
def test_bad_sign_up_is_refused(server: Server, change: dict[str, object], field: str, code: str):
    with from_elsewhere(server) as http:
        answer = http.post(TENANTS, json=sign_up_body(**change))
    assert outcome(answer)[0] == 400
    assert (field, code) in fields_of(answer)


@on_sqlite
def test_lone_surrogate_is_refused(server: Server):
    body = f'{{"name": "x", "email": "{sign_up_body()["email"]}", "password": "Three-Cups-\\ud800-77"}}'
    with from_elsewhere(server) as http:
        answer = http.post(TENANTS, content=body, headers={"Content-Type": "application/json"})
    assert outcome(answer)[0] == 400


def test_sign_up_can_be_closed(make_server: MakeServer):
    server = make_server(SIGN_UP="closed")
    with from_elsewhere(server) as http:
        assert outcome(http.post(TENANTS, json=sign_up_body())) == (403, "sign_up_closed")


@on_sqlite
def test_address_signs_up_only_so_often(server: Server, tenant: NewTenant):
    with from_elsewhere(server) as http:
        answers = [http.post(TENANTS, json=sign_up_body()) for _ in range(11)]
    assert [answer.status_code for answer in answers] == [201] * 10 + [429]
    assert outcome(answers[-1]) == (429, "too_fast")
    assert int(answers[-1].headers["Retry-After"]) > 3000
    with from_elsewhere(server) as http:  # whoever guesses a password here is as slow as at the sign-in
        wrong = sign_up_body(email=tenant.email, password="Four-Cups-of-88")
        guesses = [outcome(http.post(TENANTS, json=wrong)) for _ in range(6)]
    assert guesses == [(409, "email_taken")] * 5 + [(429, "too_fast")]
    with from_elsewhere(server) as http:
        assert http.post(TENANTS, json=sign_up_body()).status_code == 201


def test_same_name_at_once_makes_different_tenants(server: Server, make_client: MakeClient):
    with ThreadPoolExecutor(5) as pool:
        made = list(pool.map(lambda _: sign_up(server, make_client, name="Rush hour"), range(5)))
    slugs = {one.object["slug"] for one in made}
    assert len(slugs) == 5
    assert all(slug.startswith("rush-hour") for slug in slugs)


def test_same_email_address_at_once_signs_up_once(server: Server):
    body = sign_up_body()

    def try_it(_: int) -> int:
        with from_elsewhere(server) as http:
            return http.post(TENANTS, json=body).status_code

    with ThreadPoolExecutor(5) as pool:
        assert sorted(pool.map(try_it, range(5))) == [201, 409, 409, 409, 409]


@on_sqlite
def test_name_without_latin_letters_gets_a_slug(server: Server, make_client: MakeClient):
    made = sign_up(server, make_client, name="チャ 🫖")
    assert made.object["slug"].startswith("tenant-")
    assert made.object["name"] == "チャ 🫖"


def test_nobody_becomes_a_tenant_of_the_house(make_server: MakeServer, make_client: MakeClient):
    """Those are made when they are first needed: whoever had their slug would get everybody's chats."""
    server = make_server()
    assert [sign_up(server, make_client, name=name).object["slug"] for name in ("House", "demo")] == [
        "house-2",
        "demo-2",
    ]


# Who may ------------------------------------------------------------------------------------------
def test_only_keys_of_scope_admin_manage(server: Server, tenant: NewTenant, make_client: MakeClient):
    key = tenant.make_key(scopes=["chat", "templates", "knowledge"])["key"]
    token = end_user_token(tenant.client, "ann")
    for credential in (key, token):
        client = make_client(server, key=credential)
        assert outcome(client.get(ME, params={"tenant": tenant.object["slug"]})) == (403, "missing_scope")
        assert outcome(client.patch(ME, {"name": "x"})) == (403, "missing_scope")
        assert outcome(client.delete(ME)) == (403, "missing_scope")
        assert outcome(client.get(KEYS)) == (403, "missing_scope")
        assert outcome(client.post(KEYS, {"name": "x"})) == (403, "missing_scope")
    assert tenant.client.get(ME).json() == tenant.object


@on_sqlite
def test_stranger_manages_nothing(server: Server, make_client: MakeClient):
    stranger = make_client(server, key="")
    assert outcome(stranger.get(ME)) == (401, "not_authenticated")
    assert outcome(stranger.post(KEYS, {"name": "x"})) == (401, "not_authenticated")


def test_key_and_owner_reach_no_other_tenant(server: Server, tenant: NewTenant, make_client: MakeClient):
    other = sign_up(server, make_client)
    owner = sign_in(server, make_client, tenant)
    for client in (tenant.client, owner):
        asked = {"params": {"tenant": other.object["slug"]}}
        assert outcome(client.get(ME, **asked)) == (404, "not_found")
        assert outcome(client.patch(ME, {"name": "mine"}, **asked)) == (404, "not_found")
        assert outcome(client.delete(ME, **asked)) == (404, "not_found")
    assert other.client.get(ME).json() == other.object


@on_sqlite
def test_owner_of_several_says_which(server: Server, tenant: NewTenant, settled: NewTenant, make_client: MakeClient):
    owner = sign_in(server, make_client, tenant)
    make_owner(server, tenant.email, settled.object["slug"])
    answer = owner.get(ME)
    assert (outcome(answer), fields_of(answer)) == ((400, "required"), [("tenant", "required")])
    for one in (tenant, settled):
        assert owner.get(ME, params={"tenant": one.object["slug"]}).json() == one.object
    leave = "delete from accounts_membership where user_id = (select id from accounts_user where email = ?)"
    assert change_rows(server, leave, tenant.email) == 2
    assert outcome(owner.get(ME)) == (404, "not_found")


# Changes ------------------------------------------------------------------------------------------
def test_settings_are_changed(tenant: NewTenant, server: Server):
    changes = {"name": "The tea house", "allowed_origins": ["https://tea.example"], "retention_days": 30}
    answer = tenant.client.patch(ME, changes)
    assert answer.json() == {**tenant.object, **changes} == tenant.client.get(ME).json()
    assert tenant.client.patch(ME, {"retention_days": None}).json()["retention_days"] is None
    assert tenant.client.patch(ME, {}).json()["name"] == "The tea house"
    assert audit_of(server, tenant.object["id"])[2:] == ["tenant.updated"] * 2


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": None}, "name"),
        ({"retention_days": 0}, "retention_days"),
        ({"retention_days": 3651}, "retention_days"),
        ({"retention_days": True}, "retention_days"),
        ({"limits": {}}, "limits"),
        ({"slug": "other"}, "slug"),
        ({"allowed_origins": None}, "allowed_origins"),
        ({"allowed_origins": [f"https://{number}.example" for number in range(51)]}, "allowed_origins"),
        *[
            ({"allowed_origins": ["https://good.example", bad]}, "allowed_origins.1")
            for bad in ("*", "example.org", "https://*.example", "https://a.example/path", "https://a.example?x=1",
                        "https://me@a.example", "null", "https://a.example:99999", "https://bücher.example", "", 7,
                        f"https://{'x' * 300}.example")
        ],
        ({"email": "nobody", "current_password": PASSWORD}, "email"),
        ({"email": None, "current_password": PASSWORD}, "email"),
    ],
)  # fmt: skip
def test_bad_changes_are_refused(settled: NewTenant, change: dict[str, object], field: str):
    answer = settled.client.patch(ME, change)
    assert outcome(answer)[0] == 400
    assert [found for found, _ in fields_of(answer)] == [field]
    assert settled.client.get(ME).json() == settled.object


@on_sqlite
def test_origins_are_stored_as_browsers_write_them(tenant: NewTenant):
    given = ["HTTPS://Shop.Example:443/", "https://shop.example", "http://localhost:3000", " http://[::1]:8080 "]
    stored = tenant.client.patch(ME, {"allowed_origins": given}).json()["allowed_origins"]
    assert stored == ["https://shop.example", "http://localhost:3000", "http://[::1]:8080"]


def test_origin_may_use_tokens_as_soon_as_it_is_allowed(server: Server, tenant: NewTenant):
    origin = f"https://{tenant.object['slug']}.example"
    page = {"Origin": origin, "Authorization": f"Bearer {end_user_token(tenant.client, 'ann')}"}
    preflight = {"Origin": origin, "Access-Control-Request-Method": "GET"}
    refused = httpx.get(server.url + SESSIONS, headers=page, trust_env=False)
    assert outcome(refused) == (403, "origin_not_allowed")
    assert tenant.client.patch(ME, {"allowed_origins": [origin]}).status_code == 200
    allowed = httpx.get(server.url + SESSIONS, headers=page, trust_env=False)
    asked = httpx.options(server.url + SESSIONS, headers=preflight, trust_env=False)
    assert allowed.status_code == 200
    assert allowed.headers["Access-Control-Allow-Origin"] == asked.headers["Access-Control-Allow-Origin"] == origin


def test_email_address_is_changed_with_the_password(server: Server, tenant: NewTenant, make_client: MakeClient):
    email = sign_up_body()["email"]
    answer = tenant.client.patch(ME, {"email": email.upper(), "current_password": PASSWORD})
    assert (answer.status_code, answer.json()) == (200, {**tenant.object, "email": email})
    tenant.email = email
    assert sign_in(server, make_client, tenant).get(ME).json()["email"] == email
    assert audit_of(server, tenant.object["id"])[-1] == "tenant.updated"


def test_email_address_of_somebody_else_is_taken(server: Server, tenant: NewTenant, make_client: MakeClient):
    other = sign_up(server, make_client)
    answer = tenant.client.patch(ME, {"email": other.email, "current_password": PASSWORD})
    assert outcome(answer) == (409, "email_taken")
    assert tenant.client.get(ME).json()["email"] == tenant.email


def test_password_is_changed_and_ends_sign_ins(server: Server, tenant: NewTenant, make_client: MakeClient):
    before = sign_in(server, make_client, tenant)
    answer = tenant.client.patch(ME, {"new_password": OTHER_PASSWORD, "current_password": PASSWORD})
    assert (answer.status_code, answer.json()) == (200, tenant.object)
    assert outcome(before.get(ME)) == (401, "not_authenticated")
    assert sign_in(server, make_client, tenant, OTHER_PASSWORD).get(ME).status_code == 200
    answer = tenant.client.patch(ME, {"new_password": PASSWORD, "current_password": PASSWORD})
    assert (outcome(answer), fields_of(answer)) == ((400, "wrong_password"), [("current_password", "wrong_password")])


def test_password_has_to_be_a_good_one(settled: NewTenant):
    answer = settled.client.patch(ME, {"new_password": "short", "current_password": PASSWORD})
    assert outcome(answer) == (400, "password_too_short")
    assert {field for field, _ in fields_of(answer)} == {"new_password"}


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({"email": "new@example.org"}, "current_password", "required"),
        ({"new_password": OTHER_PASSWORD}, "current_password", "required"),
        ({"new_password": OTHER_PASSWORD, "email": "new@example.org"}, "new_password", "one_at_a_time"),
        ({"email": "new@example.org", "name": "New"}, "email", "one_at_a_time"),
        ({"new_password": OTHER_PASSWORD, "retention_days": None}, "new_password", "one_at_a_time"),
    ],
)
def test_credentials_change_alone(settled: NewTenant, body: dict[str, object], field: str, code: str):
    given = body if code == "required" else {**body, "current_password": PASSWORD}
    answer = settled.client.patch(ME, given)
    assert (outcome(answer), fields_of(answer)) == ((400, code), [(field, code)])
    assert settled.client.get(ME).json() == settled.object


@on_sqlite
def test_password_cannot_be_guessed(tenant: NewTenant):
    body = {"email": "new@example.org", "current_password": OTHER_PASSWORD}
    codes = [outcome(tenant.client.patch(ME, body)) for _ in range(6)]
    assert codes == [(400, "wrong_password")] * 5 + [(429, "too_fast")]


@on_sqlite
def test_tenant_without_an_owner_has_no_password(server: Server, make_client: MakeClient):
    client = make_client(server)
    assert client.get(ME).json()["email"] is None
    answer = client.patch(ME, {"email": "new@example.org", "current_password": PASSWORD})
    assert outcome(answer) == (409, "no_owner")
    answer = client.patch(ME, {"new_password": OTHER_PASSWORD, "current_password": PASSWORD})
    assert outcome(answer) == (409, "no_owner")


# Deletion -----------------------------------------------------------------------------------------
def test_deleted_tenant_is_cut_off_and_comes_back(server: Server, tenant: NewTenant, make_client: MakeClient):
    owner = sign_in(server, make_client, tenant)
    key, token = tenant.make_key()["key"], end_user_token(tenant.client, "ann")
    chat = tenant.client.start()["id"]
    ticket = tenant.client.post(path_of(chat, "ticket/")).json()["ticket"]
    clients = [tenant.client, make_client(server, key=key), make_client(server, key=token)]
    assert [client.get(SESSIONS).status_code for client in clients] == [200, 200, 200]
    assert tenant.client.delete(ME).status_code == 204
    for client in clients:
        assert outcome(client.get(SESSIONS)) == (401, "not_authenticated")
    assert outcome(owner.get(ME)) == (404, "not_found")
    assert owner.get(SESSIONS).status_code == 200  # as a person of the house they go on
    assert tenant.client.socket(chat, ticket=ticket).wait_closed() == 4401
    assert audit_of(server, tenant.object["id"])[-1] == "tenant.deleted"
    server.manage("shell", "-c", RESTORE.format(tenant.object["id"]))
    assert [client.get(SESSIONS).status_code for client in clients] == [200, 200, 200]
    assert owner.get(ME).json() == tenant.object
    assert audit_of(server, tenant.object["id"])[-1] == "tenant.restored"


def test_deleted_tenants_sockets_close_and_replies_stop(server: Server, tenant: NewTenant, make_client: MakeClient):
    chats = [tenant.client.start()["id"] for _ in range(2)]
    token = make_client(server, key=end_user_token(tenant.client, tenant.client.external_id))
    by_key, by_token = tenant.client.socket(chats[0]), token.socket(chats[1])
    for socket in (by_key, by_token):
        start_long_reply(socket)
    assert sign_in(server, make_client, tenant).delete(ME).status_code == 204
    assert closes_within_five_seconds(by_key, by_token) == 4401
    for chat in chats:
        wait_until(lambda chat=chat: statuses_of(server, chat) == ["complete", "cancelled"], 5, "a stopped reply")


@on_sqlite
def test_house_cannot_be_deleted(server: Server, tenant: NewTenant, make_client: MakeClient):
    owner = sign_in(server, make_client, tenant)
    assert owner.get(SESSIONS).status_code == 200  # that makes the house
    make_owner(server, tenant.email, "house")
    assert outcome(owner.delete(ME, params={"tenant": "house"})) == (409, "tenant_needed")
    assert owner.get(SESSIONS).status_code == 200


def test_page_of_a_deleted_demo_asks_to_sign_in(make_server: MakeServer, make_client: MakeClient):
    server = make_server()
    with httpx.Client(base_url=server.url, trust_env=False) as known, httpx.Client(base_url=server.url) as new:
        assert known.get("/").status_code == 200
        assert known.get(SESSIONS).status_code == 200
        assert make_client(server).delete(ME).status_code == 204
        assert outcome(known.get(SESSIONS)) == (401, "not_authenticated")
        for http in (known, new):
            assert http.get("/").headers["Location"].startswith("/login/")

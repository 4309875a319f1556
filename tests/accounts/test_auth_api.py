"""People who sign in, over REST and at the page."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any
from uuid import uuid4

import httpx
import jwt
import pytest

from tests.accounts.visitors import AUTH, PASSWORD, Visitor, fresh_address, fresh_email
from tests.api.checks import change_rows, fields_of, on_postgres, on_sqlite, outcome
from tests.client import ApiClient
from tests.services.server import Server

NEW = "Engine-No-10"
MakeVisitor = Callable[..., Visitor]


@pytest.fixture
def make_visitor(server: Server) -> Iterator[MakeVisitor]:
    """Visitors of the server, or of another one."""
    made: list[Visitor] = []

    def make(at: Server = server, address: str = "") -> Visitor:
        made.append(Visitor(at.url, address))
        return made[-1]

    yield make
    for visitor in made:
        visitor.http.close()


@pytest.fixture
def ada(make_visitor: MakeVisitor) -> Visitor:
    """Somebody who registered."""
    return make_visitor().register()


def at_once(*jobs: Callable[[], httpx.Response]) -> list[httpx.Response]:
    """Make calls at the same moment."""
    barrier = Barrier(len(jobs))

    def run(job: Callable[[], httpx.Response]) -> httpx.Response:
        barrier.wait(10)
        return job()

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(run, jobs))


def claims_of(token: str) -> dict[str, Any]:
    """What a token says."""
    middle = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))


# Registering and signing in -----------------------------------------------------------------------
def test_registration_signs_in(make_visitor: MakeVisitor) -> None:
    visitor = make_visitor()
    response = visitor.post("register/", email=visitor.email.upper(), password=PASSWORD, name="Ada")
    assert response.status_code == 201
    assert response.headers["Cache-Control"] == "no-store"
    answer = response.json()
    assert set(answer) == {"access_token", "refresh_token", "token_type", "expires_in", "user"}
    assert (answer["token_type"], answer["expires_in"]) == ("Bearer", 900)
    assert set(answer["user"]) == {"id", "email", "name", "created_at"}
    assert (answer["user"]["email"], answer["user"]["name"]) == (visitor.email, "Ada")
    assert answer["user"]["created_at"].endswith("Z")
    assert visitor.is_let_in(answer["access_token"])


@on_sqlite
def test_login_answers_tokens(ada: Visitor) -> None:
    user = ada.tokens["user"]
    response = ada.login(email=f" {ada.email.upper()} ")
    assert (response.status_code, response.headers["Cache-Control"]) == (200, "no-store")
    assert response.json()["user"] == user
    claims = claims_of(response.json()["access_token"])
    assert (claims["aud"], claims["iss"], claims["exp"] - claims["iat"]) == ("chatify", "chatify", 900)


@on_sqlite
def test_person_chats_as_themself(ada: Visitor, server: Server, make_client: Callable[..., ApiClient]) -> None:
    client = make_client(server, key=ada.tokens["access_token"])
    chat = client.post("/api/v1/sessions/", {"template": "casual_chat"}).json()
    assert chat["user"]["external_id"] == f"user-{ada.tokens['user']['id']}"
    assert chat["user"]["name"] == "Ada"
    assert client.send(chat["id"], "hello")["reply"]["content"] == "You said: hello"


@on_sqlite
def test_wrong_credentials_get_equal_answers(ada: Visitor, server: Server, make_visitor: MakeVisitor) -> None:
    inactive = make_visitor().register()
    change_rows(server, "UPDATE accounts_user SET is_active = ? WHERE email = ?", False, inactive.email)
    answers = [ada.login(password="Wrong-No-9"), ada.login(email=fresh_email()), ada.login(email=inactive.email)]
    assert {outcome(answer) for answer in answers} == {(401, "wrong_credentials")}
    assert {answer.headers["WWW-Authenticate"] for answer in answers} == {"Bearer"}
    assert len({json.dumps({**answer.json(), "request_id": ""}) for answer in answers}) == 1
    assert not inactive.is_let_in()


@on_sqlite
def test_taken_email_is_told(ada: Visitor) -> None:
    response = ada.post("register/", email=ada.email.upper(), password=PASSWORD)
    assert outcome(response) == (409, "email_taken")


def test_two_registrations_at_once_make_one_person(make_visitor: MakeVisitor) -> None:
    email = fresh_email()
    visitors = [make_visitor() for _ in range(4)]
    answers = at_once(*[lambda v=one: v.post("register/", email=email, password=PASSWORD) for one in visitors])
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]


@on_sqlite
def test_each_failed_rule_of_a_password_is_named(make_visitor: MakeVisitor) -> None:
    response = make_visitor().post("register/", email=fresh_email(), password="weak pass")
    assert outcome(response) == (400, "password_too_short")
    assert fields_of(response) == [
        ("password", "password_too_short"), ("password", "password_no_upper_case"), ("password", "password_no_digit"),
        ("password", "password_no_special"), ("password", "password_white_space"),
    ]  # fmt: skip
    assert fields_of(make_visitor().post("register/", email=fresh_email(), password="aA1!" * 100)) == [
        ("password", "password_too_long")
    ]


# Input --------------------------------------------------------------------------------------------
BAD_BODIES = [
    ("register/", {"email": "ada", "password": PASSWORD}, ("email", "bad_email")),
    ("register/", {"email": "a" * 250 + "@example.com", "password": PASSWORD}, ("email", "too_long")),
    ("register/", {"email": "ﷺ" * 15 + "@example.com", "password": PASSWORD}, ("email", "bad_email")),
    ("register/", {"email": f"x@{'㎯' * 60}.example.com", "password": PASSWORD}, ("email", "bad_email")),
    ("register/", {"email": "ada@example.com\n", "password": PASSWORD}, ("email", "not_single_line")),
    ("register/", {"email": "ada@example.com", "password": PASSWORD, "name": "x" * 81}, ("name", "too_long")),
    ("register/", {"email": "ada@example.com", "password": PASSWORD, "is_staff": True}, ("is_staff", "unknown_field")),
    ("register/", {"email": "ada@example.com", "password": 1234567890}, ("password", "wrong_type")),
    ("login/", {"email": "ada@example.com"}, ("password", "required")),
    ("login/", {"email": "ada@example.com", "password": "x" * 257}, ("password", "too_long")),
    ("login/", {"email": "ada@example.com", "password": "x\u0000"}, ("password", "bad_characters")),
    ("login/", {"email": "ada@example.com", "password": "x\ud800"}, ("password", "bad_characters")),
    ("login/", {"email": "a\u0000@example.com", "password": "x"}, ("email", "bad_characters")),
    ("refresh/", {}, ("refresh_token", "required")),
    ("logout/", {"refresh_token": "x" * 2001}, ("refresh_token", "too_long")),
    ("password/reset/", {"email": "ada"}, ("email", "bad_email")),
    ("password/reset/confirm/", {"uid": "x", "token": "y"}, ("new_password", "required")),
]


@pytest.mark.parametrize(("path", "body", "error"), BAD_BODIES)
@on_sqlite
def test_bad_input_is_named(make_visitor: MakeVisitor, path: str, body: dict[str, Any], error: tuple[str, str]) -> None:
    response = make_visitor().http.post(
        AUTH + path, content=json.dumps(body), headers={"Content-Type": "application/json"}
    )
    assert response.status_code == 400
    assert fields_of(response) == [error]


# Limits -------------------------------------------------------------------------------------------
def test_sixth_attempt_has_to_wait(ada: Visitor, make_visitor: MakeVisitor) -> None:
    visitor = make_visitor()
    answers = at_once(*[lambda: visitor.login(email=ada.email, password="x") for _ in range(8)])
    assert sorted(map(outcome, answers)) == [(401, "wrong_credentials")] * 5 + [(429, "too_fast")] * 3
    refused = visitor.login(email=ada.email)
    assert outcome(refused) == (429, "too_fast")
    assert 800 < int(refused.headers["Retry-After"]) <= 900
    assert ada.login().status_code == 200


@on_postgres
def test_processes_count_together(
    ada: Visitor, grown_servers: tuple[Server, Server], make_visitor: MakeVisitor
) -> None:
    address = fresh_address()
    visitors = [make_visitor(server, address) for server in grown_servers]
    statuses = [visitors[number % 2].login(email=ada.email, password="x").status_code for number in range(7)]
    assert statuses == [401] * 5 + [429] * 2


@on_sqlite
def test_eleventh_sign_up_has_to_wait(make_visitor: MakeVisitor, ada: Visitor) -> None:
    visitor = make_visitor()
    answers = [visitor.post("register/", email=ada.email, password=PASSWORD) for _ in range(11)]
    assert [outcome(answer)[1] for answer in answers] == ["email_taken"] * 10 + ["too_fast"]
    assert int(answers[-1].headers["Retry-After"]) > 3000


# Refresh ------------------------------------------------------------------------------------------
@on_sqlite
def test_refresh_token_is_good_once(ada: Visitor) -> None:
    first = ada.tokens
    response = ada.refresh()
    assert (response.status_code, response.headers["Cache-Control"]) == (200, "no-store")
    assert set(response.json()) == set(first)
    assert outcome(ada.refresh()) == (401, "token_reused")
    assert ada.is_let_in(response.json()["access_token"])
    assert ada.refresh(response.json()["refresh_token"]).status_code == 200


def test_two_refreshes_at_once_give_one_pair(ada: Visitor, make_visitor: MakeVisitor) -> None:
    tabs, token = [make_visitor() for _ in range(4)], ada.tokens["refresh_token"]
    answers = at_once(*[lambda tab=tab: tab.refresh(token) for tab in tabs])
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401]
    given = next(answer.json() for answer in answers if answer.status_code == 200)
    assert ada.is_let_in(given["access_token"])
    assert ada.refresh(given["refresh_token"]).status_code == 200


def test_stolen_refresh_token_ends_the_sign_in(ada: Visitor, server: Server, make_visitor: MakeVisitor) -> None:
    stolen = ada.tokens["refresh_token"]
    fresh = ada.refresh().json()
    jti = claims_of(stolen)["jti"]
    used = "(SELECT id FROM token_blacklist_outstandingtoken WHERE jti = ?)"
    sql = f"UPDATE token_blacklist_blacklistedtoken SET blacklisted_at = '2020-01-01' WHERE token_id = {used}"
    assert change_rows(server, sql, jti) == 1
    assert outcome(make_visitor().refresh(stolen)) == (401, "token_reused")
    assert not ada.is_let_in(fresh["access_token"])
    assert outcome(ada.refresh(fresh["refresh_token"])) == (401, "token_invalid")
    assert ada.login().status_code == 200


# Signing out, another password ----------------------------------------------------------------------
def test_logout_ends_one_sign_in_with_all_its_tokens(ada: Visitor) -> None:
    other = ada.tokens
    ada.login()
    older, newer = ada.tokens, ada.refresh().json()
    response = ada.post("logout/", refresh_token=newer["refresh_token"])
    assert (response.status_code, response.content) == (204, b"")
    assert not ada.is_let_in(older["access_token"])
    assert not ada.is_let_in(newer["access_token"])
    assert outcome(ada.refresh(newer["refresh_token"])) == (401, "token_invalid")
    assert outcome(ada.post("logout/", refresh_token=newer["refresh_token"])) == (401, "token_invalid")
    assert ada.is_let_in(other["access_token"])


def test_another_password_ends_all_sign_ins(ada: Visitor) -> None:
    first = ada.tokens
    ada.login()
    response = ada.call("POST", "password/", {"current_password": PASSWORD, "new_password": NEW})
    assert (response.status_code, response.headers["Cache-Control"]) == (200, "no-store")
    for old in (first, ada.tokens):
        assert not ada.is_let_in(old["access_token"])
        assert outcome(ada.refresh(old["refresh_token"])) == (401, "token_invalid")
    assert ada.is_let_in(response.json()["access_token"])
    assert ada.refresh(response.json()["refresh_token"]).status_code == 200
    assert outcome(ada.login()) == (401, "wrong_credentials")
    assert ada.login(password=NEW).status_code == 200


@on_sqlite
def test_wrong_current_password_changes_nothing_and_is_limited(ada: Visitor, make_visitor: MakeVisitor) -> None:
    body = {"current_password": "Wrong-No-9", "new_password": NEW}
    answers = [ada.call("POST", "password/", body) for _ in range(6)]
    assert [outcome(answer) for answer in answers] == [(400, "wrong_password")] * 5 + [(429, "too_fast")]
    assert fields_of(answers[0]) == [("current_password", "wrong_password")]
    assert outcome(ada.login()) == (429, "too_fast")  # one budget for both
    assert make_visitor().login(email=ada.email).status_code == 200


@on_sqlite
def test_bad_new_password_is_named(ada: Visitor) -> None:
    response = ada.call("POST", "password/", {"current_password": PASSWORD, "new_password": "Engine9"})
    assert fields_of(response) == [("new_password", "password_too_short"), ("new_password", "password_no_special")]
    assert ada.is_let_in()


# Who I am -----------------------------------------------------------------------------------------
@on_sqlite
def test_me(ada: Visitor) -> None:
    user = ada.tokens["user"]
    expected = {**user, "external_id": f"user-{user['id']}", "tenants": []}
    assert ada.call("GET", "me/").json() == expected


def test_name_changes_everywhere(ada: Visitor, server: Server, make_client: Callable[..., ApiClient]) -> None:
    response = ada.call("PATCH", "me/", {"name": "Countess"})
    assert (response.status_code, response.json()["name"]) == (200, "Countess")
    assert ada.login().json()["user"]["name"] == "Countess"
    client = make_client(server, key=ada.tokens["access_token"])
    assert client.post("/api/v1/sessions/", {}).json()["user"]["name"] == "Countess"
    assert fields_of(ada.call("PATCH", "me/", {})) == [("name", "required")]
    assert fields_of(ada.call("PATCH", "me/", {"email": "x@example.com", "name": ""})) == [("email", "unknown_field")]


@on_sqlite
@pytest.mark.parametrize(("method", "path"), [("GET", "me/"), ("PATCH", "me/"), ("POST", "password/")])
def test_only_people_are_people(
    alice: ApiClient, server: Server, make_visitor: MakeVisitor, method: str, path: str
) -> None:
    token = alice.post("/api/v1/tokens/", {"user": {"external_id": alice.external_id}}).json()["token"]
    visitor = make_visitor()
    for credential in (server.key, token):
        assert outcome(visitor.call(method, path, {}, token=credential)) == (403, "not_a_person")
    assert outcome(visitor.http.request(method, AUTH + path)) == (401, "not_authenticated")
    visitor.http.get("/")  # with DEBUG a stranger at the page is an anonymous end user
    csrf = {"X-CSRFToken": visitor.http.cookies["csrftoken"], "Referer": f"{server.url}/"}
    assert outcome(visitor.http.request(method, AUTH + path, headers=csrf)) == (403, "not_a_person")


# Tokens that are none -------------------------------------------------------------------------------
def signing_key(server: Server) -> str:
    """As config.environment derives it."""
    return hmac.new((server.env["SECRET_KEY"]).encode(), b"chatify JWT_SIGNING_KEY", hashlib.sha256).hexdigest()


def forgeries(server: Server, pair: dict[str, Any]) -> dict[str, str]:
    """Access tokens that are almost good."""
    good, key, now = claims_of(pair["access_token"]), signing_key(server), int(time.time())
    head, body, signature = pair["access_token"].split(".")

    def encode(key: str = key, algorithm: str = "HS256", **changes: Any) -> str:
        claims = {name: value for name, value in {**good, **changes}.items() if value is not None}
        return jwt.encode(claims, key, algorithm)

    assert encode() == pair["access_token"], "what is forged here differs in one thing only"
    return {
        "expired": encode(exp=now - 1),
        "none": jwt.encode(good, "", "none"),
        "none with a signature": f"{jwt.encode(good, '', 'none')}{signature}",
        "unsigned": f"{head}.{body}.",
        "wrong key": encode(key="x" * 64),
        "Django's key": encode(key=server.env["SECRET_KEY"]),
        "wrong audience": encode(aud="somebody"),
        "no audience": encode(aud=None),
        "wrong issuer": encode(iss="somebody"),
        "wrong algorithm": encode(algorithm="HS512"),
        "refresh as access": pair["refresh_token"],
        "no type": encode(token_type=None),
        "other type": encode(token_type="sliding"),
        "unknown sign-in": encode(sid=str(uuid4())),
        "no sign-in": encode(sid=None),
        "odd sign-in": encode(sid=["x"]),
        "changed": f"{head}.{body[:-2]}xx.{signature}",
    }


@on_sqlite
def test_forged_tokens_are_refused(ada: Visitor, server: Server) -> None:
    assert ada.is_let_in()
    for name, token in forgeries(server, ada.tokens).items():
        response = ada.call("GET", "me/", token=token)
        assert outcome(response) == (401, "not_authenticated"), name


@on_sqlite
def test_forged_refresh_tokens_are_refused(ada: Visitor, server: Server) -> None:
    refresh = claims_of(ada.tokens["refresh_token"])
    forged = {**forgeries(server, ada.tokens), "refresh as access": ada.tokens["access_token"]}
    for name, changes in {"expired": {"exp": 1}, "no id": {"jti": None}, "no end": {"exp": None}}.items():
        claims = {key: value for key, value in {**refresh, **changes}.items() if value is not None}
        forged[f"refresh: {name}"] = jwt.encode(claims, signing_key(server), "HS256")
    for name, token in forged.items():
        assert outcome(ada.refresh(token)) == (401, "token_invalid"), name
        assert outcome(ada.post("logout/", refresh_token=token)) == (401, "token_invalid"), name
    assert ada.refresh().status_code == 200


# The page and the admin -----------------------------------------------------------------------------
@on_sqlite
def test_page_signs_in_with_the_same_limits(ada: Visitor, make_visitor: MakeVisitor) -> None:
    visitor = make_visitor()
    page = visitor.send_form("/login/", username=ada.email, password="Wrong-No-9")
    assert "The e-mail address or the password is wrong." in page.text
    for _ in range(4):
        assert visitor.login(email=ada.email, password="Wrong-No-9").status_code == 401
    page = visitor.send_form("/login/", username=ada.email, password=PASSWORD)
    assert "Too many attempts. Please come back in 15 minutes." in page.text
    assert "sessionid" not in visitor.http.cookies or visitor.http.get(f"{AUTH}me/").status_code != 200
    page = make_visitor().send_form("/login/", username=ada.email.upper(), password=PASSWORD)
    assert page.url.path == "/"


@on_sqlite
def test_person_at_the_page_stays_there_with_another_password(ada: Visitor, make_visitor: MakeVisitor) -> None:
    here, there = make_visitor(), make_visitor()
    for browser in (here, there):
        browser.send_form("/login/", username=ada.email, password=PASSWORD)
        assert browser.http.get(f"{AUTH}me/").json()["email"] == ada.email
    csrf = {"X-CSRFToken": here.http.cookies["csrftoken"], "Referer": str(here.http.base_url)}
    body = {"current_password": PASSWORD, "new_password": NEW}
    assert here.http.post(f"{AUTH}password/", json=body, headers=csrf).status_code == 200
    assert here.http.get(f"{AUTH}me/").json()["email"] == ada.email
    assert there.http.get(f"{AUTH}me/").status_code in (401, 403)
    assert not ada.is_let_in()


@on_sqlite
def test_admin_signs_in_with_the_same_limits(ada: Visitor, server: Server, make_visitor: MakeVisitor) -> None:
    visitor, admin = make_visitor(), "/admin/login/?next=/admin/"
    page = visitor.send_form(admin, username=ada.email, password=PASSWORD)
    assert "for a staff account" in page.text
    change_rows(server, "UPDATE accounts_user SET is_staff = ? WHERE email = ?", True, ada.email)
    for _ in range(5):
        assert "for a staff account" in visitor.send_form(admin, username=ada.email, password="x").text
    page = visitor.send_form(admin, username=ada.email, password=PASSWORD)
    assert "Too many attempts. Please come back in 15 minutes." in page.text
    assert make_visitor().send_form(admin, username=ada.email, password=PASSWORD).url.path == "/admin/"

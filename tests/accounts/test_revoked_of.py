"""The sweep that finds who may not be here any more: each kind of credential, and what it costs."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.utils import timezone

from chatify.accounts.credentials import create_api_key, issue_ticket, principal_of, redeem_ticket
from chatify.accounts.models import ApiKey, EndUser, Login, Tenant, User
from chatify.accounts.people import end_user_of
from chatify.accounts.principal import Credential, Principal
from chatify.accounts.revocation import revoked_of
from chatify.accounts.tokens import end_logins, issue_end_user_token, issue_pair

pytestmark = pytest.mark.django_db
LONG_AGO = timezone.now() - timedelta(days=1)
PASSWORD = "Fresh-Water-7"


def is_revoked(principal: Principal) -> bool:
    return revoked_of([principal]) == {principal}


@pytest.fixture
def tenant() -> Tenant:
    return Tenant.objects.create(slug="t", name="T")


@pytest.fixture
def ada(tenant: Tenant) -> EndUser:
    return EndUser.objects.create(tenant=tenant, external_id="ada")


@pytest.fixture
def key(tenant: Tenant) -> tuple[ApiKey, str]:
    return create_api_key(tenant=tenant, name="k")


@pytest.fixture
def person() -> User:
    return User.objects.create_user("ada@example.com", PASSWORD)


# As they come in ------------------------------------------------------------------------------------
@pytest.fixture
def by_key(key: tuple[ApiKey, str]) -> Principal:
    return _working(principal_of(key[1]))


@pytest.fixture
def by_token(key: tuple[ApiKey, str], ada: EndUser) -> Principal:
    return _working(principal_of(issue_end_user_token(end_user=ada, api_key_id=key[0].id)[0]))


@pytest.fixture
def by_ticket(by_key: Principal, ada: EndUser) -> Principal:
    return _ticket(by_key, ada)


@pytest.fixture
def by_login(person: User) -> Principal:
    login = Login.objects.create(user=person, password_stamp=person.password_stamp)
    return _working(principal_of(issue_pair(login).access_token))


@pytest.fixture
def by_browser(person: User) -> Principal:
    """Somebody who signed in at the page."""
    end_user = end_user_of(person)
    assert end_user is not None
    store = SessionStore()
    store[SESSION_KEY], store[HASH_SESSION_KEY] = str(person.pk), person.get_session_auth_hash()
    store[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    store.create()
    credential = Credential(browser_key=store.session_key or "")
    return Principal(end_user.tenant_id, end_user_id=end_user.id, user_id=person.pk, credential=credential)


@pytest.fixture
def by_anonymous_browser(ada: EndUser) -> Principal:
    """A stranger at the page (DEBUG)."""
    store = SessionStore()
    store["end_user_id"] = str(ada.id)
    store.create()
    return Principal(ada.tenant_id, end_user_id=ada.id, credential=Credential(browser_key=store.session_key or ""))


@pytest.fixture(params=["by_key", "by_token", "by_ticket", "by_login", "by_browser", "by_anonymous_browser"])
def anybody(request: pytest.FixtureRequest) -> Principal:
    return request.getfixturevalue(request.param)


def _working(principal: Principal | None) -> Principal:
    assert principal is not None
    return principal


def _ticket(by: Principal, ada: EndUser) -> Principal:
    chat = uuid4()
    ticket, _ = issue_ticket(tenant_id=by.tenant_id, end_user_id=ada.id, chat_session_id=chat, credential=by.credential)
    return _working(redeem_ticket(ticket, chat))


# All of them ----------------------------------------------------------------------------------------
def test_whoever_is_in_may_stay(anybody: Principal):
    assert not is_revoked(anybody)


def test_tenant_that_is_deleted(anybody: Principal):
    Tenant.objects.filter(id=anybody.tenant_id).update(deleted_at=timezone.now())
    assert is_revoked(anybody)


def test_end_user_who_is_erased(anybody: Principal):
    EndUser.objects.all().delete()
    assert is_revoked(anybody) == (anybody.end_user_id is not None)


def test_only_those_are_named_who_are_revoked(by_key: Principal, by_login: Principal, by_browser: Principal):
    Login.objects.update(ended_at=timezone.now())
    assert revoked_of([by_key, by_login, by_browser]) == {by_login}
    assert revoked_of([]) == set()


# Keys, tokens and tickets ----------------------------------------------------------------------------
def test_key_that_is_revoked_ends_what_came_of_it(by_key: Principal, by_token: Principal, by_ticket: Principal):
    ApiKey.objects.update(revoked_at=timezone.now())
    assert revoked_of([by_key, by_token, by_ticket]) == {by_key, by_token, by_ticket}


def test_key_that_expires_ends_itself_alone(by_key: Principal, by_token: Principal, by_ticket: Principal):
    ApiKey.objects.update(expires_at=LONG_AGO)
    assert revoked_of([by_key, by_token, by_ticket]) == {by_key}


def test_key_that_will_expire_works(by_key: Principal):
    ApiKey.objects.update(expires_at=timezone.now() + timedelta(minutes=1))
    assert not is_revoked(by_key)


def test_key_that_is_gone(by_key: Principal):
    ApiKey.objects.all().delete()
    assert is_revoked(by_key)


def test_raised_epoch_ends_tokens_and_their_tickets(by_key: Principal, by_token: Principal, ada: EndUser):
    of_token = _ticket(by_token, ada)
    of_key = _ticket(by_key, ada)
    EndUser.objects.update(token_epoch=1)
    assert revoked_of([by_token, of_token, of_key]) == {by_token, of_token}


def test_token_that_expires_closes_nothing(by_token: Principal, settings: Any):
    settings.END_USER_TOKEN_SECONDS = 0
    assert not is_revoked(by_token)


# People ---------------------------------------------------------------------------------------------
def test_sign_in_that_ends(by_login: Principal, by_browser: Principal, ada: EndUser):
    of_login = _ticket(by_login, ada)
    assert end_logins(Login.objects.all()) == 1
    assert revoked_of([by_login, of_login, by_browser]) == {by_login, of_login}


@pytest.mark.parametrize(
    "change", [{"is_active": False}, {"password": "pbkdf2_sha256$1$other$one"}], ids=["locked", "new password"]
)
def test_person_who_is_locked_or_has_a_new_password(by_login: Principal, by_browser: Principal, change: dict[str, Any]):
    User.objects.update(**change)
    assert revoked_of([by_login, by_browser]) == {by_login, by_browser}


def test_browser_session_that_ends(by_browser: Principal, by_anonymous_browser: Principal, ada: EndUser):
    tickets = {_ticket(by_browser, ada), _ticket(by_anonymous_browser, ada)}
    Session.objects.all().delete()
    assert revoked_of([by_browser, by_anonymous_browser, *tickets]) == {by_browser, by_anonymous_browser, *tickets}


def test_browser_session_that_expires(by_browser: Principal, by_anonymous_browser: Principal):
    Session.objects.update(expire_date=LONG_AGO)
    assert revoked_of([by_browser, by_anonymous_browser]) == {by_browser, by_anonymous_browser}


def test_somebody_else_signs_in_at_the_browser(by_browser: Principal):
    other = User.objects.create_user("ben@example.com", PASSWORD)
    store = SessionStore(by_browser.credential.browser_key)
    store[SESSION_KEY], store[HASH_SESSION_KEY] = str(other.pk), other.get_session_auth_hash()
    store.save()
    assert is_revoked(by_browser)


def test_ticket_of_a_page_lasts_as_long_as_its_session(by_browser: Principal, ada: EndUser):
    ticket = _ticket(by_browser, ada)
    assert not is_revoked(ticket)
    User.objects.update(password="pbkdf2_sha256$1$other$one")
    assert is_revoked(ticket)


def test_browser_session_whose_text_was_tampered_with(by_browser: Principal):
    Session.objects.update(session_data="e30:1abc:nonsense")
    assert is_revoked(by_browser)


# What it costs ----------------------------------------------------------------------------------------
PEOPLE = 5000


def _tokens(tenant: Tenant) -> list[Principal]:
    key = ApiKey.objects.create(tenant=tenant, name="k", prefix="k")
    users = EndUser.objects.bulk_create([EndUser(tenant=tenant, external_id=str(n)) for n in range(PEOPLE)])
    credential = Credential(api_key_id=key.id, token_epoch=0)
    return [Principal(tenant.id, end_user_id=user.id, credential=credential) for user in users]


def _people(tenant: Tenant) -> list[User]:
    return User.objects.bulk_create([User(email=f"{n}@example.com", password=f"hash{n}") for n in range(PEOPLE)])


def _logins(tenant: Tenant) -> list[Principal]:
    rows = [Login(user=user, password_stamp=user.password_stamp) for user in _people(tenant)]
    logins = Login.objects.bulk_create(rows)
    return [Principal(tenant.id, user_id=row.user_id, credential=Credential(login_id=row.id)) for row in logins]


def _browsers(tenant: Tenant) -> list[Principal]:
    people, store, until = _people(tenant), SessionStore(), timezone.now() + timedelta(days=1)
    held = [{SESSION_KEY: str(user.pk), HASH_SESSION_KEY: user.get_session_auth_hash()} for user in people]
    rows = [
        Session(session_key=f"s{n}", session_data=store.encode(one), expire_date=until) for n, one in enumerate(held)
    ]
    Session.objects.bulk_create(rows)
    return [
        Principal(tenant.id, user_id=user.pk, credential=Credential(browser_key=row.session_key))
        for user, row in zip(people, rows, strict=True)
    ]


@pytest.mark.parametrize("make", [_tokens, _logins, _browsers])
def test_five_thousand_are_swept_quickly(
    tenant: Tenant, make: Callable[[Tenant], list[Principal]], django_assert_max_num_queries: Any
):
    principals = make(tenant)
    seconds = []
    for _ in range(4):
        started = time.process_time()
        with django_assert_max_num_queries(45):
            assert revoked_of(principals) == set()
        seconds.append(time.process_time() - started)
    assert min(seconds) < 0.3  # 0.03 to 0.1 where nothing else runs; one query for each of them took 2 and more

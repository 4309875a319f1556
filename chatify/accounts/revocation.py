"""Which of those who are connected, or have a reply written, may not be any more."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar
from uuid import UUID

from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.db.models.functions import Now

from chatify.accounts.models import ApiKey, EndUser, Login, Tenant, User
from chatify.accounts.principal import Principal

ASKED_AT_ONCE = 500
"""Ids in one query."""

K = TypeVar("K", UUID, str)
V = TypeVar("V")


def revoked_of(principals: Collection[Principal]) -> set[Principal]:
    """Those of them whose tenant, end user, key, sign-in or browser session is gone, ended or revoked.

    Tokens and tickets that expire close nothing: whoever is in may stay. A key that expires does.
    """
    known = _Known(
        tenants=_ask(_tenants, (p.tenant_id for p in principals)),
        end_users=_ask(_end_users, (p.end_user_id for p in principals)),
        keys=_ask(_api_keys, (p.credential.api_key_id for p in principals)),
        logins=_ask(_logins, (p.credential.login_id for p in principals)),
        browsers=_ask(_browsers, (p.credential.browser_key for p in principals)),
    )
    return {principal for principal in principals if not known.is_good(principal)}


@dataclass(frozen=True, slots=True)
class _Known:
    """What the database says of them."""

    tenants: dict[UUID, bool]
    end_users: dict[UUID, int]  # with their token epochs
    keys: dict[UUID, bool]  # those not revoked, with whether they are not expired either
    logins: dict[UUID, bool]
    browsers: dict[str, str]  # with the person signed in there, or ""

    def is_good(self, principal: Principal) -> bool:
        """Whether nothing of what the principal rests on is gone."""
        shown, end_user_id = principal.credential, principal.end_user_id
        if principal.tenant_id not in self.tenants:
            return False
        if end_user_id is not None:
            epoch = self.end_users.get(end_user_id)
            if epoch is None or shown.token_epoch not in (None, epoch):
                return False
        if shown.api_key_id is not None:
            is_working = self.keys.get(shown.api_key_id)
            if is_working is None or (shown.is_key and not is_working):
                return False
        if shown.login_id is not None and shown.login_id not in self.logins:
            return False
        return not shown.browser_key or self._is_still_there(shown.browser_key, principal.user_id)

    def _is_still_there(self, browser_key: str, user_id: UUID | None) -> bool:
        # A ticket does not know who was signed in; but the key changes whenever somebody signs in or out.
        there = self.browsers.get(browser_key)
        return there is not None and (user_id is None or there == str(user_id))


def _ask(question: Callable[[list[K]], dict[K, V]], keys: Iterable[K | None]) -> dict[K, V]:
    found: dict[K, V] = {}
    for batch in _batches({key for key in keys if key}):
        found.update(question(batch))
    return found


def _batches(keys: Collection[K]) -> Iterator[list[K]]:
    listed = list(keys)
    for start in range(0, len(listed), ASKED_AT_ONCE):
        yield listed[start : start + ASKED_AT_ONCE]


def _api_keys(ids: list[UUID]) -> dict[UUID, bool]:
    rows = ApiKey.objects.filter(id__in=ids, revoked_at__isnull=True)
    working = set(ApiKey.objects.working().filter(id__in=ids).values_list("id", flat=True))
    return {id_: id_ in working for id_ in rows.values_list("id", flat=True)}


def _logins(ids: list[UUID]) -> dict[UUID, bool]:
    """What `Login.is_working` says, without an instance for each."""
    rows = Login.objects.filter(id__in=ids, ended_at=None, user__is_active=True)
    found = rows.values_list("id", "password_stamp", "user__password")
    return {id_: True for id_, stamp, password in found if stamp == _marks_of(password)[0]}


def _end_users(ids: list[UUID]) -> dict[UUID, int]:
    return dict(EndUser.objects.filter(id__in=ids).values_list("id", "token_epoch"))


def _tenants(ids: list[UUID]) -> dict[UUID, bool]:
    return dict.fromkeys(Tenant.objects.existing().filter(id__in=ids).values_list("id", flat=True), True)


def _browsers(keys: list[str]) -> dict[str, str]:
    """The person signed in with each browser session ("" for nobody); not those whose password changed."""
    rows = Session.objects.filter(session_key__in=keys, expire_date__gt=Now())
    signed_in = {key: _signed_in(data) for key, data in rows.values_list("session_key", "session_data")}
    people = User.objects.filter(id__in={id_ for id_, _ in signed_in.values() if id_}, is_active=True)
    hashes = {str(id_): _marks_of(password)[1] for id_, password in people.values_list("id", "password")}
    return {key: id_ for key, (id_, hash_) in signed_in.items() if not id_ or hashes.get(id_) == hash_}


# Each of these is asked about the same few thousand every other second.


@lru_cache(maxsize=10_000)
def _signed_in(session_data: str) -> tuple[str, str]:
    """The person and the mark of their password that a browser session holds, both "" for nobody."""
    data = SessionStore().decode(session_data)
    return str(data.get(SESSION_KEY, "")), str(data.get(HASH_SESSION_KEY, ""))


@lru_cache(maxsize=10_000)
def _marks_of(password: str) -> tuple[str, str]:
    """By what sign-ins and browser sessions know this password (it is a hash already)."""
    user = User(password=password)
    return user.password_stamp, user.get_session_auth_hash()

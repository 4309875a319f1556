"""Signing in by password, and how often that may be tried.

Whoever guesses passwords is slowed down three times: per account and address, per address, per account. The last one
does not count from addresses from which the account was signed in to before, or whoever knows somebody's e-mail address
could lock them out. Nothing here tells whether there is such an account: budgets are those of what was typed, and a
password is hashed once in each case. Only registering tells it, and is limited for that reason.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv6Address, IPv6Network, ip_address
from threading import BoundedSemaphore

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.hashers import make_password
from django.contrib.sessions.models import Session
from django.db import IntegrityError, connection, transaction
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.crypto import salted_hmac

from chatify.accounts.audit import Who, record
from chatify.accounts.browser import end_browser_sessions
from chatify.accounts.emails import normal_email
from chatify.accounts.models import Login, User
from chatify.accounts.passwords import MAX_LENGTH, check_new_password
from chatify.accounts.tokens import end_logins
from chatify.common.errors import Conflict, Forbidden, InvalidInput, NotAuthenticated, Unavailable
from chatify.limits.budgets import Budget, Share, budgets

PAIR_TRIES = Budget("sign_in_pair", 5, 15 * 60, "attempts to sign in")
ADDRESS_TRIES = Budget("sign_in_address", 100, 15 * 60, "attempts to sign in")
ACCOUNT_TRIES = Budget("sign_in_account", 50, 3600, "attempts to sign in")
SIGN_UPS = Budget("sign_ups", 10, 3600, "sign-ups")

HASHED_AT_ONCE = max(1, (os.cpu_count() or 1) // 2)
"""In this process. A hash takes a third of a second of CPU: a flood of sign-ins shall leave some for chats."""
HASHING_PATIENCE_SECONDS = 15.0

_hashers = BoundedSemaphore(HASHED_AT_ONCE)


# Signing in ---------------------------------------------------------------------------------------


def check_credentials(*, email: str, password: str, address: str) -> User:
    """The active person with this e-mail address and password; `address` is where the request came from.

    Raises TooFast, NotAuthenticated (`wrong_credentials`), Unavailable. Who is unknown, inactive or without a password
    gets the same answers after the same time as who mistypes.
    """
    email = normal_email(email)
    shares = _spend_try(email, address)
    user = User.objects.filter(email=email).first()
    with _given_back_if_busy(shares):
        is_right = _is_right(user, password)
    if not is_right or user is None:
        raise NotAuthenticated("The e-mail address or the password is wrong.", code="wrong_credentials")
    forgive_tries(email=email, address=address)
    return user


def sign_in(*, user: User, address: str) -> Login:
    """A sign-in of somebody whose credentials were checked; `tokens.issue_pair` gives its tokens."""
    user.last_login = timezone.now()
    User.objects.filter(pk=user.pk).update(last_login=user.last_login)
    return Login.objects.create(user=user, password_stamp=user.password_stamp, address_digest=_digest(address))


def note_address(*, user: User, address: str) -> None:
    """Remember that this person has been at this address, with a sign-in that has no tokens."""
    Login.objects.create(
        user=user,
        password_stamp=user.password_stamp,
        address_digest=_digest(address),
        ended_at=timezone.now(),
    )


@transaction.atomic
def sign_out_everywhere(*, user: User, kept_browser: str | None, who: Who) -> int:
    """End all sign-ins of a person, in browsers too, but for the one with the session key `kept_browser`.

    Gives their number. The password stays.
    """
    browsers = Session.objects.filter(expire_date__gt=Now()).exclude(session_key=kept_browser)
    count = end_logins(Login.objects.filter(user=user)) + end_browser_sessions(browsers, SESSION_KEY, user.pk)
    record("person.signed_out", who=who, subject_id=user.id, sign_ins=count)
    return count


def forgive_tries(*, email: str, address: str) -> None:
    """They were the right one, after all: the budget of this account at this address is whole again."""
    budgets().forgive(PAIR_TRIES, normal_email(email), normal_address(address))


def _spend_try(email: str, address: str) -> list[Share]:
    """All or nothing: an app that goes on and on with an old password does not use up what others have."""
    place = normal_address(address)
    shares: list[Share] = [(PAIR_TRIES, email, place), (ADDRESS_TRIES, place)]
    if not Login.objects.filter(user__email=email, address_digest=_digest(address)).exists():
        shares.append((ACCOUNT_TRIES, email))
    budgets().spend_all(*shares)
    return shares


@contextmanager
def _given_back_if_busy(shares: list[Share]) -> Iterator[None]:
    """Nothing was tried then, and they are asked to come again: somebody's flood shall not lock others out."""
    try:
        yield
    except Unavailable:
        budgets().give_back(*shares)
        raise


def _is_right(user: User | None, password: str) -> bool:
    if len(password) > MAX_LENGTH:
        return False  # whoever it is: nobody has one, and hashing would only cost us time
    with hashing():
        if user is None:
            make_password(password)  # as long as the check would have taken
            return False
        return user.check_password(password) and user.is_active


# Registering, another password --------------------------------------------------------------------


def register(*, email: str, password: str, name: str = "", address: str) -> User:
    """A new person. Raises as `new_person` and `add_person` do."""
    user = new_person(email=email, password=password, name=name, address=address)
    add_person(user)
    return user


def new_person(*, email: str, password: str, name: str, address: str) -> User:
    """Somebody who may sign up, not stored yet: hashing takes its time, so it is not for a transaction.

    `email` is a normal one; the password may not be like it, nor like `name`. Raises Forbidden (`sign_up_closed`),
    InvalidInput that names each rule that the password fails, TooFast, Conflict (`email_taken`), Unavailable.
    """
    _check_open()
    user = User(email=email, name=name)
    check_new_password(password, user=user)
    share: Share = (SIGN_UPS, normal_address(address))
    budgets().spend_all(share)
    if User.objects.filter(email=email).exists():
        raise email_taken()
    with _given_back_if_busy([share]), hashing():
        user.set_password(password)
    return user


def find_person(*, email: str, password: str, address: str) -> User | None:
    """Somebody who has signed up before and signs up for something more; None for a new address.

    Raises Forbidden (`sign_up_closed`), Conflict (`email_taken`) when the password is not theirs, TooFast, Unavailable.
    """
    _check_open()
    if not User.objects.filter(email=email).exists():
        return None
    budgets().spend(SIGN_UPS, normal_address(address))
    try:
        return check_credentials(email=email, password=password, address=address)
    except NotAuthenticated:
        raise email_taken() from None


def add_person(user: User) -> None:
    """Store a new person. Raises Conflict (`email_taken`) when somebody else was faster."""
    try:
        with transaction.atomic():
            user.save(force_insert=True)
    except IntegrityError:
        raise email_taken() from None


def change_password(*, user: User, current_password: str, new_password: str, address: str) -> User:
    """Give somebody who knows their password another one. Gives them as they are then.

    Raises InvalidInput (`wrong_password`, or each rule that the new one fails), TooFast, Conflict, Unavailable.
    """
    user = check_current_password(user=user, current_password=current_password, address=address)
    set_password(user=user, password=new_password)
    return user


def check_current_password(*, user: User, current_password: str, address: str) -> User:
    """Whether somebody who has a credential knows the password, too. Gives them as they are then.

    Raises InvalidInput (`wrong_password`) and not 401, which would say that the credential is not good; TooFast,
    Unavailable.
    """
    try:
        return check_credentials(email=user.email, password=current_password, address=address)
    except NotAuthenticated:
        raise InvalidInput.at("current_password", "wrong_password", "This is not the password.") from None


def set_password(*, user: User, password: str, field: str = "new_password") -> None:
    """Give a person another password, which ends all sign-ins with their tokens, and all browsers' sessions.

    Raises InvalidInput that names `field` once for each rule that fails, Conflict (`password_changed`) when somebody
    else changed it since `user` was read, Unavailable.
    """
    store_password(user=user, encoded=hash_new_password(user=user, password=password, field=field))


def hash_new_password(*, user: User, password: str, field: str = "new_password") -> str:
    """The first half of `set_password`, which takes its time: not for a transaction."""
    check_new_password(password, user=user, field=field)
    with hashing():
        return make_password(password)


def store_password(*, user: User, encoded: str) -> None:
    """The second half, from `hash_new_password`."""
    with transaction.atomic():
        if not User.objects.filter(pk=user.pk, password=user.password).update(password=encoded):
            raise Conflict("The password was changed in this moment.", code="password_changed")
        end_logins(Login.objects.filter(user_id=user.pk))
    user.password = encoded


@contextmanager
def hashing() -> Iterator[None]:
    """Wait for a place where a password may be hashed. Raises Unavailable after HASHING_PATIENCE_SECONDS."""
    if not connection.in_atomic_block:
        connection.close()  # whoever waits here for long needs no connection, and others do
    if not _hashers.acquire(timeout=HASHING_PATIENCE_SECONDS):
        raise Unavailable("Too many people sign in at this moment.", retry_after=HASHING_PATIENCE_SECONDS)
    try:
        yield
    finally:
        _hashers.release()


def _check_open() -> None:
    if not settings.IS_SIGN_UP_OPEN:
        raise Forbidden("Nobody can sign up here. Ask whoever runs this server.", code="sign_up_closed")


def email_taken() -> Conflict:
    """The error for an address that somebody has already."""
    return Conflict("Somebody signed up with this e-mail address before.", code="email_taken")


# Addresses ----------------------------------------------------------------------------------------


def normal_address(text: str) -> str:
    """What counts as one place: an IPv4 address, or the /64 of an IPv6 address, which is what one household has."""
    try:
        address = ip_address(text)
    except ValueError:
        return text
    if not isinstance(address, IPv6Address):
        return str(address)
    return str(address.ipv4_mapped or IPv6Network((int(address) >> 64 << 64, 64)))


def _digest(address: str) -> str:
    return salted_hmac("chatify.address", normal_address(address), algorithm="sha256").hexdigest()

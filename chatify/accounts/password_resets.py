"""A new password by mail, for those who forgot theirs.

Asking only stores a row, whoever is asked for, so that neither answer nor time tells whether there is such an account.
Celery sends the mails. Links carry Django's tokens: good once, for PASSWORD_RESET_TIMEOUT, and until the next sign-in.
"""

from __future__ import annotations

from datetime import timedelta
from smtplib import SMTPDataError, SMTPRecipientsRefused
from time import monotonic
from typing import Any
from uuid import UUID

import structlog
from django.conf import settings
from django.contrib.auth.tokens import default_token_generator
from django.core.mail import EmailMessage
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_decode, urlsafe_base64_encode

from chatify.accounts.emails import normal_email
from chatify.accounts.models import PasswordReset, User
from chatify.accounts.signing_in import forgive_tries, normal_address, note_address, set_password
from chatify.common.errors import Conflict, InvalidInput
from chatify.limits.budgets import Budget, LimitReached, budgets

ADDRESS_RESETS = Budget("password_resets_address", 10, 3600, "password resets")
ACCOUNT_RESETS = Budget("password_resets_account", 3, 3600, "password resets")
GIVE_UP_AFTER = timedelta(hours=1)
FIRST_DELAY = timedelta(seconds=60)
"""Doubles with each try. Longer than sending takes, or another worker would send the mail, too."""
SENT_AT_ONCE = 50
REST_SECONDS = 30.0
"""How long nothing is tried after the mail server could not be reached: each try may take all of its timeout."""
MAX_BASE_URL = 300

_rest_until = 0.0
log = structlog.get_logger(__name__)


# Asking and answering -----------------------------------------------------------------------------


def ask_for_reset(*, email: str, base_url: str, address: str) -> None:
    """Have a mail sent, if there is such a person. `base_url` is where they reached us, for the link.

    Raises TooFast for an address that asks too often. For one account, more than a few mails are silently not sent.
    """
    if len(base_url) > MAX_BASE_URL:
        raise InvalidInput.at("", "bad_host", "This host name is too long.")
    email = normal_email(email)
    budgets().spend(ADDRESS_RESETS, normal_address(address))
    try:
        budgets().spend(ACCOUNT_RESETS, email)
    except LimitReached:
        return
    PasswordReset.objects.create(email=email, base_url=base_url, next_try_at=timezone.now())


def reset_password(*, uid: str, token: str, password: str, address: str) -> None:
    """Set a new password with what the mail said, which ends all sign-ins.

    Raises InvalidInput (`token_invalid`, or each rule that the password fails), Unavailable.
    """
    invalid = InvalidInput.at("token", "token_invalid", "It was used before, is too old, or never was one.")
    user = resettable_user(uid)
    if user is None or not default_token_generator.check_token(user, token):
        raise invalid
    try:
        finish_reset(user=user, password=password, address=address)
    except Conflict:
        raise invalid from None


def finish_reset(*, user: User, password: str, address: str) -> None:
    """Set the password of somebody whose token is good. Raises as `set_password`.

    Who reads the account's mail is no guesser, so earlier tries are forgiven, and they may sign in here.
    """
    set_password(user=user, password=password)
    forgive_tries(email=user.email, address=address)
    note_address(user=user, address=address)


def resettable_user(uid: str) -> User | None:
    """The active person whom a link is for, if they have a password at all: others are let in by staff."""
    try:
        pk = UUID(urlsafe_base64_decode(uid).decode())
    except ValueError:
        return None
    return _resettable(pk=pk)


def _resettable(**who: Any) -> User | None:
    user = User.objects.filter(**who, is_active=True).first()
    return user if user is not None and user.has_usable_password() else None


# Sending ------------------------------------------------------------------------------------------


def send_due_mails() -> int:
    """Send the mails whose time has come; safe with several workers. Gives the number of those that were sent.

    A mail that cannot be sent is tried again after a minute, two, four ..., and dropped after an hour.
    """
    _drop_old()
    if monotonic() < _rest_until:
        return 0
    due = PasswordReset.objects.filter(next_try_at__lte=timezone.now()).order_by("next_try_at")
    sent = 0
    for reset in list(due[:SENT_AT_ONCE]):
        if not _claim(reset):
            continue
        try:
            sent += _send(reset)
        except Exception as error:
            if not _is_of_one_mail(error, reset):
                break
        else:
            reset.delete()
    return sent


def _drop_old() -> None:
    count, _ = PasswordReset.objects.filter(created_at__lt=timezone.now() - GIVE_UP_AFTER).delete()
    if count:
        log.error("password_resets_dropped", count=count)


def _claim(reset: PasswordReset) -> bool:
    """Whether it is this worker's to send. One statement, so that no lock is held while the mail server takes time."""
    next_try_at = timezone.now() + FIRST_DELAY * 2**reset.tries
    mine = PasswordReset.objects.filter(id=reset.id, tries=reset.tries)
    return bool(mine.update(tries=reset.tries + 1, next_try_at=next_try_at))


def _send(reset: PasswordReset) -> bool:
    """Whether there is somebody to write to. Raises what the mail backend raises."""
    user = _resettable(email=reset.email)
    if user is None:
        return False
    context = {
        "base_url": reset.base_url,
        "uid": urlsafe_base64_encode(force_bytes(user.pk)),
        "token": default_token_generator.make_token(user),
        "minutes": settings.PASSWORD_RESET_TIMEOUT // 60,
    }
    text = render_to_string("accounts/mail/password_reset.txt", context)
    headers = {"Auto-Submitted": "auto-generated"}  # RFC 3834: no vacation notices, please
    EmailMessage("Set a new password for Chatify", text, to=[user.email], headers=headers).send()
    return True


def _is_of_one_mail(error: Exception, reset: PasswordReset) -> bool:
    """Whether others may go out although this one did not. If the mail server is away, nothing is tried for a while."""
    global _rest_until
    log.warning("password_reset_not_sent", error=type(error).__name__, tries=reset.tries + 1)
    if isinstance(error, OSError) and not isinstance(error, SMTPDataError | SMTPRecipientsRefused):
        _rest_until = monotonic() + REST_SECONDS
        return False
    return True

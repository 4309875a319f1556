"""Erasing an end user: everything that is known about them goes, for good."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import structlog
from django.db import connection, transaction
from django.db.models import F
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken

from chatify.accounts.audit import Who, record
from chatify.accounts.models import EndUser, PasswordReset, User
from chatify.accounts.people import account_of
from chatify.accounts.personal_data import blank_admin_log, holdings
from chatify.common.errors import Unavailable

ROUNDS = 10
RETRY_SECONDS = 5.0

log = structlog.get_logger(__name__)


def erase_end_user(*, end_user_id: UUID, who: Who) -> None:
    """Erase an end user with all that is known about them. Once is enough; cut short, call it again: it goes on.

    People who sign in lose their account, too, unless they are staff or own a tenant. Raises Unavailable when somebody
    goes on writing for this end user all the time.
    """
    end_user = _hide(end_user_id)
    if end_user is None:
        return
    for _ in range(ROUNDS):
        for holding in reversed(holdings()):
            if holding.erase is not None:
                holding.erase(end_user)
        if _finish(end_user, who):
            return
    raise Unavailable("This user is still being written to. Try again.", retry_after=RETRY_SECONDS)


@transaction.atomic
def _hide(end_user_id: UUID) -> EndUser | None:
    """From now on tokens open nothing, others do not wait for them, and nobody sees what is erased.

    None when it is done already.
    """
    rows = EndUser.objects.filter(id=end_user_id)
    if not rows.update(token_epoch=F("token_epoch") + 1):
        return None
    end_user = rows.select_related("tenant").get()
    for holding in holdings():
        if holding.leave is not None:
            holding.leave(end_user)
    for holding in holdings():
        if holding.hide is not None:
            holding.hide(end_user)
    return end_user


@transaction.atomic
def _finish(end_user: EndUser, who: Who) -> bool:
    """Delete the row itself. False when something refers to it again; while it is locked, nothing new can."""
    user = account_of(end_user)
    if user is not None:  # locked first, as by everybody who locks both
        user = User.objects.select_for_update().filter(id=user.id).first()
    rows = EndUser.objects.filter(id=end_user.id)
    if rows.select_for_update().first() is None:
        return True  # somebody else has erased them meanwhile
    if _is_referred_to(end_user):
        return False
    for holding in holdings():
        if holding.tell is not None:
            holding.tell(end_user)
    details = _erase_account(user) if user is not None else {}
    blank_admin_log(EndUser, [end_user.id])
    rows._raw_delete(connection.alias)  # not delete(), which would take along what nobody thought of
    record("user.erased", who=who, tenant_id=end_user.tenant_id, subject_id=end_user.id, **details)
    log.info("end_user_erased", end_user_id=str(end_user.id))
    return True


def _is_referred_to(end_user: EndUser) -> bool:
    """Asked without locks: whoever ends a reply holds a chat session's lock and waits for the one that we hold."""
    related: Any
    for related in EndUser._meta.related_objects:
        if related.related_model._base_manager.filter(**{related.field.name: end_user.id}).exists():
            return True
    return False


def _erase_account(user: User) -> dict[str, str]:
    """The account of somebody who signs in. Gives what the audit log says of it."""
    if user.is_staff or user.is_superuser or user.memberships.exists():
        return {"account": "kept"}
    PasswordReset.objects.filter(email__iexact=user.email).delete()
    OutstandingToken.objects.filter(user=user).delete()
    blank_admin_log(User, [user.id])
    user.delete()  # with the sign-ins
    return {"account": "erased"}

"""Who sits at the page: known by Django's session cookie."""

from __future__ import annotations

from uuid import uuid4

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db.models import QuerySet
from django.http import HttpRequest

from chatify.accounts.actions import ensure_tenant, upsert_end_user
from chatify.accounts.models import EndUser, User
from chatify.accounts.people import end_user_of

COOKIE_FIELD = "end_user_id"
ANONYMOUS_PREFIX = "browser-"
GUESTS_FIELD = "guest_ids"
GUEST_PREFIX = "guest-"
MAX_GUESTS = 20
"""Of one browser: for more tabs the oldest ones are forgotten."""
READ_AT_ONCE = 500


def find_browser_end_user(request: HttpRequest) -> EndUser | None:
    """The end user of this browser, if it has one already."""
    if isinstance(request.user, User):
        return end_user_of(request.user)
    if not settings.DEBUG:
        return None  # strangers would spend the key
    known = request.session.get(COOKIE_FIELD)
    return EndUser.objects.filter(id=known, tenant__deleted_at__isnull=True).first() if known else None


def browser_end_user(request: HttpRequest) -> EndUser | None:
    """As `find_browser_end_user`, but with DEBUG a stranger gets one in the demo tenant (if it exists)."""
    found = find_browser_end_user(request)
    if found is not None or not settings.DEBUG or request.user.is_authenticated:
        return found
    user = _make_stranger(ANONYMOUS_PREFIX)
    if user is not None:
        request.session[COOKIE_FIELD] = str(user.id)
    return user


def guest_end_user(request: HttpRequest, external_id: str) -> EndUser | None:
    """The end user of one tab: the one of this `external_id` if it is a guest of this browser, else a new one.

    None without the demo tenant. To be called with DEBUG only: with it each tab shall be a person of its own.
    """
    ids: list[str] = request.session.get(GUESTS_FIELD, [])
    guests = EndUser.objects.filter(id__in=ids, tenant__deleted_at__isnull=True)
    if (known := next((one for one in guests if one.external_id == external_id), None)) is not None:
        return known
    user = _make_stranger(GUEST_PREFIX)
    if user is not None:
        request.session[GUESTS_FIELD] = [*ids, str(user.id)][-MAX_GUESTS:]
    return user


def _make_stranger(prefix: str) -> EndUser | None:
    """An end user of the demo tenant, if it exists."""
    tenant = ensure_tenant(slug=settings.DEMO_TENANT)
    if tenant.deleted_at is not None:
        return None
    return upsert_end_user(tenant_id=tenant.id, external_id=f"{prefix}{uuid4()}", changes={})


def end_browser_sessions(among: QuerySet[Session], field: str, value: object) -> int:
    """Delete the cookie sessions that hold this value. Gives their number.

    They do not say whose they are until they are decoded, so all of `among` are read.
    """
    rows = among.iterator(READ_AT_ONCE)
    theirs = [row.pk for row in rows if row.get_decoded().get(field) == str(value)]
    return sum(Session.objects.filter(pk=key).delete()[0] for key in theirs)

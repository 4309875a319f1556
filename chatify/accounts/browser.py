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
    tenant = ensure_tenant(slug=settings.DEMO_TENANT)
    if tenant.deleted_at is not None:
        return None
    user = upsert_end_user(tenant_id=tenant.id, external_id=f"{ANONYMOUS_PREFIX}{uuid4()}", changes={})
    request.session[COOKIE_FIELD] = str(user.id)
    return user


def end_browser_sessions(among: QuerySet[Session], field: str, value: object) -> int:
    """Delete the cookie sessions that hold this value. Gives their number.

    They do not say whose they are until they are decoded, so all of `among` are read.
    """
    rows = among.iterator(READ_AT_ONCE)
    theirs = [row.pk for row in rows if row.get_decoded().get(field) == str(value)]
    return sum(Session.objects.filter(pk=key).delete()[0] for key in theirs)

"""Who sits at the page: known by Django's session cookie."""

from __future__ import annotations

from uuid import uuid4

from django.conf import settings
from django.http import HttpRequest

from chatify.accounts.actions import ensure_tenant, upsert_end_user
from chatify.accounts.models import EndUser, User
from chatify.accounts.people import end_user_of

COOKIE_FIELD = "end_user_id"
ANONYMOUS_PREFIX = "browser-"


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

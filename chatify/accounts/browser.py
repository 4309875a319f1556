"""Who sits at the page: known by Django's session cookie."""

from __future__ import annotations

from uuid import uuid4

from django.conf import settings
from django.http import HttpRequest

from chatify.accounts.actions import ensure_tenant, upsert_end_user
from chatify.accounts.models import EndUser

_COOKIE_FIELD = "end_user_id"


def find_browser_end_user(request: HttpRequest) -> EndUser | None:
    """The end user of this browser, if it has one already."""
    if request.user.is_authenticated:
        return _signed_in(request)
    if not settings.DEBUG:
        return None  # strangers would spend the key
    known = request.session.get(_COOKIE_FIELD)
    return EndUser.objects.filter(id=known).first() if known else None


def browser_end_user(request: HttpRequest) -> EndUser | None:
    """As `find_browser_end_user`, but with DEBUG a stranger gets an anonymous one in the demo tenant."""
    found = find_browser_end_user(request)
    if found is not None or not settings.DEBUG:
        return found
    tenant = ensure_tenant(slug=settings.DEMO_TENANT)
    user = upsert_end_user(tenant_id=tenant.id, external_id=f"browser-{uuid4()}", changes={})
    request.session[_COOKIE_FIELD] = str(user.id)
    return user


def _signed_in(request: HttpRequest) -> EndUser:
    tenant = ensure_tenant(slug=settings.HOUSE_TENANT, name="People who sign in here")
    user, _ = EndUser.objects.get_or_create(
        tenant=tenant, external_id=f"user-{request.user.pk}", defaults={"name": getattr(request.user, "name", "")}
    )
    return user

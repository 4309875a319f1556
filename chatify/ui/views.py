"""The chat page."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render, resolve_url
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_safe

from chatify.accounts.browser import browser_end_user


@require_safe
@never_cache
@ensure_csrf_cookie
def chat(request: HttpRequest) -> HttpResponse:
    """The chat page. Everything in it comes from the API; who is not known is asked to sign in."""
    end_user = browser_end_user(request)
    if end_user is None:
        return redirect_to_login(request.get_full_path(), resolve_url("ui:login"))
    fields = ("external_id", "name", "age", "preferred_template")
    config = {
        "user": {field: getattr(end_user, field) for field in fields},
        "loginUrl": resolve_url("ui:login"),
        "meetUrl": resolve_url("ui:meet"),
        "csrfCookie": settings.CSRF_COOKIE_NAME,
    }
    return render(request, "ui/chat.html", {"config": config})

"""The page where people meet, and who its tabs are."""

from __future__ import annotations

import re

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import BadRequest
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render, resolve_url
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect, ensure_csrf_cookie
from django.views.decorators.http import require_POST, require_safe

from chatify.accounts.actions import update_profile
from chatify.accounts.browser import find_browser_end_user, guest_end_user
from chatify.accounts.models import EndUser
from chatify.accounts.profile import MAX_AGE
from chatify.accounts.tokens import issue_end_user_token
from chatify.matchmaking.models import Report
from sessions.objects import timestamp

GUEST: dict[str, object] = {"external_id": None, "name": "", "age": None, "interests": []}


@require_safe
@never_cache
@ensure_csrf_cookie
def meet(request: HttpRequest) -> HttpResponse:
    """The page. With DEBUG each tab is a person of its own; else people talk as who they have signed in as."""
    end_user = None if settings.DEBUG else find_browser_end_user(request)
    if end_user is None and not settings.DEBUG:
        return redirect_to_login(request.get_full_path(), resolve_url("ui:login"))
    config = {
        "user": _user_of(end_user),
        "guestUrl": resolve_url("ui:guest") if settings.DEBUG else None,
        "loginUrl": resolve_url("ui:login"),
        "csrfCookie": settings.CSRF_COOKIE_NAME,
        "timeoutSeconds": settings.MATCH_TIMEOUT_SECONDS,
        "reportReasons": [[value, str(label)] for value, label in Report.Reason.choices],
    }
    return render(request, "ui/meet.html", {"config": config})


def _user_of(end_user: EndUser | None) -> dict[str, object]:
    return {field: getattr(end_user, field, GUEST[field]) for field in GUEST}


def _age_of(text: str) -> int | None:
    """Raises BadRequest for what is no age."""
    if not text:
        return None
    if not re.fullmatch("[0-9]{1,3}", text) or int(text) > MAX_AGE:
        raise BadRequest("This is no age.")
    return int(text)


@require_POST
@never_cache
@csrf_protect
def guest(request: HttpRequest) -> HttpResponse:
    """With DEBUG: a token for a tab, which becomes a guest, or stays the one that it says it is (`external_id`).

    With `age` it tells how old its person is; empty: they do not say. Tokens cannot, as only applications know.
    """
    end_user = guest_end_user(request, request.POST.get("external_id", "")) if settings.DEBUG else None
    if end_user is None:
        raise Http404
    if "age" in request.POST:
        update_profile(user=end_user, changes={"age": _age_of(request.POST["age"])})
    token, expires_at = issue_end_user_token(end_user=end_user, api_key_id=None)
    found = {"token": token, "expires_at": timestamp(expires_at), "external_id": end_user.external_id}
    return JsonResponse(found)

"""What accounts itself keeps about end users, besides their row."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db.models import Q

from chatify.accounts.browser import ANONYMOUS_PREFIX, COOKIE_FIELD, end_browser_sessions
from chatify.accounts.models import EndUser, IdempotentCall, SocketTicket, Usage
from chatify.accounts.people import account_of
from chatify.accounts.personal_data import Holding, Page, register_holding


def register_holdings() -> None:
    """Said by the app when it is ready."""
    register_holding(Holding("account", export=_account))
    register_holding(Holding("usage", export=_usage, erase=_forget_usage))
    register_holding(Holding("admissions", erase=_erase_admissions))
    register_holding(Holding("browsers", erase=_erase_browsers))


def _account(end_user: EndUser, after: Any) -> Page:
    """Of people who sign in; nobody else has one."""
    user = account_of(end_user)
    if user is None:
        return [], None
    sign_ins = user.logins.order_by("created_at").values("created_at", "ended_at")
    found = {"email": user.email, "name": user.name, "created_at": user.created_at, "last_login": user.last_login}
    return [{**found, "sign_ins": list(sign_ins)}], None


def _usage(end_user: EndUser, after: Any) -> Page:
    rows = Usage.objects.filter(end_user=end_user).order_by("day")
    return [dict(row) for row in rows.values("day", "replies", "tokens")], None


def _forget_usage(end_user: EndUser) -> None:
    """The tenant's figures stay, without whose they were."""
    Usage.objects.filter(end_user=end_user).update(end_user=None)


def _erase_admissions(end_user: EndUser) -> None:
    """Socket tickets, and the answers that are kept for repeated calls."""
    SocketTicket.objects.filter(end_user=end_user).delete()
    IdempotentCall.objects.filter(Q(end_user=end_user) | Q(owner_id=end_user.id)).delete()


def _erase_browsers(end_user: EndUser) -> None:
    """The cookie sessions of somebody who came to the page without signing in."""
    if end_user.tenant.slug != settings.DEMO_TENANT or not end_user.external_id.startswith(ANONYMOUS_PREFIX):
        return
    end_browser_sessions(Session.objects.all(), COOKIE_FIELD, end_user.id)

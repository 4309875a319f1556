"""How REST calls say who they are, what that is good for, and how often it may be used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from chatify.accounts.allowances import allowances_of
from chatify.accounts.browser import find_browser_end_user
from chatify.accounts.credentials import principal_of as principal_of_credential
from chatify.accounts.models import User
from chatify.accounts.origins import check_origin
from chatify.accounts.principal import Credential, Principal
from chatify.common.errors import NotAuthenticated
from chatify.limits.budgets import Budget, budgets


def bearer(authorization: str, api_key: str = "") -> str:
    """The credential of an `Authorization: Bearer` or `X-API-Key` header, or an empty text."""
    scheme, _, credential = authorization.partition(" ")
    return credential.strip() if scheme.lower() == "bearer" else api_key.strip()


def principal_of(request: Request) -> Principal:
    """Who is asking, in a view behind IsPrincipal."""
    principal: Any = request.user
    assert isinstance(principal, Principal)
    return principal


class BearerAuthentication(BaseAuthentication):
    """`Authorization: Bearer <API key or token>`, or `X-API-Key`. A wrong one is refused, not passed over."""

    def authenticate(self, request: Request) -> tuple[Principal, None] | None:
        """Whoever the credential speaks for. Raises NotAuthenticated, Forbidden (`origin_not_allowed`)."""
        credential = bearer(request.headers.get("Authorization", ""), request.headers.get("X-API-Key", ""))
        if not credential:
            return None
        principal = principal_of_credential(credential)
        if principal is None:
            raise NotAuthenticated("This API key or token is not valid.")
        check_origin(principal.tenant_id, request.headers.get("Origin", ""), request.get_host(), request.scheme or "")
        return principal, None

    def authenticate_header(self, request: Request) -> str:
        """Makes the answer 401 and not 403 (RFC 9110, section 11.6.1)."""
        return "Bearer"


class BrowserAuthentication(SessionAuthentication):
    """Django's session cookie, with CSRF protection."""

    def authenticate(self, request: Request) -> tuple[Principal, None] | None:
        """The principal of the end user at this browser. Raises PermissionDenied without a CSRF token."""
        http = request._request
        end_user = find_browser_end_user(http)
        if end_user is None:
            return None
        self.enforce_csrf(request)  # reaches through to Django's request
        user_id = http.user.id if isinstance(http.user, User) else None
        credential = Credential(browser_key=http.session.session_key or "")
        return Principal(end_user.tenant_id, end_user_id=end_user.id, user_id=user_id, credential=credential), None


class IsPrincipal(BasePermission):
    """Nobody gets in without a principal, nor with one whose scopes do not cover what the view is about.

    A view says what it needs as `scopes`: one of these; or for reading and writing, `{"read": (...), "write": (...)}`.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        """Whether somebody is asking. Raises Forbidden (`missing_scope`)."""
        if not isinstance(request.user, Principal):
            return False
        scopes: Any = getattr(view, "scopes", ("chat",))
        if isinstance(scopes, Mapping):
            scopes = scopes["read" if request.method in SAFE_METHODS else "write"]
        if scopes:
            request.user.require_scope(*scopes)
        return True


class RequestBudget(BaseThrottle):
    """One request from the budget of the key or person. What is left is told in headers (`rate_limit_headers`)."""

    def allow_request(self, request: Request, view: Any) -> bool:
        """Always; what is too fast raises LimitReached."""
        if isinstance(request.user, Principal):
            budget, of = request_budget(request.user)
            left = budgets().spend(budget, of)
            http: Any = request._request
            http.rate_limit_headers = left.headers if left else {}
        return True


def request_budget(principal: Principal) -> tuple[Budget, object]:
    """Which budget a principal's requests come out of, and whose."""
    allowances = allowances_of(principal.tenant_id)
    if principal.end_user_id is None or principal.credential.is_key:  # also where it speaks for somebody
        return allowances.key_requests, principal.credential.api_key_id
    return allowances.person_requests, principal.end_user_id


def address_of(request: HttpRequest | Request) -> str:
    """Where a request comes from, as the server that took it says (behind TRUSTED_PROXIES, as those say)."""
    return str(request.META.get("REMOTE_ADDR") or "unknown")

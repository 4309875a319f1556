"""How REST calls say who they are."""

from __future__ import annotations

from typing import Any

from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from chatify.accounts.browser import find_browser_end_user
from chatify.accounts.credentials import principal_of_key
from chatify.accounts.principal import Principal
from chatify.common.errors import NotAuthenticated


def bearer(authorization: str, api_key: str = "") -> str:
    """The credential of an `Authorization: Bearer` or `X-API-Key` header, or an empty text."""
    scheme, _, credential = authorization.partition(" ")
    return credential.strip() if scheme.lower() == "bearer" else api_key.strip()


def principal_of(request: Request) -> Principal:
    """Who is asking, in a view behind IsPrincipal."""
    principal: Any = request.user
    assert isinstance(principal, Principal)
    return principal


class ApiKeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer <API key>` or `X-API-Key`. A wrong one is refused, not passed over."""

    def authenticate(self, request: Request) -> tuple[Principal, None] | None:
        """The tenant's principal. Raises NotAuthenticated."""
        key = bearer(request.headers.get("Authorization", ""), request.headers.get("X-API-Key", ""))
        if not key:
            return None
        principal = principal_of_key(key)
        if principal is None:
            raise NotAuthenticated("This API key is not valid.")
        return principal, None

    def authenticate_header(self, request: Request) -> str:
        """Makes the answer 401 and not 403 (RFC 9110, section 11.6.1)."""
        return "Bearer"


class BrowserAuthentication(SessionAuthentication):
    """Django's session cookie, with CSRF protection."""

    def authenticate(self, request: Request) -> tuple[Principal, None] | None:
        """The principal of the end user at this browser. Raises PermissionDenied without a CSRF token."""
        http = request._request
        user = find_browser_end_user(http)
        if user is None:
            return None
        self.enforce_csrf(request)  # reaches through to Django's request
        return Principal(user.tenant_id, end_user_id=user.id), None


class IsPrincipal(BasePermission):
    """Nobody gets in without a principal."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Whether somebody is asking."""
        return isinstance(request.user, Principal)

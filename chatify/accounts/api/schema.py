"""How the authenticators appear in the OpenAPI document. Imported by `chatify.accounts.apps` to register them."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """`Authorization: Bearer <API key or token>`."""

    target_class = "chatify.accounts.api.authentication.BearerAuthentication"
    name = "Bearer"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        """The scheme."""
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "An API key, an access token or an end-user token (also as `X-API-Key`).",
        }


class BrowserScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Django's session cookie."""

    target_class = "chatify.accounts.api.authentication.BrowserAuthentication"
    name = "Browser"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        """The scheme."""
        return {"type": "apiKey", "in": "cookie", "name": "sessionid", "description": "With `X-CSRFToken`."}

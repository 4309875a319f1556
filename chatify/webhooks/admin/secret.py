"""What the pages of endpoints and sources have in common: a secret that is shown once."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest
from django.utils.html import format_html


class ShowsSecretOnce:
    """For admin pages."""

    message_user: Any
    has_change_permission: Any

    def has_change_secret_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may change what it is the secret of."""
        return bool(self.has_change_permission(request))

    def show_once(self, request: HttpRequest, name: str, secret: str) -> None:
        """Show it above the page that comes next."""
        message = (
            "Here is the secret of {}. <strong>It is shown this once</strong>: copy it now. "
            '<code class="api-key">{}</code>'
        )
        self.message_user(request, format_html(message, name, secret), messages.SUCCESS)

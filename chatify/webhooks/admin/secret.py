"""What the pages of endpoints and sources have in common: a secret that is shown once."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.html import format_html

from chatify.accounts.admin_base import admin_url


class ShowsSecretOnce:
    """For admin pages."""

    message_user: Any
    has_change_permission: Any
    opts: Any

    def has_change_secret_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may change what it is the secret of."""
        return bool(self.has_change_permission(request))

    def response_add(self, request: HttpRequest, obj: Model, post_url_continue: str | None = None) -> HttpResponse:
        """The list, which shows the secret."""
        return HttpResponseRedirect(admin_url(f"{self.opts.app_label}_{self.opts.model_name}"))

    def show_once(self, request: HttpRequest, name: str, secret: str) -> None:
        """Show it above the page that comes next."""
        message = (
            "Here is the secret of {}. <strong>It is shown this once</strong>: copy it now. "
            '<code class="api-key">{}</code>'
        )
        self.message_user(request, format_html(message, name, secret), messages.SUCCESS)

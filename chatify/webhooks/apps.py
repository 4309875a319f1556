"""Webhooks."""

from django.apps import AppConfig


class WebhooksConfig(AppConfig):
    """Standard Webhooks (standardwebhooks.com), both ways."""

    name = "chatify.webhooks"
    label = "webhooks"
    verbose_name = "Webhooks"

    def ready(self) -> None:
        """Ask for what applications want to be told of, and say what is kept about end users."""
        from chatify.webhooks import holdings, sink

        sink.register()
        holdings.register_holdings()

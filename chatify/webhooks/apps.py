"""Webhooks."""

from django.apps import AppConfig


class WebhooksConfig(AppConfig):
    """Standard Webhooks (standardwebhooks.com), both ways."""

    name = "chatify.webhooks"
    label = "webhooks"
    verbose_name = "Webhooks"

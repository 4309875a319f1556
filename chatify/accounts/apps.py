"""Who there is, and who may do what."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """People who sign in, tenants with their keys, and the end users who chat."""

    name = "chatify.accounts"
    label = "accounts"

    def ready(self) -> None:
        """Register what drf-spectacular has to know."""
        from chatify.accounts.api import schema  # noqa: F401

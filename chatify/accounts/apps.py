"""Who there is, and who may do what."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """People who sign in, tenants with their keys, and the end users who chat."""

    name = "chatify.accounts"
    label = "accounts"

    def ready(self) -> None:
        """Register what drf-spectacular and django-cors-headers have to know, and what is kept about end users."""
        from corsheaders.signals import check_request_enabled

        from chatify.accounts.api import schema  # noqa: F401
        from chatify.accounts.holdings import register_holdings
        from chatify.accounts.origins import allow_tenants_origins

        check_request_enabled.connect(allow_tenants_origins, dispatch_uid="tenants_origins")
        register_holdings()

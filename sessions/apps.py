"""Chat sessions and their messages."""

from django.apps import AppConfig


class SessionsConfig(AppConfig):
    """The label is not `sessions`: that is Django's own app for logins."""

    name = "sessions"
    label = "chat_sessions"
    verbose_name = "Conversations"

    def ready(self) -> None:
        """Say what is kept about end users."""
        from sessions.holdings import register_holdings

        register_holdings()

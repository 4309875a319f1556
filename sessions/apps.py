"""Chat sessions and their messages."""

from django.apps import AppConfig


class SessionsConfig(AppConfig):
    """The label is not `sessions`: that is Django's own app for logins."""

    name = "sessions"
    label = "chat_sessions"
    verbose_name = "Conversations"

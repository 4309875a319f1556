"""Matchmaking."""

from django.apps import AppConfig


class MatchmakingConfig(AppConfig):
    """Nobody waits alone."""

    name = "chatify.matchmaking"
    label = "matchmaking"
    verbose_name = "Matchmaking"

    def ready(self) -> None:
        """Say what is kept about end users."""
        from chatify.matchmaking.holdings import register_holdings

        register_holdings()

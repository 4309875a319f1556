"""Matchmaking."""

from django.apps import AppConfig


class MatchmakingConfig(AppConfig):
    """Nobody waits alone."""

    name = "chatify.matchmaking"
    label = "matchmaking"
    verbose_name = "Matchmaking"

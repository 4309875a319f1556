"""Where the socket of matchmaking is."""

from __future__ import annotations

from django.urls import path

from chatify.matchmaking.consumers import MatchConsumer

urlpatterns = [path("ws/v1/match/", MatchConsumer.as_asgi())]

"""Routes of what comes in, below /api/v1/."""

from django.urls import path

from chatify.webhooks.api import inbound, sources

urlpatterns = [
    path("webhooks/matchmaking/", inbound.Matchmaking.as_view(), name="webhook-matchmaking"),
    path("webhooks/sources/", sources.SourceList.as_view(), name="webhook-source-list"),
    path("webhooks/sources/<uuid:source_id>/", sources.SourceDetail.as_view(), name="webhook-source-detail"),
    path("webhooks/sources/<uuid:source_id>/rotate/", sources.SourceRotation.as_view(), name="webhook-source-rotate"),
]

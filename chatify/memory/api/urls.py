"""Routes of memories and summaries, below /api/v1/. They come before those of end users, whose ids may hold slashes."""

from django.urls import path

from chatify.memory.api import views

urlpatterns = [
    path("users/<path:external_id>/memories/", views.MemoryList.as_view(), name="memory-list"),
    path("users/<path:external_id>/memories/<uuid:memory_id>/", views.MemoryDetail.as_view(), name="memory-detail"),
    path("sessions/<uuid:chat_session_id>/summaries/", views.SummaryList.as_view(), name="summary-list"),
]

"""Routes of turns, below /api/v1/sessions/{id}/."""

from django.urls import path

from chatify.turns.api import views

urlpatterns = [
    path("sessions/<uuid:chat_session_id>/messages/", views.MessageList.as_view(), name="message-list"),
    path(
        "sessions/<uuid:chat_session_id>/messages/<uuid:message_id>/retry/",
        views.RetryReply.as_view(),
        name="message-retry",
    ),
    path("sessions/<uuid:chat_session_id>/stream/", views.ReplyStream.as_view(), name="session-stream"),
    path("sessions/<uuid:chat_session_id>/stop/", views.StopReply.as_view(), name="session-stop"),
]

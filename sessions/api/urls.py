"""Routes of chat sessions, below /api/v1/."""

from django.urls import path

from sessions.api import tokens, views

urlpatterns = [
    path("tokens/", tokens.EndUserTokens.as_view(), name="token-list"),
    path("sessions/", views.ChatSessionList.as_view(), name="session-list"),
    path("sessions/active/", views.ActiveChatSession.as_view(), name="session-active"),
    path("sessions/<uuid:chat_session_id>/", views.ChatSessionDetail.as_view(), name="session-detail"),
    path("sessions/<uuid:chat_session_id>/end/", views.EndChatSession.as_view(), name="session-end"),
    path("sessions/<uuid:chat_session_id>/pause/", views.PauseChatSession.as_view(), name="session-pause"),
    path("sessions/<uuid:chat_session_id>/resume/", views.ResumeChatSession.as_view(), name="session-resume"),
    path("sessions/<uuid:chat_session_id>/switch/", views.SwitchPersonality.as_view(), name="session-switch"),
    path("sessions/<uuid:chat_session_id>/suggestion/", views.Suggestion.as_view(), name="session-suggestion"),
    path("sessions/<uuid:chat_session_id>/ticket/", views.ChatSessionTicket.as_view(), name="session-ticket"),
    path("sessions/<uuid:chat_session_id>/feedback/", views.ChatSessionFeedback.as_view(), name="session-feedback"),
]

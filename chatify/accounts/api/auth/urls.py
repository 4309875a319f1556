"""Routes of people who sign in, below /api/v1/."""

from django.urls import path

from chatify.accounts.api.auth import views

urlpatterns = [
    path("auth/register/", views.Register.as_view(), name="auth-register"),
    path("auth/login/", views.Login.as_view(), name="auth-login"),
    path("auth/refresh/", views.Refresh.as_view(), name="auth-refresh"),
    path("auth/logout/", views.Logout.as_view(), name="auth-logout"),
    path("auth/me/", views.Me.as_view(), name="auth-me"),
    path("auth/password/", views.Password.as_view(), name="auth-password"),
    path("auth/password/reset/", views.AskForReset.as_view(), name="auth-password-reset"),
    path("auth/password/reset/confirm/", views.ConfirmReset.as_view(), name="auth-password-reset-confirm"),
]

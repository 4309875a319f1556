"""Routes of the pages, of signing in to them, and of forgotten passwords."""

from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path
from django.views.generic import TemplateView

from chatify.accounts.forms import SignInForm
from chatify.ui.meeting import guest, meet
from chatify.ui.passwords import AskForPassword, SetPassword
from chatify.ui.views import chat

app_name = "ui"

sign_in = LoginView.as_view(template_name="ui/login.html", authentication_form=SignInForm, next_page="ui:chat")
sent = TemplateView.as_view(template_name="ui/password_sent.html")
done = TemplateView.as_view(template_name="ui/password_done.html")

urlpatterns = [
    path("", chat, name="chat"),
    path("meet/", meet, name="meet"),
    path("meet/guest/", guest, name="guest"),
    path("login/", sign_in, name="login"),
    path("logout/", LogoutView.as_view(next_page="ui:login"), name="logout"),
    path("password/reset/", AskForPassword.as_view(), name="password-reset"),
    path("password/reset/sent/", sent, name="password-reset-sent"),
    path("password/reset/done/", done, name="password-reset-done"),
    path("password/reset/<uidb64>/<token>/", SetPassword.as_view(), name="password-reset-set"),
]

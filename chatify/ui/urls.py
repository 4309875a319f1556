from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path

from chatify.ui.views import chat

app_name = "ui"

urlpatterns = [
    path("", chat, name="chat"),
    path("login/", LoginView.as_view(template_name="ui/login.html", next_page="ui:chat"), name="login"),
    path("logout/", LogoutView.as_view(next_page="ui:login"), name="logout"),
]

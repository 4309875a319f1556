"""Where everything is."""

from django.contrib import admin
from django.urls import include, path, re_path
from django.views.decorators.csrf import csrf_exempt
from drf_spectacular.views import SpectacularAPIView, SpectacularRedocView, SpectacularSwaggerView

from chatify.operations import health, views

urlpatterns = [
    path("api/v1/", include("chatify.accounts.api.auth.urls")),
    path("api/v1/", include("chatify.accounts.api.tenants.urls")),
    path("api/v1/", include("chatify.memory.api.urls")),  # before those of end users
    path("api/v1/", include("chatify.accounts.api.users.urls")),
    path("api/v1/", include("templates_app.api.urls")),
    path("api/v1/", include("chatify.matchmaking.api.urls")),
    path("api/v1/", include("chatify.webhooks.api.inbound_urls")),
    path("api/v1/", include("chatify.webhooks.api.endpoint_urls")),
    path("api/v1/", include("sessions.api.urls")),
    path("api/v1/", include("chatify.turns.api.urls")),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/asyncapi.json", views.asyncapi, name="asyncapi"),
    # With DEBUG, too, and without the redirect that would turn a POST into a GET.
    re_path(r"^api/", csrf_exempt(views.not_found)),
    path("docs", SpectacularSwaggerView.as_view(url_name="schema"), name="docs"),
    path("redoc", SpectacularRedocView.as_view(url_name="schema"), name="redoc"),
    path("health/", health.health, name="health"),
    path("health/live/", health.live, name="health-live"),
    path("health/ready/", health.ready, name="health-ready"),
    path("metrics", views.metrics, name="metrics"),
    path("admin/", admin.site.urls),
    path("", include("chatify.ui.urls")),
]

handler400 = views.bad_request
handler403 = views.forbidden
handler404 = views.not_found
handler500 = views.server_error

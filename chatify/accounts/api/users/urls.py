"""Routes of end users, below /api/v1/. An `external_id` may hold slashes, so the longer route comes first."""

from django.urls import path

from chatify.accounts.api.users import views

urlpatterns = [
    path("users/<path:external_id>/export/", views.EndUserExport.as_view(), name="user-export"),
    path("users/<path:external_id>/", views.EndUserDetail.as_view(), name="user-detail"),
]

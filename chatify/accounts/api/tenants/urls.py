"""Routes of tenants and their keys, below /api/v1/."""

from django.urls import path

from chatify.accounts.api.tenants import views

urlpatterns = [
    path("tenants/", views.SignUp.as_view(), name="tenant-list"),
    path("tenants/me/", views.OwnTenant.as_view(), name="tenant-detail"),
    path("tenants/me/keys/", views.ApiKeyList.as_view(), name="key-list"),
    path("tenants/me/keys/<uuid:api_key_id>/", views.ApiKeyDetail.as_view(), name="key-detail"),
    path("tenants/me/keys/<uuid:api_key_id>/rotate/", views.ApiKeyRotation.as_view(), name="key-rotate"),
]

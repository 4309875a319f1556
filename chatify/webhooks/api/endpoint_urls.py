"""Routes of endpoints and their deliveries, below /api/v1/."""

from django.urls import path

from chatify.webhooks.api import endpoints as views

_ONE = "webhooks/endpoints/<uuid:endpoint_id>/"

urlpatterns = [
    path("webhooks/endpoints/", views.EndpointList.as_view(), name="webhook-endpoint-list"),
    path(_ONE, views.EndpointDetail.as_view(), name="webhook-endpoint-detail"),
    path(f"{_ONE}rotate/", views.EndpointRotation.as_view(), name="webhook-endpoint-rotate"),
    path(f"{_ONE}test/", views.EndpointTest.as_view(), name="webhook-endpoint-test"),
    path(f"{_ONE}deliveries/", views.DeliveryList.as_view(), name="webhook-delivery-list"),
    path("webhooks/deliveries/<uuid:delivery_id>/replay/", views.DeliveryReplay.as_view(), name="webhook-replay"),
]

"""Endpoints and their deliveries over REST, for those who manage the tenant."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from drf_spectacular.utils import extend_schema
from pydantic import Field
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from chatify.accounts.access import get_tenant
from chatify.accounts.api.authentication import principal_of
from chatify.accounts.api.tenants.bodies import TenantQuery
from chatify.accounts.models import Tenant
from chatify.common.api import NO_STORE, PageQuery, page, read_body, read_query
from chatify.common.inputs import Body, Line
from chatify.common.schema import PAGE_PARAMETERS, page_of, parameter
from chatify.webhooks import deliveries, endpoints
from chatify.webhooks.access import get_delivery, get_endpoint
from chatify.webhooks.addresses import MAX_URL
from chatify.webhooks.models import WebhookDelivery
from chatify.webhooks.names import NAMES, EventName
from chatify.webhooks.objects import (
    NewWebhookEndpointObject,
    WebhookDeliveryObject,
    WebhookEndpointObject,
    delivery_object,
    endpoint_object,
    new_endpoint_object,
)
from chatify.webhooks.trying import send_test

_TENANT = parameter("tenant", "Slug of the tenant, for people who own several. A key manages its own.")

Address = Annotated[str, Field(min_length=1, max_length=MAX_URL), Line]
Description = Annotated[str, Field(max_length=120), Line]
Events = Annotated[list[EventName], Field(max_length=len(NAMES))]


class NewEndpointBody(Body):
    """Another endpoint."""

    url: Address = Field(description="https://, to an address of the internet.")
    description: Description = ""
    events: Events = Field(default_factory=list, description="What is told; empty: everything.")


class EndpointChangeBody(Body):
    """What to change."""

    url: Address = Field(default_factory=str)
    description: Description = Field(default_factory=str)
    events: Events = Field(default_factory=list)
    is_active: bool = Field(default_factory=bool, description="Activating it lets it start afresh.")

    def changes(self) -> dict[str, Any]:
        """The fields that were given."""
        return {name: getattr(self, name) for name in self.model_fields_set}


class EndpointListQuery(PageQuery, TenantQuery):
    """Which endpoints."""


class DeliveryListQuery(PageQuery, TenantQuery):
    """Which deliveries."""

    state: Literal["pending", "delivered", "failed", "dropped"] | None = None


def _tenant_of(request: Request) -> Tenant:
    return get_tenant(principal_of(request), read_query(request, TenantQuery).tenant)


class EndpointList(APIView):
    """The endpoints of a tenant."""

    scopes = ()  # of keys `admin`; for people it is who owns the tenant that counts

    @extend_schema(
        operation_id="list_webhook_endpoints",
        parameters=[_TENANT, *PAGE_PARAMETERS],
        responses=page_of(WebhookEndpointObject),
    )
    def get(self, request: Request) -> Response:
        """All endpoints, newest first."""
        query = read_query(request, EndpointListQuery)
        rows = get_tenant(principal_of(request), query.tenant).webhook_endpoints.all()
        return Response(page(request, rows, query, ordering="-created_at", render=endpoint_object))

    @extend_schema(
        operation_id="create_webhook_endpoint",
        parameters=[_TENANT],
        request=NewEndpointBody,
        responses={201: NewWebhookEndpointObject},
    )
    def post(self, request: Request) -> Response:
        """Another endpoint. Its secret is shown this once."""
        tenant = _tenant_of(request)
        body = read_body(request, NewEndpointBody)
        made, secret = endpoints.create_endpoint(
            tenant=tenant, url=body.url, description=body.description, events=body.events, who=principal_of(request)
        )
        return Response(new_endpoint_object(made, secret), status=201, headers=NO_STORE)


class EndpointDetail(APIView):
    """One endpoint."""

    scopes = ()

    @extend_schema(operation_id="get_webhook_endpoint", parameters=[_TENANT], responses=WebhookEndpointObject)
    def get(self, request: Request, endpoint_id: UUID) -> Response:
        """One, without its secret."""
        return Response(endpoint_object(get_endpoint(_tenant_of(request), endpoint_id)))

    @extend_schema(
        operation_id="change_webhook_endpoint",
        parameters=[_TENANT],
        request=EndpointChangeBody,
        responses=WebhookEndpointObject,
    )
    def patch(self, request: Request, endpoint_id: UUID) -> Response:
        """Change it. While it is not active nothing is sent; activating it lets it start afresh."""
        endpoint = get_endpoint(_tenant_of(request), endpoint_id)
        changes = read_body(request, EndpointChangeBody).changes()
        endpoints.update_endpoint(endpoint=endpoint, changes=changes, who=principal_of(request))
        return Response(endpoint_object(endpoint))

    @extend_schema(operation_id="delete_webhook_endpoint", parameters=[_TENANT], responses={204: None})
    def delete(self, request: Request, endpoint_id: UUID) -> Response:
        """Delete it with its deliveries, told or not."""
        endpoint = get_endpoint(_tenant_of(request), endpoint_id)
        endpoints.delete_endpoints(endpoint_ids=[endpoint.id], who=principal_of(request))
        return Response(status=204)


class EndpointRotation(APIView):
    """A new secret."""

    scopes = ()

    @extend_schema(
        operation_id="rotate_webhook_secret", parameters=[_TENANT], request=None, responses=NewWebhookEndpointObject
    )
    def post(self, request: Request, endpoint_id: UUID) -> Response:
        """A new secret, shown this once. For 24 hours the one before signs, too."""
        endpoint = get_endpoint(_tenant_of(request), endpoint_id)
        read_body(request, Body)
        secret = endpoints.rotate_secret(endpoint=endpoint, who=principal_of(request))
        return Response(new_endpoint_object(endpoint, secret), headers=NO_STORE)


class EndpointTest(APIView):
    """Trying it out."""

    scopes = ()

    @extend_schema(
        operation_id="test_webhook_endpoint", parameters=[_TENANT], request=None, responses=WebhookDeliveryObject
    )
    def post(self, request: Request, endpoint_id: UUID) -> Response:
        """Send `webhook.test` now and tell what came of it. That takes up to 15 seconds."""
        endpoint = get_endpoint(_tenant_of(request), endpoint_id)
        read_body(request, Body)
        return Response(delivery_object(send_test(endpoint=endpoint)))


class DeliveryList(APIView):
    """What an endpoint was told."""

    scopes = ()

    @extend_schema(
        operation_id="list_webhook_deliveries",
        parameters=[_TENANT, parameter("state", "`pending`, `delivered`, `failed` or `dropped`."), *PAGE_PARAMETERS],
        responses=page_of(WebhookDeliveryObject),
    )
    def get(self, request: Request, endpoint_id: UUID) -> Response:
        """Its deliveries of the last 30 days, newest first."""
        query = read_query(request, DeliveryListQuery)
        endpoint = get_endpoint(get_tenant(principal_of(request), query.tenant), endpoint_id)
        rows = WebhookDelivery.objects.filter(endpoint=endpoint)
        rows = rows.filter(state=query.state) if query.state else rows
        return Response(page(request, rows, query, ordering="-occurred_at", render=delivery_object))


class DeliveryReplay(APIView):
    """Sending it once more."""

    scopes = ()

    @extend_schema(
        operation_id="replay_webhook_delivery", parameters=[_TENANT], request=None, responses=WebhookDeliveryObject
    )
    def post(self, request: Request, delivery_id: UUID) -> Response:
        """Send it again, whatever became of it, under the same `webhook-id` and with all tries of a new one."""
        delivery = get_delivery(_tenant_of(request), delivery_id)
        read_body(request, Body)
        deliveries.replay_one(delivery=delivery, who=principal_of(request))
        return Response(delivery_object(delivery))

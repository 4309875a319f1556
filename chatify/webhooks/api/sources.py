"""Sources, from which events may come in, over REST."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from pydantic import BaseModel, Field
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from chatify.accounts.access import get_tenant
from chatify.accounts.api.authentication import principal_of
from chatify.accounts.api.tenants.bodies import Name, TenantQuery
from chatify.accounts.models import Tenant
from chatify.common.api import NO_STORE, PageQuery, page, read_body, read_query
from chatify.common.inputs import Body
from chatify.common.schema import PAGE_PARAMETERS, page_of, parameter
from chatify.webhooks import sources
from chatify.webhooks.access import get_source
from chatify.webhooks.models import WebhookSource
from sessions.objects import timestamp

_TENANT = parameter("tenant", "Slug of the tenant, for people who own several. A key manages its own.")


class NewSourceBody(Body):
    """Another source."""

    name: Name = Field(description="What sends from there, to know which one to switch off some day.")


class SourceChangeBody(Body):
    """What to change."""

    name: Name = Field(default_factory=str)
    is_active: bool = Field(True, description="Nothing is taken from a source that is not active.")

    def changes(self) -> dict[str, Any]:
        """The fields that were given."""
        return {field: getattr(self, field) for field in self.model_fields_set}


class SourceListQuery(PageQuery, TenantQuery):
    """Which sources."""


class SourceObject(BaseModel):
    """A matchmaker that may send events, without its secret."""

    id: UUID
    name: str
    url: str = Field(description="Where it sends them to.")
    is_active: bool
    former_secret_until: datetime | None = Field(description="So long the secret before the present one is good, too.")
    last_used_at: datetime | None = Field(description="To the minute.")
    created_at: datetime


class NewSourceObject(BaseModel):
    """A source with a new secret, which is shown this once."""

    secret: str = Field(description="Of Standard Webhooks: `whsec_` and base64.")
    source: SourceObject


def source_url(request: HttpRequest, source: WebhookSource) -> str:
    """Where a source sends its events to."""
    return request.build_absolute_uri(f"{reverse('webhook-matchmaking')}?source={source.id}")


def source_object(request: Request, source: WebhookSource) -> dict[str, Any]:
    """The SourceObject."""
    former = source.former_until
    used = source.last_used_at
    return {
        "id": str(source.id),
        "name": source.name,
        "url": source_url(request._request, source),
        "is_active": source.is_active,
        "former_secret_until": timestamp(former) if former and former > timezone.now() else None,
        "last_used_at": timestamp(used) if used else None,
        "created_at": timestamp(source.created_at),
    }


def _tenant_of(request: Request) -> Tenant:
    return get_tenant(principal_of(request), read_query(request, TenantQuery).tenant)


def _with_secret(request: Request, source: WebhookSource, secret: str, status: int) -> Response:
    return Response({"secret": secret, "source": source_object(request, source)}, status=status, headers=NO_STORE)


class SourceList(APIView):
    """The sources of a tenant."""

    scopes = ()  # of keys `admin`; for people it is who owns the tenant that counts

    @extend_schema(
        operation_id="list_webhook_sources", parameters=[_TENANT, *PAGE_PARAMETERS], responses=page_of(SourceObject)
    )
    def get(self, request: Request) -> Response:
        """All of them, newest first."""
        query = read_query(request, SourceListQuery)
        rows = get_tenant(principal_of(request), query.tenant).webhook_sources.all()
        found = page(request, rows, query, ordering="-created_at", render=lambda row: source_object(request, row))
        return Response(found)

    @extend_schema(
        operation_id="create_webhook_source",
        parameters=[_TENANT],
        request=NewSourceBody,
        responses={201: NewSourceObject},
    )
    def post(self, request: Request) -> Response:
        """Another one. Its secret is shown this once."""
        tenant = _tenant_of(request)
        body = read_body(request, NewSourceBody)
        made, secret = sources.create_source(tenant=tenant, name=body.name, who=principal_of(request))
        return _with_secret(request, made, secret, 201)


class SourceDetail(APIView):
    """One source."""

    scopes = ()

    @extend_schema(operation_id="get_webhook_source", parameters=[_TENANT], responses=SourceObject)
    def get(self, request: Request, source_id: UUID) -> Response:
        """One source."""
        return Response(source_object(request, get_source(_tenant_of(request), source_id)))

    @extend_schema(
        operation_id="change_webhook_source", parameters=[_TENANT], request=SourceChangeBody, responses=SourceObject
    )
    def patch(self, request: Request, source_id: UUID) -> Response:
        """Rename it, or switch it off and on."""
        source = get_source(_tenant_of(request), source_id)
        changes = read_body(request, SourceChangeBody).changes()
        sources.update_source(source=source, changes=changes, who=principal_of(request))
        return Response(source_object(request, source))

    @extend_schema(operation_id="delete_webhook_source", parameters=[_TENANT], responses={204: None})
    def delete(self, request: Request, source_id: UUID) -> Response:
        """Delete it: nothing that it sends is taken any more."""
        source = get_source(_tenant_of(request), source_id)
        sources.delete_sources(source_ids=[source.id], who=principal_of(request))
        return Response(status=204)


class SourceRotation(APIView):
    """A new secret instead of an old one."""

    scopes = ()

    @extend_schema(
        operation_id="rotate_webhook_source", parameters=[_TENANT], request=None, responses={200: NewSourceObject}
    )
    def post(self, request: Request, source_id: UUID) -> Response:
        """Another secret, shown this once. The one before is good for 24 hours more."""
        source = get_source(_tenant_of(request), source_id)
        read_body(request, Body)
        secret = sources.rotate_source(source=source, who=principal_of(request))
        return _with_secret(request, source, secret, 200)

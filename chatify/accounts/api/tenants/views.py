"""Tenants and their keys over REST."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from chatify.accounts import owners, tenancy
from chatify.accounts.access import get_api_key, get_tenant
from chatify.accounts.api.authentication import address_of, principal_of
from chatify.accounts.api.tenants.bodies import (
    KeyListQuery,
    NewKeyBody,
    RotateBody,
    SignUpBody,
    TenantChangeBody,
    TenantQuery,
)
from chatify.accounts.api.tenants.objects import (
    ApiKeyObject,
    NewApiKeyObject,
    NewTenantObject,
    TenantObject,
    api_key_object,
    new_api_key_object,
    tenant_object,
)
from chatify.accounts.models import Tenant
from chatify.common.api import NO_STORE, PublicView, page, read_body, read_query
from chatify.common.schema import PAGE_PARAMETERS, page_of, parameter

_TENANT = parameter("tenant", "Slug of the tenant, for people who own several. A key manages its own.")


def _tenant_of(request: Request) -> Tenant:
    return get_tenant(principal_of(request), read_query(request, TenantQuery).tenant)


class SignUp(PublicView):
    """New tenants."""

    @extend_schema(operation_id="sign_up_tenant", request=SignUpBody, responses={201: NewTenantObject})
    def post(self, request: Request) -> Response:
        """Sign up an application. The key is shown this once."""
        body = read_body(request, SignUpBody)
        tenant, key = tenancy.sign_up_tenant(
            name=body.name, email=body.email, password=body.password, address=address_of(request)
        )
        return Response({"tenant": tenant_object(tenant), "key": key}, status=201, headers=NO_STORE)


class OwnTenant(APIView):
    """The tenant of whoever asks."""

    scopes = ()  # of keys `admin`; for people it is who owns the tenant that counts

    @extend_schema(operation_id="get_tenant", parameters=[_TENANT], responses=TenantObject)
    def get(self, request: Request) -> Response:
        """The tenant."""
        return Response(tenant_object(_tenant_of(request)))

    @extend_schema(operation_id="change_tenant", parameters=[_TENANT], request=TenantChangeBody, responses=TenantObject)
    def patch(self, request: Request) -> Response:
        """Change its name, origins or retention; or, each alone and with the current password, e-mail or password."""
        tenant = _tenant_of(request)
        body = read_body(request, TenantChangeBody)
        _change(tenant, body, request)
        return Response(tenant_object(tenant))

    @extend_schema(operation_id="delete_tenant", parameters=[_TENANT], responses={204: None})
    def delete(self, request: Request) -> Response:
        """Delete it (softly: staff can undo it). All its keys, tokens and sockets stop working at once."""
        tenant = _tenant_of(request)
        tenancy.delete_tenants(tenant_ids=[tenant.id], who=principal_of(request))
        return Response(status=204)


def _change(tenant: Tenant, body: TenantChangeBody, request: Request) -> None:
    who, address, current = principal_of(request), address_of(request), body.current_password
    change = body.change()
    if change == "email":
        owners.change_email(tenant=tenant, email=body.email, current_password=current, address=address, who=who)
    elif change == "password":
        owners.change_password(
            tenant=tenant, new_password=body.new_password, current_password=current, address=address, who=who
        )
    else:
        tenancy.update_tenant(tenant=tenant, changes=body.settings(), who=who)


class ApiKeyList(APIView):
    """The keys of a tenant."""

    scopes = ()

    @extend_schema(
        operation_id="list_api_keys", parameters=[_TENANT, *PAGE_PARAMETERS], responses=page_of(ApiKeyObject)
    )
    def get(self, request: Request) -> Response:
        """All keys, also those that do not work any more, newest first."""
        query = read_query(request, KeyListQuery)
        keys = get_tenant(principal_of(request), query.tenant).api_keys.all()
        return Response(page(request, keys, query, ordering="-created_at", render=api_key_object))

    @extend_schema(
        operation_id="create_api_key", parameters=[_TENANT], request=NewKeyBody, responses={201: NewApiKeyObject}
    )
    def post(self, request: Request) -> Response:
        """Another key. Its text is shown this once."""
        tenant = _tenant_of(request)
        body = read_body(request, NewKeyBody)
        made = tenancy.issue_api_key(
            tenant=tenant, name=body.name, scopes=body.scopes, expires_at=body.expires_at, who=principal_of(request)
        )
        return Response(new_api_key_object(*made), status=201, headers=NO_STORE)


class ApiKeyDetail(APIView):
    """One key."""

    scopes = ()

    @extend_schema(operation_id="revoke_api_key", parameters=[_TENANT], responses={204: None})
    def delete(self, request: Request, api_key_id: UUID) -> Response:
        """Revoke it: it stops working at once, and what was opened with it closes. Once is enough."""
        api_key = get_api_key(_tenant_of(request), api_key_id)
        tenancy.revoke_api_keys(api_key_ids=[api_key.id], who=principal_of(request))
        return Response(status=204)


class ApiKeyRotation(APIView):
    """A new key instead of an old one."""

    scopes = ()

    @extend_schema(
        operation_id="rotate_api_key", parameters=[_TENANT], request=RotateBody, responses={201: NewApiKeyObject}
    )
    def post(self, request: Request, api_key_id: UUID) -> Response:
        """A key of the same name, scopes and expiry. The old one works for `grace_seconds` longer."""
        api_key = get_api_key(_tenant_of(request), api_key_id)
        grace = timedelta(seconds=read_body(request, RotateBody).grace_seconds)
        made = tenancy.rotate_api_key(api_key=api_key, grace=grace, who=principal_of(request))
        return Response(new_api_key_object(*made), status=201, headers=NO_STORE)

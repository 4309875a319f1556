"""End users over REST: their profile, everything that is known about them, and their erasure."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from asgiref.sync import sync_to_async
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from pydantic import BaseModel
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from chatify.accounts.access import get_end_user
from chatify.accounts.actions import put_end_user, update_own_profile
from chatify.accounts.api.authentication import principal_of
from chatify.accounts.api.users.paths import EXTERNAL_ID, checked_external_id, ends_in
from chatify.accounts.erasure import erase_end_user
from chatify.accounts.export import export_end_user
from chatify.accounts.models import EndUser
from chatify.accounts.principal import Principal
from chatify.accounts.profile import Profile, end_user_object
from chatify.common.api import AsyncAPIView, read_body
from chatify.common.threads import in_db_thread


class EndUserObject(BaseModel):
    """An end user with the profile that the tenant gave."""

    external_id: str
    name: str
    age: int | None
    interests: list[str]
    style: str
    preferred_template: str | None
    created_at: datetime
    updated_at: datetime


class EndUserDetail(APIView):
    """One end user."""

    scopes = ()  # `chat` for the profile, but `admin` to erase

    @extend_schema(operation_id="get_user", parameters=[EXTERNAL_ID], responses=EndUserObject)
    def get(self, request: Request, external_id: str) -> Response:
        """The profile. Keys need the scope `chat`; others see their own only."""
        principal_of(request).require_scope("chat")
        return Response(end_user_object(get_end_user(principal_of(request), checked_external_id(external_id))))

    @extend_schema(
        operation_id="change_user",
        parameters=[EXTERNAL_ID],
        request=Profile,
        responses={200: EndUserObject, 201: EndUserObject},
    )
    def patch(self, request: Request, external_id: str) -> Response:
        """Change the profile. A key makes the user if need be (201); others change their own only."""
        principal = principal_of(request)
        principal.require_scope("chat")
        principal.require_whole_user()
        changes = read_body(request, Profile).changes()
        user, is_new = _change(principal, checked_external_id(external_id), changes)
        return Response(end_user_object(user), status=201 if is_new else 200)

    @extend_schema(operation_id="erase_user", parameters=[EXTERNAL_ID], responses={204: None})
    def delete(self, request: Request, external_id: str) -> Response:
        """Erase everything that is known about the user, for good.

        Keys need the scope `admin`; people who signed in may erase themselves, and with that their account.
        """
        principal = principal_of(request)
        if principal.user_id is None:
            principal.require_scope("admin")
        end_user = get_end_user(principal, checked_external_id(external_id))
        erase_end_user(end_user_id=end_user.id, who=principal)
        return Response(status=204)


class EndUserExport(AsyncAPIView):
    """Everything about one end user."""

    scopes = ()  # of keys `admin`; everybody else may have what is theirs
    http_method_names = ["get", "options"]  # a HEAD would be audited, too, and read everything for nothing

    async def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:  # type: ignore[override]
        """As usual, unless the id itself ends in `/export`: to Django's routes an escaped slash is one like others."""
        if not ends_in(request, "/export/"):
            whole = {**kwargs, "external_id": f"{kwargs['external_id']}/export"}
            return await sync_to_async(EndUserDetail.as_view())(request, *args, **whole)
        return await super().dispatch(request, *args, **kwargs)

    @extend_schema(
        operation_id="export_user",
        parameters=[EXTERNAL_ID],
        responses={
            (200, "application/json"): OpenApiResponse(
                OpenApiTypes.OBJECT,
                description="`user`, `exported_at`, and lists: `account` (of people who sign in), `usage` per day, "
                "`chat_sessions` (deleted ones, too), `messages`, `summaries`, `feedback`, `memories`, "
                "`match_tickets`, `blocks` and `reports` (those that they made).",
            )
        },
    )
    async def get(self, request: Request, external_id: str) -> HttpResponseBase:
        """Everything that is known about the user, as a JSON file.

        Keys need the scope `admin`; people who signed in and end users get their own. A document without its last
        brace was cut short.
        """
        principal = principal_of(request)
        if principal.is_api_key:
            principal.require_scope("admin")
        principal.require_whole_user()

        def start() -> HttpResponseBase:
            end_user = get_end_user(principal, checked_external_id(external_id))
            return export_end_user(end_user=end_user, who=principal)

        return await in_db_thread(start)


def _change(principal: Principal, external_id: str, changes: dict[str, Any]) -> tuple[EndUser, bool]:
    if principal.is_api_key:
        return put_end_user(tenant_id=principal.tenant_id, external_id=external_id, changes=changes)
    user = get_end_user(principal, external_id)
    return update_own_profile(principal=principal, user=user, changes=changes), False

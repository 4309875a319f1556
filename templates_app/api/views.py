"""Personalities over REST."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from chatify.accounts.api.authentication import principal_of
from chatify.common.api import PageQuery, page, read_query
from chatify.common.schema import PAGE_PARAMETERS, page_of
from templates_app.access import get_template, templates_for
from templates_app.objects import TemplateObject, template_object


class TemplateList(APIView):
    """The personalities on offer."""

    @extend_schema(operation_id="list_templates", parameters=PAGE_PARAMETERS, responses=page_of(TemplateObject))
    def get(self, request: Request) -> Response:
        """List the personalities on offer, oldest first."""
        query = read_query(request, PageQuery)
        rows = templates_for(principal_of(request))
        return Response(page(request, rows, query, ordering="created_at", render=template_object))


class TemplateDetail(APIView):
    """One personality."""

    @extend_schema(operation_id="get_template", responses=TemplateObject)
    def get(self, request: Request, slug: str) -> Response:
        """One personality on offer."""
        return Response(template_object(get_template(principal_of(request), slug)))

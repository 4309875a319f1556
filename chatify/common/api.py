"""REST: bodies and query strings as checked models, lists in pages, views for strangers and views that may await."""

from __future__ import annotations

from collections.abc import Callable
from datetime import MAXYEAR, MINYEAR
from typing import Annotated, Any, TypeVar

from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.dateparse import parse_datetime
from pydantic import BaseModel, Field
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication
from rest_framework.pagination import CursorPagination
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from chatify.common.errors import InvalidInput
from chatify.common.inputs import Line, Query, check, check_query
from chatify.common.threads import in_db_thread

MAX_PAGE = 200
NO_STORE = {"Cache-Control": "no-store"}
"""For answers that hold a credential (RFC 6749, section 5.1) or all about somebody."""

B = TypeVar("B", bound=BaseModel)
R = TypeVar("R", bound=Model)


def read_body(request: Request, model: type[B]) -> B:
    """The request's JSON body as a checked model. An empty body counts as `{}`. Raises ChatifyError."""
    if request.META.get("HTTP_TRANSFER_ENCODING"):
        request.META["CONTENT_LENGTH"] = "-1"  # Django REST framework takes a missing length for an empty body
    elif int(request.META.get("CONTENT_LENGTH") or 0) == 0:
        return check(model, {})
    return check(model, request.data)


def read_query(request: Request, model: type[B]) -> B:
    """The query string as a checked model. Raises InvalidInput, also for a parameter given twice."""
    for name, values in request.query_params.lists():
        if len(values) > 1:
            raise InvalidInput.at(name, "duplicate_key", "This parameter stands here twice.")
    return check_query(model, request.query_params)


# Lists --------------------------------------------------------------------------------------------


class PageQuery(Query):
    """Parameters of a list."""

    cursor: Annotated[str, Field(max_length=400), Line] | None = None
    limit: Annotated[int, Field(ge=1, le=MAX_PAGE)] = 50


class _Pages(CursorPagination):
    page_size_query_param = "limit"
    max_page_size = MAX_PAGE

    def decode_cursor(self, request: Request) -> Any:
        """As the library's; what is no cursor of ours is refused before it reaches the database."""
        try:
            cursor = super().decode_cursor(request)
            if cursor is not None and cursor.position is not None:
                moment = parse_datetime(str(cursor.position))
                if moment is None or not MINYEAR < moment.year < MAXYEAR:  # its zone may lead out of all calendars
                    raise ValueError
        except (exceptions.NotFound, ValueError):
            raise InvalidInput.at("cursor", "bad_cursor", "This cursor is not one of ours.") from None
        return cursor


def page(
    request: Request, rows: QuerySet[R], query: PageQuery, *, ordering: str, render: Callable[[R], dict[str, Any]]
) -> dict[str, Any]:
    """One page of a list as `{results, next, previous}`, the latter two URLs or None.

    `ordering` is a field of time, with "-" for newest first.
    """
    pages = _Pages()
    pages.ordering, pages.page_size = (ordering, "-id" if ordering.startswith("-") else "id"), query.limit
    found = pages.paginate_queryset(rows, request) or []
    return {
        "results": [render(row) for row in found],
        "next": pages.get_next_link(),
        "previous": pages.get_previous_link(),
    }


# Views --------------------------------------------------------------------------------------------


class PublicView(APIView):
    """For those who have no credential yet. One that is sent along is not looked at."""

    authentication_classes: list[type[BaseAuthentication]] = []
    permission_classes: list[type[BasePermission]] = []


class AsyncAPIView(APIView):
    """Django REST framework's view with handlers that are coroutines.

    Authentication and permissions touch the database, so they run on a database thread; the handler
    runs on the event loop.
    """

    async def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:  # type: ignore[override]
        """As APIView's, awaiting the handler."""
        self.args, self.kwargs, self.headers = args, kwargs, self.default_response_headers
        self.request = self.initialize_request(request, *args, **kwargs)
        try:
            await in_db_thread(self.initial, self.request, *args, **kwargs)
            handler = getattr(self, (self.request.method or "").lower(), None)
            if handler is None or (self.request.method or "").lower() not in self.http_method_names:
                raise exceptions.MethodNotAllowed(self.request.method or "")
            response = handler(self.request, *args, **kwargs)
            if not isinstance(response, HttpResponseBase):  # OPTIONS is answered by the library, at once
                response = await response
        except Exception as error:
            response = self.handle_exception(error)
        self.response = self.finalize_response(self.request, response, *args, **kwargs)
        return self.response

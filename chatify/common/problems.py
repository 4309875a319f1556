"""Errors over REST: problem documents (RFC 9457)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, TypeVar

import orjson
import structlog
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from rest_framework import exceptions
from rest_framework.response import Response

from chatify.common.errors import ChatifyError, Forbidden, NotAuthenticated, NotFound, TooLarge, Unavailable

PROBLEM = "application/problem+json"
AWAY_RETRY_SECONDS = 2.0

log = structlog.get_logger(__name__)

T = TypeVar("T", bound=HttpResponseBase)


def problem(error: ChatifyError, request_id: str = "") -> dict[str, Any]:
    """The error as a problem document."""
    return {
        "type": f"urn:chatify:error:{error.code}",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "code": error.code,
        "errors": [{"field": e.field, "code": e.code, "message": e.message} for e in error.errors],
        "request_id": request_id,
    }


def problem_response(error: ChatifyError, request: HttpRequest) -> HttpResponse:
    """The error as an answer outside of Django REST framework."""
    body = orjson.dumps(problem(error, getattr(request, "request_id", "")))
    response = HttpResponse(body, status=error.status, content_type=PROBLEM)
    return _with_headers(response, error)


def problem_handler(exception: Exception, context: Mapping[str, Any]) -> Response | None:
    """Django REST framework's exception handler. None for what is a bug: that is logged and told as a 500."""
    error = translate(exception)
    if error is None:
        return None
    request_id = getattr(context["request"]._request, "request_id", "")
    response = Response(problem(error, request_id), status=error.status, content_type=PROBLEM)
    if error.status == NotAuthenticated.status:
        response["WWW-Authenticate"] = "Bearer"
    return _with_headers(response, error)


def translate(exception: Exception) -> ChatifyError | None:
    """The error of our tree for an exception of Django or Django REST framework; None if there is none."""
    if isinstance(exception, ChatifyError):
        return exception
    if isinstance(exception, Http404):
        return NotFound()
    if isinstance(exception, PermissionDenied):
        return Forbidden()
    if isinstance(exception, RequestDataTooBig):
        return TooLarge()
    if isinstance(exception, OperationalError | InterfaceError):
        return database_away()
    if isinstance(exception, exceptions.NotAuthenticated | exceptions.AuthenticationFailed):
        return NotAuthenticated()
    if isinstance(exception, exceptions.APIException):
        error = ChatifyError(str(exception.detail), code=str(exception.default_code))
        error.status, error.title = exception.status_code, HTTPStatus(exception.status_code).phrase
        return error
    return None


def database_away() -> Unavailable:
    """What is told while the database cannot be reached, is restarting, or has no connection left for us: a pool that
    waits in vain does not know which."""
    log.warning("database_away")
    return Unavailable("The database is away, or too much is going on.", retry_after=AWAY_RETRY_SECONDS)


def _with_headers(response: T, error: ChatifyError) -> T:
    for name, value in error.headers.items():
        response[name] = value
    if error.retry_after is not None:
        response["Retry-After"] = str(max(1, math.ceil(error.retry_after)))
    return response

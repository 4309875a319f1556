"""What happens around every request: an id, a log line, figures, the content security policy."""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable
from uuid import uuid4

import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.decorators import async_only_middleware
from django.utils.deprecation import MiddlewareMixin
from prometheus_client import Counter, Histogram

from chatify.common.problems import database_away

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_SESSION_KEY = re.compile(r"[A-Za-z0-9]{1,64}")
_QUIET = ("/health", "/metrics", "/static/")
_requests = Counter("chatify_requests_total", "HTTP requests.", ["method", "route", "status"])
_seconds = Histogram("chatify_request_seconds", "HTTP requests until the answer begins.", ["route"])

log = structlog.get_logger(__name__)
Next = Callable[[HttpRequest], Awaitable[HttpResponseBase]]

_ADMIN = {
    "default-src": ["'self'"],
    "script-src": ["'self'", "'unsafe-inline'", "'unsafe-eval'"],  # unfold brings Alpine
    "style-src": ["'self'", "'unsafe-inline'"],
    "img-src": ["'self'", "data:"],
    "font-src": ["'self'"],
    "frame-ancestors": ["'none'"],
    "form-action": ["'self'"],
}
_DOCS = {
    "default-src": ["'self'"],
    "script-src": ["'self'", "'unsafe-inline'", "blob:"],  # Swagger UI and ReDoc start themselves inline
    "worker-src": ["'self'", "blob:"],
    "style-src": ["'self'", "'unsafe-inline'"],
    "img-src": ["'self'", "data:"],
    "font-src": ["'self'", "data:"],
    "frame-ancestors": ["'none'"],
}
_POLICIES = {"/admin/": _ADMIN, "/docs": _DOCS, "/redoc": _DOCS}


@async_only_middleware
def observe_request(get_response: Next) -> Next:
    """Give each request an id (the client's, if it is a plain one), one log line and its figures."""

    async def middleware(request: HttpRequest) -> HttpResponseBase:
        given = request.headers.get("X-Request-ID", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else uuid4().hex
        request.request_id = request_id  # type: ignore[attr-defined]
        _drop_strange_session(request)
        started = time.perf_counter()
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            response = await get_response(request)
            _report(request, response.status_code, time.perf_counter() - started)
        response["X-Request-ID"] = request_id
        for name, value in getattr(request, "rate_limit_headers", {}).items():
            response.headers.setdefault(name, value)  # an error may have told of the budget that was used up
        return response

    return middleware


def _drop_strange_session(request: HttpRequest) -> None:
    """A session cookie that is none of ours is no cookie: a quoted one may hold NUL, at which PostgreSQL fails."""
    if not _SESSION_KEY.fullmatch(request.COOKIES.get(settings.SESSION_COOKIE_NAME, "")):
        request.COOKIES.pop(settings.SESSION_COOKIE_NAME, None)


def _report(request: HttpRequest, status: int, seconds: float) -> None:
    if request.path.startswith(_QUIET):
        return
    match = request.resolver_match
    route = match.route if match else "none"
    method = request.method if request.method in ("GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "OPTIONS") else "?"
    _requests.labels(method, route, status).inc()
    _seconds.labels(route).observe(seconds)
    # Not the query string: it may hold names, and what people search for.
    log.info("request", method=method, path=request.path, status=status, ms=round(seconds * 1000, 1))


@async_only_middleware
def choose_content_security_policy(get_response: Next) -> Next:
    """Our own pages have the strict policy; libraries' pages one that they work under."""

    async def middleware(request: HttpRequest) -> HttpResponseBase:
        response = await get_response(request)
        for prefix, policy in _POLICIES.items():
            if request.path.startswith(prefix):
                response._csp_config = policy  # type: ignore[attr-defined]
        return response

    return middleware


class TellThatDatabaseIsAway(MiddlewareMixin):
    """503 instead of 500 for pages while the database cannot be reached; the API has its own translator."""

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Plain text: a page of ours might ask the database for who is signed in."""
        if not isinstance(exception, OperationalError | InterfaceError):
            return None
        error = database_away()
        headers = {"Retry-After": str(round(error.retry_after or 1))}
        return HttpResponse(f"{error.title}. Try again in a moment.", "text/plain", error.status, headers=headers)

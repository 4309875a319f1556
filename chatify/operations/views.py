"""Metrics, documents for machines, and the errors of paths that no view takes."""

from __future__ import annotations

import os
from hmac import compare_digest
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from chatify.accounts.api.authentication import bearer
from chatify.common.errors import ChatifyError, Forbidden, InvalidInput, NotAuthenticated, NotFound
from chatify.common.problems import problem_response
from chatify.mirror import meters as mirror
from chatify.operations.asyncapi import document
from chatify.webhooks import meters as webhooks

REGISTRY.register(mirror.backlog_collector)
REGISTRY.register(webhooks.backlog_collector)
API_PREFIXES = ("/api/", "/health", "/metrics")


def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus' text format; with METRICS_TOKEN only for whoever sends it as a bearer token."""
    token = bearer(request.headers.get("Authorization", ""))
    if settings.METRICS_TOKEN and not compare_digest(token.encode(), settings.METRICS_TOKEN.encode()):
        return problem_response(NotAuthenticated("Send the METRICS_TOKEN as a bearer token."), request)
    registry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        registry.register(mirror.backlog_collector)
        registry.register(webhooks.backlog_collector)
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def asyncapi(request: HttpRequest) -> JsonResponse:
    """The socket's protocol as an AsyncAPI 3 document."""
    return JsonResponse(document())


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """400 outside of the API's views."""
    return _answer(request, InvalidInput("The request cannot be understood.", code="bad_request"))


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """403 outside of the API's views."""
    return _answer(request, Forbidden())


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """404 outside of the API's views."""
    return _answer(request, NotFound())


def server_error(request: HttpRequest) -> HttpResponse:
    """500, everywhere."""
    return _answer(request, ChatifyError())


def _answer(request: HttpRequest, error: ChatifyError) -> HttpResponse:
    if request.path.startswith(API_PREFIXES):
        return problem_response(error, request)
    context: dict[str, Any] = {"error": error, "request_id": getattr(request, "request_id", "")}
    return render(request, f"{500 if error.status == 500 else 404}.html", context, status=error.status)

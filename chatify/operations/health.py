"""How it is: /health/live/ (the process), /health/ready/ (can it serve), /health/ (each part, with its latency)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from django.conf import settings
from django.db import connection
from django.http import HttpRequest, JsonResponse
from redis import asyncio as redis

from chatify.common.threads import in_db_thread
from chatify.llm.errors import LLMError
from chatify.mirror.meters import MirrorBehind, check_backlog
from chatify.turns.runtime import current
from chatify.webhooks import meters as webhooks
from chatify.webhooks.known import known as known_endpoints

TIMEOUT_SECONDS = 3.0
PROVIDER_CACHE_SECONDS = 30.0

Check = Callable[[], Awaitable[str]]
"""Gives a word about the part, or raises."""


async def live(request: HttpRequest) -> JsonResponse:
    """Whether the process answers at all."""
    return JsonResponse({"status": "ok"})


async def ready(request: HttpRequest) -> JsonResponse:
    """Whether it can take messages: the database answers and the services run; 503 otherwise."""
    parts = await _run({"database": _database, "turns": _turns})
    is_ready = all(part["status"] == "ok" for part in parts.values())
    return JsonResponse({"status": "ok" if is_ready else "down", "parts": parts}, status=200 if is_ready else 503)


async def health(request: HttpRequest) -> JsonResponse:
    """Every part with its latency. `degraded` when what is down can be done without; 503 when it cannot."""
    checks: dict[str, Check] = {"database": _database, "turns": _turns, "provider": _provider}
    if settings.REDIS_URL:
        checks["redis"] = _redis
    if settings.FIRESTORE_IS_ON:
        checks["firestore"] = _firestore
    if known_endpoints.was_any():
        checks["webhooks"] = _webhooks
    parts = await _run(checks)
    down = {name for name, part in parts.items() if part["status"] != "ok"}
    status = "ok" if not down else "down" if down & {"database", "turns"} else "degraded"
    return JsonResponse({"status": status, "parts": parts}, status=503 if status == "down" else 200)


async def _run(checks: dict[str, Check]) -> dict[str, dict[str, Any]]:
    found = await asyncio.gather(*map(_one, checks.values()))
    return dict(zip(checks, found, strict=True))


async def _one(check: Check) -> dict[str, Any]:
    started = time.perf_counter()
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            detail = await check()
        status = "ok"
    except Exception as error:  # whatever it is, that is the finding; its text may hold addresses and secrets
        status, detail = "down", str(error) if isinstance(error, MirrorBehind) else type(error).__name__
    return {"status": status, "latency_ms": round((time.perf_counter() - started) * 1000, 1), "detail": detail}


async def _database() -> str:
    def select() -> str:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        return str(connection.vendor)

    return await in_db_thread(select)


async def _turns() -> str:
    current()
    return "running"


async def _redis() -> str:
    async with redis.from_url(settings.REDIS_URL, socket_timeout=TIMEOUT_SECONDS) as client:
        await client.ping()
    return "answers"


async def _firestore() -> str:
    """Whether the mirror keeps up, as the outbox has it: Firestore itself is not asked."""
    return await in_db_thread(check_backlog)


async def _webhooks() -> str:
    """Whether somebody delivers; that a receiver fails is its owner's business."""
    return await in_db_thread(webhooks.check_backlog)


_provider_seen: tuple[float, str] = (-PROVIDER_CACHE_SECONDS, "")


async def _provider() -> str:
    """Asked at most every 30 seconds: health is public, and the provider is somebody else's."""
    global _provider_seen
    at, told = _provider_seen
    if time.monotonic() - at > PROVIDER_CACHE_SECONDS:
        provider = current().provider
        try:
            await provider.list_models()
            told = provider.name
        except LLMError as error:
            told = f"!{error.code}"
        _provider_seen = (time.monotonic(), told)
    if told.startswith("!"):
        raise LLMError(told)
    return told

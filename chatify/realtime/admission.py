"""At most ten sockets on one chat session, or of one person at matchmaking, also on different processes."""

from __future__ import annotations

import time
from collections import Counter
from uuid import UUID

import structlog
from django.conf import settings
from redis import asyncio as redis
from redis.exceptions import RedisError

MAX_SOCKETS = 10
STALE_SECONDS = 120
"""A process that died stops to refresh its sockets, and their places are free again."""

_KEY = "chatify:sockets:"
log = structlog.get_logger(__name__)


class Admission:
    """Counts sockets; bound to one event loop. While Redis is away each process counts its own."""

    def __init__(self) -> None:
        self._local: Counter[UUID] = Counter()
        self._held: dict[str, UUID] = {}
        self._redis = (
            redis.Redis.from_pool(
                redis.BlockingConnectionPool.from_url(
                    settings.REDIS_URL, max_connections=4, timeout=3, socket_timeout=3, socket_connect_timeout=3
                )
            )
            if settings.REDIS_URL
            else None
        )

    async def enter(self, chat_session_id: UUID, socket_id: str) -> bool:
        """Take a place for a socket: of a chat session, or of a person (ids are never the same). False without one."""
        if self._local[chat_session_id] >= MAX_SOCKETS:
            return False
        self._local[chat_session_id] += 1
        self._held[socket_id] = chat_session_id
        if self._redis is None or await self._has_place(chat_session_id, socket_id):
            return True
        await self.leave(socket_id)
        return False

    async def leave(self, socket_id: str) -> None:
        """Give a place back."""
        chat_session_id = self._held.pop(socket_id, None)
        if chat_session_id is None:
            return
        self._local[chat_session_id] -= 1
        if not self._local[chat_session_id]:
            del self._local[chat_session_id]
        if self._redis is not None:
            try:
                await self._redis.zrem(f"{_KEY}{chat_session_id}", socket_id)
            except (RedisError, OSError):
                log.warning("socket_place_not_returned")  # it goes stale by itself

    async def refresh(self) -> None:
        """Say that this process's sockets are still there."""
        if self._redis is None or not self._held:
            return
        now, held = time.time(), dict(self._held)
        try:
            async with self._redis.pipeline(transaction=False) as pipeline:
                for socket_id, chat_session_id in held.items():
                    pipeline.zadd(f"{_KEY}{chat_session_id}", {socket_id: now})  # Redis may have come back empty
                    pipeline.expire(f"{_KEY}{chat_session_id}", STALE_SECONDS)
                await pipeline.execute()
            for socket_id in held.keys() - self._held.keys():  # gone meanwhile
                await self._redis.zrem(f"{_KEY}{held[socket_id]}", socket_id)
        except (RedisError, OSError):
            log.warning("socket_places_not_refreshed")  # they count here; elsewhere after the next time

    async def aclose(self) -> None:
        """Give back the connection."""
        if self._redis is not None:
            await self._redis.aclose()

    async def _has_place(self, chat_session_id: UUID, socket_id: str) -> bool:
        """Atomically: drop the stale, add ours, count. Whoever makes it eleven goes."""
        assert self._redis is not None
        key, now = f"{_KEY}{chat_session_id}", time.time()
        try:
            async with self._redis.pipeline(transaction=True) as pipeline:
                pipeline.zremrangebyscore(key, 0, now - STALE_SECONDS)
                pipeline.zadd(key, {socket_id: now})
                pipeline.zcard(key)
                pipeline.expire(key, STALE_SECONDS)
                *_, count, _ = await pipeline.execute()
        except (RedisError, OSError):
            log.warning("socket_places_not_counted")
            return True
        return int(count) <= MAX_SOCKETS

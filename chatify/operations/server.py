"""uvicorn with our limits."""

from __future__ import annotations

from typing import Any

import uvicorn
from django.conf import settings

from chatify.common.inputs import MAX_BODY
from chatify.operations.lifespan import PATIENCE_SECONDS

PING_SECONDS = 30.0
BACKLOG = 4096

KEEP_ALIVE_SECONDS = 75
"""Longer than proxies keep an idle connection: whoever sends a request just when we close it gets no answer."""


def config(host: str, port: int, workers: int = 1, **more: Any) -> uvicorn.Config:
    """How Chatify is served."""
    return uvicorn.Config(
        "config.asgi:application",
        host=host,
        port=port,
        workers=workers,
        loop="uvloop",
        http="httptools",
        ws="websockets-sansio",
        ws_max_size=MAX_BODY,
        ws_ping_interval=PING_SECONDS,
        ws_ping_timeout=PING_SECONDS,
        ws_per_message_deflate=False,
        lifespan="on",
        backlog=BACKLOG,
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=bool(settings.TRUSTED_PROXIES),
        forwarded_allow_ips=settings.TRUSTED_PROXIES or None,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=int(PATIENCE_SECONDS) + 5,
        **more,
    )

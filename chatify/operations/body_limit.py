"""No request body beyond what any route takes gets in: Django would write it all to disk before it looks."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import orjson

from chatify.common.errors import TooLarge
from chatify.common.inputs import MAX_BODY
from chatify.common.problems import PROBLEM, problem

MAX_API_BODY = MAX_BODY + 4096
"""A little above the parser's limit, so that the parser tells of what is only just too large."""

MAX_PAGE_BODY = 3 * 1024 * 1024
"""The admin's forms, above Django's own DATA_UPLOAD_MAX_MEMORY_SIZE."""


def with_body_limit(app: Any) -> Any:
    """An ASGI app that answers 413 to larger bodies, without reading what is announced as too large."""

    async def limited(scope: Any, receive: Any, send: Any) -> None:
        limit = MAX_API_BODY if scope["path"].startswith("/api/") else MAX_PAGE_BODY
        length = dict(scope["headers"]).get(b"content-length", b"0")
        if length.isdigit() and int(length[:18]) > limit:
            await _refuse(send, limit)
            return
        taken, has_begun = 0, False

        async def counted() -> Any:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > limit:
                raise TooLarge
            return message

        async def watched(message: Any) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await app(scope, counted, watched)
        except TooLarge:
            if has_begun:
                raise
            await _refuse(send, limit)

    return limited


async def _refuse(send: Any, limit: int) -> None:
    request_id = uuid4().hex
    body = orjson.dumps(problem(TooLarge(f"At most {limit} bytes are taken here."), request_id))
    headers = [
        (b"content-type", PROBLEM.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"x-request-id", request_id.encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": TooLarge.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

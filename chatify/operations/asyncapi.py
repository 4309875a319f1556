"""The AsyncAPI document of all sockets that there are."""

from __future__ import annotations

from functools import cache
from typing import Any

from chatify.matchmaking.protocol import MATCHMAKING
from chatify.realtime.asyncapi import CHAT_SESSION, document_of


@cache
def document() -> dict[str, Any]:
    """The document (AsyncAPI 3.0.0)."""
    return document_of(CHAT_SESSION, MATCHMAKING)

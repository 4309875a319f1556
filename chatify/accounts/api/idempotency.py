"""Calls that may be sent again: the `Idempotency-Key` header (IETF draft-ietf-httpapi-idempotency-key-header)."""

from __future__ import annotations

from rest_framework.request import Request

from chatify.common.errors import InvalidInput
from chatify.common.strict_json import is_storable

IDEMPOTENCY_KEY = "Idempotency-Key"
MAX_KEY = 128


def read_idempotency_key(request: Request) -> str | None:
    """The key that a call came with, None without one. Raises InvalidInput."""
    key = request.headers.get(IDEMPOTENCY_KEY)
    if key is None:
        return None
    if not 1 <= len(key) <= MAX_KEY or not key.isprintable() or not key.strip() or not is_storable(key):
        raise InvalidInput.at(IDEMPOTENCY_KEY, "bad_characters", f"1 to {MAX_KEY} printable characters are expected.")
    return key

"""Identifiers that sort by time of creation."""

from __future__ import annotations

import uuid

from uuid_utils import compat


def uuid7() -> uuid.UUID:
    """A new UUID version 7 (RFC 9562): random, and ordered by creation time in milliseconds."""
    return compat.uuid7()

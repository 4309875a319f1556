"""The latest messages of a chat session, as a model gets to see them, and their cache."""

from __future__ import annotations


def forget_erased() -> None:
    """Said by the app when it is ready: from then on what is cached of a chat session goes with it."""

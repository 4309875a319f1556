"""Chat sessions to remember."""

from tests.turns.conftest import chat, principal

__all__ = ["chat", "principal"]

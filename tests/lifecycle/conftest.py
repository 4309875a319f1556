"""A chat session in the database of the test."""

from tests.turns.conftest import chat, principal

__all__ = ["chat", "principal"]

"""A Firestore project of the test's own, mirrored to from the database of the test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from google.cloud.firestore import Client

from chatify.mirror import client as connection_to_firestore
from chatify.mirror import walking
from chatify.mirror.listening import Inbound
from tests.services.firestore import Firestore
from tests.turns.conftest import chat, principal

__all__ = ["chat", "principal"]


@pytest.fixture
def mirror(firestore: Firestore, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """The mirror is on, with an empty project; gives its client."""
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", firestore.host)
    settings.FIRESTORE_EMULATOR_HOST = firestore.host
    settings.FIREBASE_PROJECT_ID = f"test-{uuid4().hex[:12]}"
    settings.FIRESTORE_IS_ON = True
    yield connection_to_firestore.client()
    connection_to_firestore.close()


@pytest.fixture
def inbound() -> Iterator[Inbound]:
    """What listens to Firestore."""
    made = Inbound()
    yield made
    made.close()


@pytest.fixture
def small_lots(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a few chat sessions make several lots, a few messages too, and a few documents several pages."""
    monkeypatch.setattr(walking, "CHAT_SESSIONS_AT_ONCE", 2)
    monkeypatch.setattr(walking, "DOCUMENTS_AT_ONCE", 3)
    monkeypatch.setattr(walking, "KEYS_AT_ONCE", 3)
    monkeypatch.setattr(walking, "MESSAGES_AT_ONCE", 6)
    monkeypatch.setattr(walking, "SUSPECTS_AT_ONCE", 2)

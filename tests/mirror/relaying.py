"""What the tests of the relay do with it, and see of Firestore."""

from __future__ import annotations

from typing import Any

from google.cloud.firestore import Client

from chatify.events.models import OutboxRow
from chatify.mirror.relay import Relay
from sessions.models import ChatSession


def deliver(relay: Relay | None = None) -> Relay:
    """Deliver all that waits, without waiting for a document's turn."""
    relay = relay or Relay()
    while OutboxRow.objects.filter(state=OutboxRow.State.PENDING).exists():
        relay._written_at.clear()
        relay.run_once()
    relay.lease.release()
    return relay


def document(firestore: Client, path: str) -> dict[str, Any] | None:
    """What a document holds."""
    found: dict[str, Any] | None = firestore.document(path).get().to_dict()
    return found


def session_document(firestore: Client, chat: ChatSession) -> dict[str, Any] | None:
    """The document of a chat session."""
    return document(firestore, f"chatbot_sessions/{chat.id}")


def transcript(firestore: Client, chat: ChatSession) -> list[dict[str, Any]]:
    """The messages of a chat session in Firestore, by `seq`."""
    messages = firestore.collection(f"conversation_history/{chat.id}/messages").stream()
    return sorted((message.to_dict() for message in messages), key=lambda message: message["seq"])


def contents(firestore: Client, chat: ChatSession) -> list[str]:
    """What was said."""
    return [message["content"] for message in transcript(firestore, chat)]


def rows(**filters: Any) -> list[str]:
    """The events that wait."""
    return list(OutboxRow.objects.filter(**filters).values_list("event", flat=True))

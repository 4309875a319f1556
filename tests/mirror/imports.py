"""What tests of importing do: a project as another application keeps it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from google.cloud.firestore import Client

from tests.mirror.syncing import run

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
HELLO = (("user", "Hello"), ("assistant", "Hi Ann!"), ("user", "And now?"))


def chat_document(mirror: Client, id_: str, *said: tuple[str, str], prefix: str = "", **fields: Any) -> str:
    """A chat session as another application keeps it. Gives its path."""
    path = f"{prefix}chatbot_sessions/{id_}"
    mirror.document(path).set({"user_id": "ann", "template_type": "casual_chat", "status": "active", **fields})
    for number, (role, content) in enumerate(said):
        message = {"role": role, "content": content, "created_at": NOON + timedelta(minutes=number), "tokens": 7}
        mirror.document(f"{prefix}conversation_history/{id_}/messages/m{number}").set(message)
    return path


def imported(*arguments: str) -> tuple[int, str]:
    """Run firestore_import for the tenant acme. Gives its exit status and what it says."""
    return run("firestore_import", "--tenant", "acme", *arguments)

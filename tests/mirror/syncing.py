"""What tests of comparing and rebuilding do."""

from __future__ import annotations

from collections.abc import Iterable
from io import StringIO
from typing import Any

from django.core.management import CommandError, call_command
from google.cloud.firestore import Client

from chatify.accounts.actions import ensure_tenant
from chatify.accounts.models import Tenant
from chatify.accounts.principal import Principal
from chatify.accounts.profile import UserInput
from sessions.actions import start_chat_session
from sessions.models import ChatSession
from tests.memory.talking import talk
from tests.mirror.relaying import deliver


def sync(*arguments: str, wait: float = 0) -> tuple[int, str]:
    """Run firestore_sync. Gives its exit status and what it says."""
    return run("firestore_sync", *arguments, wait=wait)


def run(command: str, *arguments: str, **options: Any) -> tuple[int, str]:
    """Run a command as a shell would."""
    out = StringIO()
    try:
        call_command(command, *arguments, stdout=out, **options)
    except CommandError as error:
        return error.returncode, f"{out.getvalue()}{error}"
    return 0, out.getvalue()


def verified(*arguments: str) -> list[str]:
    """The lines about differences that --verify prints."""
    return [
        line for line in sync("--verify", *arguments)[1].splitlines() if "_" in line.split("/")[0] or "    " in line
    ]


def conversation(tenant: str = "demo", user: str = "alice", turns: int = 2) -> ChatSession:
    """A chat session with some turns, delivered."""
    principal = Principal(ensure_tenant(slug=tenant).id)
    chat = start_chat_session(principal=principal, template_slug="plain", user=UserInput(external_id=user))
    talk(principal, chat, turns)
    deliver()
    return chat


def move(tenant: str, prefix: str) -> Tenant:
    """Give a tenant another place, as the admin does."""
    from chatify.accounts.tenancy import update_tenant

    row = ensure_tenant(slug=tenant)
    update_tenant(tenant=row, changes={"firestore_prefix": prefix}, who=None)
    return row


def messages_of(chat: ChatSession, prefix: str = "") -> str:
    """The collection of a chat session's messages."""
    return f"{prefix}conversation_history/{chat.id}/messages"


def paths(firestore: Client, prefixes: Iterable[str] = ("",)) -> list[str]:
    """Every document of ours that there is, messages of lost transcripts included."""
    found = []
    for prefix in prefixes:
        for collection in ("prompt_templates", "chatbot_sessions"):
            found += [one.reference.path for one in firestore.collection(f"{prefix}{collection}").stream()]
        for transcript in firestore.collection(f"{prefix}conversation_history").list_documents():
            found += [one.reference.path for one in transcript.collection("messages").stream()]
    return sorted(found)

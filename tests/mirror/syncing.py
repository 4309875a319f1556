"""What tests of comparing and rebuilding do."""

from __future__ import annotations

from collections.abc import Iterable
from io import StringIO
from typing import Any

from django.core.management import CommandError, call_command
from google.cloud.firestore import Client

from chatify.accounts.actions import ensure_tenant, upsert_end_user
from chatify.accounts.models import EndUser, Tenant
from chatify.accounts.principal import Principal
from chatify.accounts.profile import UserInput
from chatify.common.ids import uuid7
from chatify.turns import ledger
from sessions.actions import start_chat_session
from sessions.models import ChatSession
from sessions.starting import new_human_room, save_chat_sessions
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


def mirrored_room(first: str, second: str, tenant: str = "demo") -> ChatSession:
    """A room in which each of the two has said something, delivered."""
    tenant_id = ensure_tenant(slug=tenant).id
    people = [upsert_end_user(tenant_id=tenant_id, external_id=one, changes={}) for one in (first, second)]
    room = new_human_room(*people)
    save_chat_sessions([room])
    for person in people:
        say_in_room(room, person, f"{person.external_id} is here")
    deliver()
    return room


def say_in_room(room: ChatSession, person: EndUser, text: str) -> None:
    """Somebody says something in a room."""
    principal = Principal(room.tenant_id).speaking_for(person.id)
    ledger.accept(principal=principal, chat_session_id=room.id, message_id=uuid7(), owner="process.a", content=text)


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

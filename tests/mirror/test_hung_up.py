"""Our own side has closed the connection: that is no refusal of what was to be written."""

from __future__ import annotations

import pytest
from google.cloud.firestore import Client

from chatify.accounts.principal import Principal
from chatify.events.models import OutboxRow
from chatify.mirror import client as connection_to_firestore
from chatify.mirror.listening import Inbound
from chatify.mirror.relay import Relay
from chatify.mirror.taking import write_again
from chatify.mirror.writing import Away
from sessions.actions import delete_chat_sessions
from sessions.models import ChatSession
from templates_app.models import PromptTemplate
from tests.memory.talking import talk
from tests.mirror.edits import personality
from tests.mirror.relaying import contents, deliver, document, rows

pytestmark = pytest.mark.django_db


def is_put_off(relay: Relay) -> bool:
    """Whether what waits goes on waiting."""
    waiting = rows()
    list(connection_to_firestore.client().collection("nothing").limit(1).stream())  # it is connected
    connection_to_firestore.interrupt()
    with pytest.raises(Away, match="Cannot invoke RPC"):
        relay.run_once()
    relay.lease.release()
    assert set(rows()) <= set(waiting), "a document keeps one row"
    return rows(state=OutboxRow.State.DEAD) == [] and rows()[-1:] == waiting[-1:]


def test_documents_wait(mirror: Client, principal: Principal, chat: ChatSession) -> None:
    talk(principal, chat, 3)
    assert is_put_off(Relay())
    connection_to_firestore.close()
    deliver()
    assert len(contents(connection_to_firestore.client(), chat)) == 6


def test_transcript_that_is_to_go_waits(mirror: Client, principal: Principal, chat: ChatSession) -> None:
    talk(principal, chat, 1)
    deliver()
    delete_chat_sessions(chat_session_ids=[chat.id])
    assert is_put_off(Relay())
    connection_to_firestore.close()
    deliver()
    assert contents(connection_to_firestore.client(), chat) == []


def test_personality_that_nobody_could_look_at_is_not_overwritten(mirror: Client) -> None:
    personality("ada")
    inbound = Inbound()
    deliver(Relay(look=inbound.look))
    mirror.document("prompt_templates/ada").update({"name": "Theirs"})
    personality("bob")
    write_again(PromptTemplate.objects.get(slug="ada"))
    assert is_put_off(Relay(look=inbound.look))
    connection_to_firestore.close()
    deliver(Relay(look=inbound.look))
    assert (document(connection_to_firestore.client(), "prompt_templates/ada") or {})["name"] == "Theirs"
    inbound.close()


def test_interrupting_what_was_never_connected_does_nothing(mirror: Client) -> None:
    connection_to_firestore.close()
    connection_to_firestore.interrupt()
    connection_to_firestore.close()

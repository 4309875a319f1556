"""The chatbot for people who are in Chatify's own queue: their match ticket knows whom they talk to."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from chatify.accounts.models import EndUser
from chatify.accounts.principal import Principal
from chatify.accounts.profile import UserInput
from chatify.common.errors import Conflict
from chatify.matchmaking import connecting
from chatify.matchmaking.connecting import connect_to_chatbot
from chatify.matchmaking.models import MatchTicket
from sessions.actions import end_chat_session, start_chat_session
from sessions.models import ChatSession
from tests.turns.conftest import chat, principal

__all__ = ["chat", "principal"]
pytestmark = pytest.mark.django_db


def queue_up(chat: ChatSession, **fields: Any) -> MatchTicket:
    """A live match ticket of the chat session's user."""
    now = timezone.now()
    both = {"tenant_id": chat.tenant_id, "end_user": chat.end_user, "band": "unknown", "seen_at": now}
    return MatchTicket.objects.create(**both, created_at=now, deadline=now, **fields)


def connect(principal: Principal) -> tuple[ChatSession, bool]:
    return connect_to_chatbot(principal=principal, user=UserInput(external_id="alice", name="New"))


def test_who_waits_is_refused_and_nothing_is_written(principal: Principal, chat: ChatSession) -> None:
    queue_up(chat)
    with pytest.raises(Conflict) as refused:
        connect(principal)
    assert refused.value.code == "in_queue"
    assert not EndUser.objects.filter(name="New").exists()


def test_who_joins_in_this_moment_is_refused_as_well(
    principal: Principal, chat: ChatSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = connecting._lock_end_user
    monkeypatch.setattr(connecting, "_lock_end_user", lambda user: queue_up(chat) and lock(user))
    with pytest.raises(Conflict) as refused:
        connect(principal)
    assert refused.value.code == "in_queue"


def test_who_has_a_ticket_with_a_personality_gets_its_chat_session(principal: Principal, chat: ChatSession) -> None:
    ticket = queue_up(chat, status="with_chatbot", chat_session=chat)
    other = start_chat_session(principal=principal, template_slug=None, user=UserInput(external_id="alice"))
    assert connect(principal) == (chat, False)
    ticket.closed_at = timezone.now()
    ticket.save()
    assert connect(principal) == (other, False), "it is the latest"


def test_ticket_whose_chat_session_has_ended_is_in_nobodys_way(principal: Principal, chat: ChatSession) -> None:
    queue_up(chat, status="with_chatbot", chat_session=chat)
    end_chat_session(chat_session_id=chat.id, reason="test")
    found, is_new = connect(principal)
    assert (is_new, found != chat) == (True, True)

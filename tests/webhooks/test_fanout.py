"""From events to deliveries: who is told of what, and that nobody else pays for it."""

from __future__ import annotations

from time import monotonic
from typing import Any

import pytest

from chatify.accounts.actions import ensure_tenant, upsert_end_user
from chatify.accounts.models import Tenant
from chatify.accounts.tenancy import delete_tenants
from chatify.events.bus import emit
from chatify.events.models import OutboxRow
from chatify.webhooks import fanout
from chatify.webhooks.endpoints import create_endpoint, update_endpoint
from chatify.webhooks.fanout import fan_out
from chatify.webhooks.known import STALE_SECONDS, known
from chatify.webhooks.models import WebhookDelivery
from chatify.webhooks.names import NAMES, name_outside
from sessions.actions import end_chat_session, pause_chat_session, resume_chat_session
from sessions.models import ChatSession
from sessions.starting import new_human_room, save_chat_sessions
from tests.webhooks.stage import make_endpoint, say, tell

pytestmark = pytest.mark.django_db


@pytest.fixture
def room(chat: ChatSession) -> ChatSession:
    """A room of two people."""
    people = [upsert_end_user(tenant_id=chat.tenant_id, external_id=name, changes={}) for name in ("ann", "ben")]
    made = new_human_room(*people)
    save_chat_sessions([made])
    return made


def told(chat: ChatSession, event: str, subject: Any = None) -> list[str]:
    """The names under which an event goes out."""
    return [one.event for one in tell(chat, event, subject.id if subject else None)]


def test_without_endpoints_nothing_is_written(chat: ChatSession) -> None:
    pause_chat_session(chat_session_id=chat.id, reason="test")
    assert not OutboxRow.objects.filter(sink="webhooks").exists()


def test_others_do_not_pay(chat: ChatSession) -> None:
    make_endpoint(ensure_tenant(slug="other"))
    pause_chat_session(chat_session_id=chat.id, reason="test")
    assert not OutboxRow.objects.filter(sink="webhooks").exists()


def test_no_query_is_made_while_somebody_keeps_it(tenant: Tenant, django_assert_num_queries: Any) -> None:
    make_endpoint(tenant)
    known.is_kept = True
    with django_assert_num_queries(0):
        assert known.is_any()
        assert known.wants(tenant.id, "chatbot.message")
    known.is_kept, known._read_at = False, float("-inf")
    with django_assert_num_queries(1):
        assert known.is_any()
        assert known.is_any(), "and not more often than once a second"


@pytest.mark.parametrize("age", [float("inf"), STALE_SECONDS + 1])
def test_nothing_is_lost_while_who_keeps_it_has_not_begun_or_is_stuck(
    tenant: Tenant, chat: ChatSession, age: float
) -> None:
    create_endpoint(tenant=tenant, url="https://example.com/hook", who=None)
    known.is_kept, known._read_at, known._wanted = True, monotonic() - age, {}
    emit("session.paused", tenant_id=tenant.id, chat_session_id=chat.id)
    assert OutboxRow.objects.filter(sink="webhooks").count() == 1


def test_life_of_a_chat_session_is_told(chat: ChatSession, tenant: Tenant) -> None:
    make_endpoint(tenant)
    assert told(chat, "session.started") == ["chatbot.connected"]
    pause_chat_session(chat_session_id=chat.id, reason="test")
    resume_chat_session(chat_session_id=chat.id, reason="test")
    end_chat_session(chat_session_id=chat.id, reason="test")
    fan_out()
    events = list(WebhookDelivery.objects.order_by("id").values_list("event", flat=True))
    assert events == ["chatbot.connected", "session.paused", "session.resumed", "chatbot.session_ended"]
    assert not OutboxRow.objects.filter(sink="webhooks").exists()


def test_words_of_personalities_are_told_and_those_of_people_are_not(chat: ChatSession, tenant: Tenant) -> None:
    make_endpoint(tenant)
    mine, reply, notice = (say(chat, role) for role in ("user", "assistant", "notice"))
    broken = say(chat, "assistant", status="failed", error_code="stream_cut")
    assert told(chat, "message.created", mine) == []
    assert told(chat, "message.created", notice) == []
    assert told(chat, "reply.complete", reply) == ["chatbot.message"]
    assert told(chat, "message.created", reply) == ["chatbot.message"]
    assert told(chat, "reply.complete", broken) == []
    assert told(chat, "reply.failed", broken) == []


def test_human_rooms_are_told_of_by_matches_only(room: ChatSession, tenant: Tenant) -> None:
    make_endpoint(tenant)
    message = say(room, "human")
    for event in ("session.started", "session.ended", "message.created"):
        assert told(room, event, message) == []
    assert told(room, "session.paused") == ["session.paused"]
    assert told(room, "match.matched", message) == ["match.matched"]
    assert told(room, "moderation.flagged", message) == ["moderation.flagged"]


def test_endpoints_are_told_what_they_ask_for(chat: ChatSession, tenant: Tenant) -> None:
    everything, _ = make_endpoint(tenant)
    pauses, _ = make_endpoint(tenant, "session.paused", "match.joined")
    make_endpoint(ensure_tenant(slug="other"))
    assert [one.endpoint_id for one in tell(chat, "session.paused")] == [everything.id, pauses.id]
    assert [one.endpoint_id for one in tell(chat, "session.resumed")] == [everything.id]


def test_what_nobody_asks_for_is_not_even_written(chat: ChatSession, tenant: Tenant) -> None:
    make_endpoint(tenant, "session.paused")
    for event in ("session.resumed", "session.renamed", "memory.changed", "user.erased"):
        emit(event, tenant_id=tenant.id, chat_session_id=chat.id)
    emit("template.changed")
    assert not OutboxRow.objects.filter(sink="webhooks").exists()


def test_inactive_endpoints_and_deleted_tenants_are_told_nothing(chat: ChatSession, tenant: Tenant) -> None:
    endpoint, _ = make_endpoint(tenant)
    emit("session.paused", tenant_id=tenant.id, chat_session_id=chat.id)
    update_endpoint(endpoint=endpoint, changes={"is_active": False}, who=None)
    assert (fan_out(), WebhookDelivery.objects.count()) == (1, 0)
    update_endpoint(endpoint=endpoint, changes={"is_active": True}, who=None)
    known.refresh(max_age=0)
    delete_tenants(tenant_ids=[tenant.id], who=None)
    assert tell(chat, "session.paused") == []
    known.refresh(max_age=0)
    assert not known.is_any()


def test_rows_are_taken_in_lots(chat: ChatSession, tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    make_endpoint(tenant)
    monkeypatch.setattr(fanout, "ROWS_AT_ONCE", 2)
    for _ in range(3):
        emit("session.paused", tenant_id=tenant.id, chat_session_id=chat.id)
    assert [fan_out() for _ in range(3)] == [2, 1, 0]
    assert WebhookDelivery.objects.count() == 3


def test_every_name_outside_stands_for_something_inside() -> None:
    inside = ["session.started", "session.ended", "session.paused", "session.resumed", "reply.complete"]
    inside += [name for name in NAMES if name.startswith(("match.", "moderation."))]
    assert {name_outside(event) for event in inside} == set(NAMES)
    assert name_outside("chatbot.message") is None, "that is a name outside"

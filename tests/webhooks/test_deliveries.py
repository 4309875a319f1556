"""One delivery: what is sent, what becomes of it, and when an endpoint is given up."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone
from standardwebhooks import WebhookVerificationError
from standardwebhooks.webhooks import Webhook

from chatify.accounts.actions import upsert_end_user
from chatify.accounts.erasure import erase_end_user
from chatify.accounts.models import AuditEntry, EndUser, Tenant
from chatify.accounts.tenancy import delete_tenants, restore_tenants
from chatify.common.errors import Conflict
from chatify.webhooks import deliveries
from chatify.webhooks.deliveries import prepare, replay, replay_one
from chatify.webhooks.endpoints import NOT_READABLE, disable_endpoint, rotate_secret, update_endpoint
from chatify.webhooks.fanout import fan_out
from chatify.webhooks.models import WebhookDelivery, WebhookEndpoint
from chatify.webhooks.sending import Answer, Call
from chatify.webhooks.tasks import purge_deliveries
from sessions.actions import delete_chat_sessions
from sessions.models import ChatSession
from tests.webhooks.stage import AWAY, FAILED, GONE, OK, attempt, due, make_endpoint, pass_time, say, tell

pytestmark = pytest.mark.django_db


@pytest.fixture
def endpoint(tenant: Tenant, chat: ChatSession) -> WebhookEndpoint:
    """Told everything since the chat session has started; its secret is `endpoint.shown`."""
    made, secret = make_endpoint(tenant)
    made.shown = secret  # type: ignore[attr-defined]
    return made


@pytest.fixture
def delivery(endpoint: WebhookEndpoint, chat: ChatSession) -> WebhookDelivery:
    """The one that is due."""
    [found] = tell(chat, "session.paused")
    return found


def fresh(row: Any) -> Any:
    row.refresh_from_db()
    return row


def call_of(delivery: WebhookDelivery) -> Call:
    ready = prepare(delivery.id)
    assert ready is not None
    return ready.call


def verified(call: Call, secret: str) -> dict[str, Any]:
    found: dict[str, Any] = Webhook(secret).verify(call.body, dict(call.headers))
    return found


# What is sent -------------------------------------------------------------------------------------
def test_signature_is_that_of_the_library(delivery: WebhookDelivery, endpoint: Any, chat: ChatSession) -> None:
    call = call_of(delivery)
    told = verified(call, endpoint.shown)
    assert (call.url, told["type"]) == (endpoint.url, "session.paused")
    assert told["timestamp"].endswith("Z")
    assert (told["data"]["session"]["id"], told["data"]["user"]) == (str(chat.id), "alice")
    assert "ws_url" not in told["data"]["session"]
    assert call.headers["webhook-id"] == f"msg_{delivery.id.hex}"
    assert call.headers["content-type"] == "application/json"


def test_wrong_secret_does_not_verify(delivery: WebhookDelivery) -> None:
    with pytest.raises(WebhookVerificationError):
        verified(call_of(delivery), f"whsec_{'A' * 44}")


def test_both_secrets_sign_for_a_day_after_a_rotation(delivery: WebhookDelivery, endpoint: Any) -> None:
    secrets = [endpoint.shown, rotate_secret(endpoint=endpoint, who=None)]
    call = call_of(delivery)
    assert len(call.headers["webhook-signature"].split()) == 2
    assert [verified(call, secret)["type"] for secret in secrets] == ["session.paused"] * 2
    pass_time(hours=24)
    call = call_of(delivery)
    assert verified(call, secrets[1])["type"] == "session.paused"
    with pytest.raises(WebhookVerificationError):
        verified(call, secrets[0])


def test_message_is_told_with_its_text(endpoint: WebhookEndpoint, chat: ChatSession) -> None:
    [delivery] = tell(chat, "reply.complete", say(chat, "assistant", "Money, mostly.").id)
    payload = deliveries.payload_of(delivery)
    assert payload is not None
    assert payload["data"]["message"]["content"] == "Money, mostly."
    assert payload["data"]["message"]["sender"] == {"kind": "ai", "name": "Plain"}
    assert payload["data"]["user"] == "alice"


def test_payload_is_of_the_moment_in_which_it_is_sent(delivery: WebhookDelivery, chat: ChatSession) -> None:
    ChatSession.objects.filter(id=chat.id).update(metadata={"it": "is later"})
    assert b"is later" in call_of(delivery).body


def test_title_is_not_told_as_somebody_may_have_said_it(delivery: WebhookDelivery, chat: ChatSession) -> None:
    ChatSession.objects.filter(id=chat.id).update(title="My secret")
    body = call_of(delivery).body
    assert (b"title" in body, b"My secret" in body) == (False, False)


@pytest.mark.parametrize("event", ["session.paused", "reply.complete", "match.joined", "moderation.flagged"])
def test_what_is_gone_is_dropped(endpoint: WebhookEndpoint, chat: ChatSession, event: str) -> None:
    message = say(chat, "assistant")
    [delivery] = tell(chat, event, message.id)
    delete_chat_sessions(chat_session_ids=[chat.id])
    assert prepare(delivery.id) is None
    assert (fresh(delivery).state, delivery.error) == ("dropped", "What it was about is gone.")
    assert prepare(delivery.id) is None


def test_event_without_a_subject_is_dropped(endpoint: WebhookEndpoint, chat: ChatSession) -> None:
    for event in ("match.joined", "moderation.flagged"):
        [delivery] = tell(chat, event)
        assert prepare(delivery.id) is None
        assert fresh(delivery).state == "dropped"


# What becomes of it -------------------------------------------------------------------------------
def test_success_settles_it(delivery: WebhookDelivery, endpoint: WebhookEndpoint) -> None:
    assert attempt(delivery, Answer(204, duration_ms=7)) == "delivered"
    fresh(delivery)
    assert (delivery.attempts, delivery.status_code, delivery.duration_ms, delivery.error) == (1, 204, 7, "")
    assert delivery.delivered_at
    assert prepare(delivery.id) is None
    assert due(endpoint) == []


def test_failure_is_tried_again_with_the_same_id(delivery: WebhookDelivery, endpoint: WebhookEndpoint) -> None:
    ids = [call_of(delivery).headers["webhook-id"]]
    assert attempt(delivery, FAILED) == "pending"
    assert due(endpoint) == []
    pass_time(seconds=6)
    assert due(endpoint) == [delivery.id]
    ids.append(call_of(fresh(delivery)).headers["webhook-id"])
    assert (len(set(ids)), delivery.attempts, delivery.status_code) == (1, 1, 500)
    assert [one["error"] for one in delivery.log] == ["It answered 500."]


def test_ninth_failure_is_the_last(delivery: WebhookDelivery) -> None:
    states = [attempt(delivery, AWAY) for _ in range(9)]
    assert states == ["pending"] * 8 + ["failed"]
    assert (fresh(delivery).attempts, len(delivery.log), delivery.status_code) == (9, 9, None)


def test_retry_after_is_honoured(delivery: WebhookDelivery, endpoint: WebhookEndpoint) -> None:
    attempt(delivery, Answer(429, "It answered 429.", retry_after=600))
    pass_time(seconds=590)
    assert due(endpoint) == []
    pass_time(seconds=11)
    assert due(endpoint) == [delivery.id]


def test_second_to_settle_writes_nothing(delivery: WebhookDelivery) -> None:
    one, other = prepare(delivery.id), prepare(delivery.id)
    assert one
    assert other
    assert deliveries.settle(one.delivery, OK) == "delivered"
    assert deliveries.settle(other.delivery, FAILED) == "pending"
    assert (fresh(delivery).state, delivery.attempts) == ("delivered", 1)


def test_one_that_could_not_be_made_waits_as_if_it_had_failed(
    delivery: WebhookDelivery, endpoint: WebhookEndpoint
) -> None:
    deliveries.hold_up(delivery.id)
    assert (fresh(delivery).state, delivery.attempts, delivery.error) == ("pending", 1, "It could not be made.")
    assert (due(endpoint), fresh(endpoint).failing_since) == ([], None)
    for _ in range(8):
        deliveries.hold_up(delivery.id)
    assert (fresh(delivery).state, delivery.attempts) == ("failed", 9)
    deliveries.hold_up(delivery.id)
    assert fresh(delivery).attempts == 9


def test_log_keeps_the_last_attempts(delivery: WebhookDelivery) -> None:
    for _ in range(3):
        for _ in range(9):
            attempt(delivery, FAILED)
        replay(delivery_ids=[delivery.id], who=None)
    assert len(fresh(delivery).log) == deliveries.LOGGED


# Endpoints that fail ------------------------------------------------------------------------------
def test_failing_is_noted_until_something_comes_through(chat: ChatSession, endpoint: WebhookEndpoint) -> None:
    [first], [second] = tell(chat, "session.paused"), tell(chat, "session.resumed")
    attempt(first, FAILED)
    since = fresh(endpoint).failing_since
    attempt(first, FAILED)
    assert fresh(endpoint).failing_since == since is not None
    attempt(second, OK)
    assert fresh(endpoint).failing_since is None


def test_success_ends_a_failure_that_began_while_it_was_on_its_way(
    chat: ChatSession, endpoint: WebhookEndpoint
) -> None:
    found = [prepare(tell(chat, event)[0].id) for event in ("session.paused", "session.resumed")]
    for ready, answer in zip(found, (FAILED, OK), strict=True):
        assert ready
        deliveries.settle(ready.delivery, answer)
    assert fresh(endpoint).failing_since is None


@pytest.mark.parametrize(("answer", "state"), [(OK, "delivered"), (FAILED, "failed")])
def test_what_arrives_after_its_endpoint_was_disabled_has_arrived(
    delivery: WebhookDelivery, endpoint: WebhookEndpoint, answer: Answer, state: str
) -> None:
    ready = prepare(delivery.id)
    assert ready
    disable_endpoint(endpoint_id=endpoint.id, reason="test")
    deliveries.settle(ready.delivery, answer)
    assert fresh(delivery).state == state


def test_endpoint_is_disabled_after_three_days(chat: ChatSession, endpoint: WebhookEndpoint) -> None:
    [first], [second] = tell(chat, "session.paused"), tell(chat, "session.resumed")
    for _ in range(9):
        attempt(first, FAILED)
    pass_time(days=2.9)
    attempt(second, FAILED)
    assert fresh(endpoint).is_active
    pass_time(hours=3)
    attempt(second, FAILED)
    assert (fresh(endpoint).is_active, endpoint.is_owner_told) == (False, False)
    assert endpoint.disabled_reason == "Nothing has come through for three days."
    assert {fresh(one).state for one in (first, second)} == {"failed"}
    entry = AuditEntry.objects.get(action="webhook.disabled")
    assert (entry.actor_kind, entry.subject_id) == ("system", endpoint.id)


def test_few_failures_are_not_enough(delivery: WebhookDelivery, endpoint: WebhookEndpoint) -> None:
    attempt(delivery, FAILED)
    pass_time(days=10)
    for _ in range(5):
        attempt(delivery, FAILED)
    assert fresh(endpoint).is_active


def test_410_disables_at_once(chat: ChatSession, delivery: WebhookDelivery, endpoint: WebhookEndpoint) -> None:
    [other] = tell(chat, "session.resumed")
    attempt(delivery, GONE)
    assert (fresh(endpoint).is_active, endpoint.disabled_reason[:15]) == (False, "It answered 410")
    assert {fresh(one).state for one in (delivery, other)} == {"failed"}


def test_activating_starts_afresh_and_lets_it_be_replayed(delivery: WebhookDelivery, endpoint: WebhookEndpoint) -> None:
    attempt(delivery, GONE)
    with pytest.raises(Conflict) as refused:
        replay_one(delivery=fresh(delivery), who=None)
    assert refused.value.code == "endpoint_inactive"
    update_endpoint(endpoint=fresh(endpoint), changes={"is_active": True}, who=None)
    assert (endpoint.failing_since, endpoint.disabled_at, endpoint.disabled_reason) == (None, None, "")
    assert endpoint.is_owner_told
    replay_one(delivery=delivery, who=None)
    assert due(endpoint) == [delivery.id]
    assert attempt(delivery, OK) == "delivered"


def test_what_waits_is_not_sent_while_the_endpoint_is_switched_off(
    delivery: WebhookDelivery, endpoint: WebhookEndpoint
) -> None:
    update_endpoint(endpoint=endpoint, changes={"is_active": False}, who=None)
    assert (due(endpoint), prepare(delivery.id)) == ([], None)
    update_endpoint(endpoint=endpoint, changes={"is_active": True}, who=None)
    assert due(endpoint) == [delivery.id]


def test_secret_that_cannot_be_read_disables_with_a_reason(
    delivery: WebhookDelivery, endpoint: WebhookEndpoint, settings: Any
) -> None:
    settings.ENCRYPTION_KEY = "another one " * 4
    assert prepare(delivery.id) is None
    assert (fresh(endpoint).is_active, endpoint.disabled_reason) == (False, NOT_READABLE)
    assert (fresh(delivery).state, delivery.error) == ("failed", NOT_READABLE)
    secret = rotate_secret(endpoint=endpoint, who=None)
    assert (endpoint.former_secret, endpoint.former_until) == ("", None)
    update_endpoint(endpoint=endpoint, changes={"is_active": True}, who=None)
    replay_one(delivery=delivery, who=None)
    assert verified(call_of(delivery), secret)


def test_former_secret_that_cannot_be_read_does_no_harm(
    delivery: WebhookDelivery, endpoint: WebhookEndpoint, settings: Any
) -> None:
    rotate_secret(endpoint=endpoint, who=None)
    WebhookEndpoint.objects.update(former_secret="garbage")
    assert len(call_of(delivery).headers["webhook-signature"].split()) == 1


# Replay -------------------------------------------------------------------------------------------
@pytest.mark.parametrize("answers", [[OK], [FAILED] * 9, [FAILED]])
def test_replay_sends_it_again(delivery: WebhookDelivery, endpoint: WebhookEndpoint, answers: list[Answer]) -> None:
    for answer in answers:
        attempt(delivery, answer)
    replay_one(delivery=delivery, who=None)
    assert (delivery.state, delivery.attempts, due(endpoint)) == ("pending", 0, [delivery.id])
    assert AuditEntry.objects.filter(action="webhook.replayed", subject_id=delivery.id).exists()


def test_many_are_replayed_in_batches(
    chat: ChatSession, endpoint: WebhookEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "REPLAYED_AT_ONCE", 2)
    told = [tell(chat, "session.paused")[0] for _ in range(5)]
    for one in told:
        attempt(one, OK)
    assert replay(delivery_ids=[one.id for one in told], who=None) == 5
    assert {fresh(one).state for one in told} == {"pending"}


def test_replay_that_overtakes_an_attempt_is_not_lost(delivery: WebhookDelivery, endpoint: WebhookEndpoint) -> None:
    attempt(delivery, FAILED)
    ready = prepare(delivery.id)
    assert ready
    replay_one(delivery=delivery, who=None)
    deliveries.settle(ready.delivery, FAILED)
    assert due(endpoint) == [delivery.id]


@pytest.mark.parametrize("answer", [OK, FAILED])
def test_replay_that_overtakes_the_first_attempt_is_not_lost_either(
    delivery: WebhookDelivery, endpoint: WebhookEndpoint, answer: Answer
) -> None:
    pass_time(seconds=1)
    ready = prepare(delivery.id)
    assert ready
    replay_one(delivery=delivery, who=None)
    assert deliveries.settle(ready.delivery, answer) == "pending"
    assert (due(endpoint), fresh(delivery).attempts) == ([delivery.id], 0)


# What goes ----------------------------------------------------------------------------------------
def test_deliveries_are_kept_thirty_days(delivery: WebhookDelivery, chat: ChatSession, monkeypatch: Any) -> None:
    monkeypatch.setattr(deliveries, "PURGED_AT_ONCE", 1)
    tell(chat, "session.resumed")
    pass_time(days=29)
    tell(chat, "session.paused")
    assert purge_deliveries() == 0
    pass_time(days=2)
    assert purge_deliveries() == 2
    assert WebhookDelivery.objects.count() == 1


def test_erasing_somebody_deletes_what_names_their_things(
    tenant: Tenant, endpoint: WebhookEndpoint, chat: ChatSession
) -> None:
    bob = upsert_end_user(tenant_id=tenant.id, external_id="bob", changes={})
    tell(chat, "session.paused")
    kept = WebhookDelivery.objects.create(
        tenant=tenant, endpoint=endpoint, event="session.paused", chat_session_id=uuid4(),
        occurred_at=timezone.now(), next_attempt_at=timezone.now(), subject_id=bob.id,
    )  # fmt: skip
    erase_end_user(end_user_id=EndUser.objects.get(external_id="alice").id, who=None)
    fan_out()
    assert list(WebhookDelivery.objects.all()) == [kept]
    erase_end_user(end_user_id=bob.id, who=None)
    assert not WebhookDelivery.objects.exists()


def test_deleted_tenant_is_sent_nothing_until_it_is_restored(
    tenant: Tenant, endpoint: WebhookEndpoint, delivery: WebhookDelivery
) -> None:
    delete_tenants(tenant_ids=[tenant.id], who=None)
    assert (due(endpoint), prepare(delivery.id)) == ([], None)
    restore_tenants(tenant_ids=[tenant.id], who=None)
    assert due(endpoint) == [delivery.id]


def test_oldest_are_sent_first(chat: ChatSession, endpoint: WebhookEndpoint) -> None:
    rows = [tell(chat, "session.paused")[0] for _ in range(3)]
    WebhookDelivery.objects.filter(id=rows[2].id).update(next_attempt_at=timezone.now() - timedelta(seconds=9))
    assert due(endpoint) == [rows[2].id, rows[0].id, rows[1].id]
    assert deliveries.due_of(endpoint.id, 1, without=[rows[2].id]) == [rows[0].id]
    assert deliveries.endpoints_with_due(without=[endpoint.id]) == {}

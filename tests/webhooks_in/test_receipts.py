"""Notes of what came in: how long they are kept, and what they say of people."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from chatify.accounts.actions import ensure_tenant
from chatify.common.errors import Conflict
from chatify.webhooks import receipts, sources, tasks
from chatify.webhooks.models import WebhookReceipt, WebhookSource
from chatify.webhooks.receipts import Done
from chatify.webhooks.verifying import TOLERANCE_SECONDS, Delivery
from config.celery import app
from tests.api.checks import outcome, read_rows
from tests.client import ApiClient
from tests.services.server import Server
from tests.webhooks_in.matchmakers import FALLBACK, Matchmaker, at, event


@pytest.fixture
def source(db: Any) -> WebhookSource:
    return sources.create_source(tenant=ensure_tenant(slug="receipts"), name="x", who=None)[0]


def carry_out(source: WebhookSource, number: int, webhook_id: str = "msg_1") -> WebhookReceipt:
    delivery = Delivery(source, webhook_id, "digest", f"signature-{number}")
    return receipts.carry_out_once(delivery=delivery, event="user_left", work=lambda: Done(None))


def test_receipts_are_kept_for_a_day_and_purged_then(source: WebhookSource) -> None:
    for webhook_id, hours in (("new", 0), ("of_yesterday", 24), ("old", 26)):
        receipt = carry_out(source, 1, webhook_id)
        WebhookReceipt.objects.filter(id=receipt.id).update(created_at=timezone.now() - timedelta(hours=hours))
    tasks.purge_receipts()
    kept = WebhookReceipt.objects.values_list("webhook_id", flat=True)
    assert set(kept) == {"new", "of_yesterday"}


def test_beat_purges_them() -> None:
    entries = [entry for entry in app.conf.beat_schedule.values() if entry["task"].endswith("purge_receipts")]
    assert [(entry["task"], entry["schedule"]) for entry in entries] == [
        ("chatify.webhooks.tasks.purge_receipts", 3600)
    ]


def test_no_signature_that_is_still_good_is_forgotten(source: WebhookSource) -> None:
    assert receipts.MAX_SIGNATURES > 2 * TOLERANCE_SECONDS
    for number in range(3):
        carry_out(source, number)
    for number in range(3):
        with pytest.raises(Conflict, match="received before"):
            carry_out(source, number)


def test_as_many_signatures_are_kept_as_can_be_good(source: WebhookSource, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receipts, "MAX_SIGNATURES", 3)
    for number in range(10):
        carry_out(source, number)
    assert WebhookReceipt.objects.get().signatures == ["signature-7", "signature-8", "signature-9"]


def test_work_that_fails_is_not_noted(source: WebhookSource) -> None:
    def fail() -> Done:
        raise Conflict("in this moment")

    with pytest.raises(Conflict):
        receipts.carry_out_once(delivery=Delivery(source, "msg_1", "d", "s"), event="user_left", work=fail)
    assert not WebhookReceipt.objects.exists()


def test_erasing_leaves_nothing_about_the_user(server: Server, matchmaker: Matchmaker, alice: ApiClient) -> None:
    body = event(FALLBACK, alice.external_id)
    session = matchmaker.send(body, "msg_1").json()["session"]["id"]
    assert alice.delete(f"/api/v1/users/{alice.external_id}/").status_code == 204
    rows = str(read_rows(server, "select end_user_id, chat_session_id, webhook_id from webhooks_webhookreceipt"))
    assert "msg_1" in rows
    assert session.replace("-", "") not in rows.replace("-", "")
    assert outcome(matchmaker.send(body, "msg_1", at(3))) == (404, "not_found")  # nobody comes back by a repetition
    assert alice.get(f"/api/v1/users/{alice.external_id}/").status_code == 404

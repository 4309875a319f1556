"""When nobody seems to deliver, and when somebody is only slow."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from chatify.accounts.models import Tenant
from chatify.webhooks import meters
from chatify.webhooks.models import WebhookDelivery
from sessions.models import ChatSession
from tests.webhooks.stage import FAILED, OK, attempt, make_endpoint, pass_time, tell

pytestmark = pytest.mark.django_db


def test_what_nobody_sends_is_behind(tenant: Tenant, chat: ChatSession) -> None:
    make_endpoint(tenant)
    tell(chat, "session.paused")
    assert meters.check_backlog() == "1 waiting"
    pass_time(seconds=90)
    with pytest.raises(meters.WebhooksBehind):
        meters.check_backlog()


def test_what_waits_for_a_slow_receiver_is_not(tenant: Tenant, chat: ChatSession) -> None:
    make_endpoint(tenant)
    [sent], _ = tell(chat, "session.paused"), tell(chat, "session.resumed")
    pass_time(seconds=90)
    attempt(sent, OK)
    assert meters.check_backlog() == "1 waiting"
    WebhookDelivery.objects.filter(id=sent.id).update(attempted_at=timezone.now() - timedelta(seconds=70))
    with pytest.raises(meters.WebhooksBehind):
        meters.check_backlog()


def test_slow_one_hides_no_other(tenant: Tenant, chat: ChatSession) -> None:
    make_endpoint(tenant, "session.paused")
    make_endpoint(tenant, "session.resumed")
    [sent], _, _ = (tell(chat, f"session.{what}") for what in ("paused", "paused", "resumed"))
    pass_time(seconds=90)
    attempt(sent, OK)
    with pytest.raises(meters.WebhooksBehind):
        meters.check_backlog()


def test_what_waits_for_one_that_fails_is_not(tenant: Tenant, chat: ChatSession) -> None:
    make_endpoint(tenant)
    [sent], _ = tell(chat, "session.paused"), tell(chat, "session.resumed")
    attempt(sent, FAILED)
    pass_time(seconds=90)
    assert meters.check_backlog() == "2 waiting"

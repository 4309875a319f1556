"""Mails to owners about endpoints that were disabled."""

from __future__ import annotations

import smtplib
from typing import Any

import pytest
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend

from chatify.accounts.models import Membership, Tenant, User
from chatify.accounts.tenancy import delete_tenants
from chatify.events.leases import Lease
from chatify.webhooks import notices
from chatify.webhooks.endpoints import disable_endpoint
from chatify.webhooks.models import WebhookEndpoint
from chatify.webhooks.tasks import tell_owners
from tests.webhooks.stage import make_endpoint, pass_time

pytestmark = pytest.mark.django_db
REASON = "Nothing has come through for three days."


class Broken(EmailBackend):
    """A mail server with a fault."""

    error: Exception = ConnectionRefusedError()

    def send_messages(self, messages: Any) -> Any:
        raise self.error


@pytest.fixture
def owners(tenant: Tenant) -> list[User]:
    """Two who own the tenant; a third one may not sign in any more."""
    people = [User.objects.create_user(f"{name}@example.com") for name in ("ada", "bob", "gone")]
    for person in people:
        Membership.objects.create(user=person, tenant=tenant)
    User.objects.filter(email="gone@example.com").update(is_active=False)
    return people


@pytest.fixture
def disabled(tenant: Tenant, owners: list[User]) -> WebhookEndpoint:
    """An endpoint that was given up a moment ago."""
    endpoint, _ = make_endpoint(tenant, url="https://example.com/hook?a=1&b=2")
    assert disable_endpoint(endpoint_id=endpoint.id, reason=REASON)
    assert not disable_endpoint(endpoint_id=endpoint.id, reason=REASON), "once is enough"
    return endpoint


def test_owners_get_a_mail(disabled: WebhookEndpoint, tenant: Tenant) -> None:
    assert (tell_owners(), tell_owners()) == (1, 0)
    assert [sent.to for sent in mail.outbox] == [["ada@example.com"], ["bob@example.com"]]
    text = str(mail.outbox[0].body)
    assert mail.outbox[0].subject == "Chatify has disabled a webhook endpoint"
    path = f"/api/v1/webhooks/endpoints/{disabled.id}/"
    for part in (tenant.name, "https://example.com/hook?a=1&b=2\n", REASON, path):
        assert part in text
    assert "whsec_" not in text


def test_active_endpoints_are_nobodys_business(tenant: Tenant, owners: list[User]) -> None:
    make_endpoint(tenant)
    assert (tell_owners(), mail.outbox) == (0, [])


def test_mail_waits_for_the_mail_server(disabled: WebhookEndpoint, settings: Any) -> None:
    settings.EMAIL_BACKEND = f"{__name__}.Broken"
    assert tell_owners() == 0
    disabled.refresh_from_db()
    assert not disabled.is_owner_told
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    assert (tell_owners(), len(mail.outbox)) == (1, 2)


def test_mail_is_given_up_after_three_days(disabled: WebhookEndpoint, settings: Any) -> None:
    settings.EMAIL_BACKEND = f"{__name__}.Broken"
    pass_time(days=3, minutes=1)
    tell_owners()
    disabled.refresh_from_db()
    assert disabled.is_owner_told


@pytest.mark.parametrize(
    "error", [smtplib.SMTPRecipientsRefused({}), smtplib.SMTPDataError(554, b"spam"), ValueError("a bad header")]
)
def test_refused_mail_is_done_with(
    disabled: WebhookEndpoint, settings: Any, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    settings.EMAIL_BACKEND = f"{__name__}.Broken"
    monkeypatch.setattr(Broken, "error", error)
    assert (tell_owners(), tell_owners()) == (1, 0)


def test_one_worker_at_a_time_sends(disabled: WebhookEndpoint) -> None:
    other = Lease(notices.LEASE)
    assert other.take()
    assert tell_owners() == 0
    other.release()
    assert tell_owners() == 1


def test_owners_of_deleted_tenants_are_not_told(disabled: WebhookEndpoint, tenant: Tenant) -> None:
    delete_tenants(tenant_ids=[tenant.id], who=None)
    assert (tell_owners(), mail.outbox) == (0, [])

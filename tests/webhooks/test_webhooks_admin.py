"""Staff make endpoints, try them out, give them other secrets, read what was sent, and send it again."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.test import Client as Browser

from chatify.accounts.models import AuditEntry, Tenant, User
from chatify.webhooks.models import WebhookDelivery, WebhookEndpoint
from sessions.models import ChatSession
from tests.admin.conftest import make_staff, root, seeded, staff
from tests.webhooks.receivers import Receiver, status
from tests.webhooks.stage import FAILED, GONE, attempt, make_endpoint, tell

__all__ = ["make_staff", "root", "seeded", "staff"]

pytestmark = pytest.mark.django_db
CONFIRMED = {"_form_submitted": "True"}
ENDPOINTS = "/admin/webhooks/webhookendpoint/"
DELIVERIES = "/admin/webhooks/webhookdelivery/"


@pytest.fixture
def endpoint(tenant: Tenant, chat: ChatSession) -> WebhookEndpoint:
    """One that is told everything."""
    return make_endpoint(tenant, url="https://example.com/hook?<b>")[0]


@pytest.fixture
def delivery(endpoint: WebhookEndpoint, chat: ChatSession) -> WebhookDelivery:
    """One that failed once."""
    [found] = tell(chat, "session.paused")
    attempt(found, FAILED)
    return found


def read(browser: Browser, address: str) -> str:
    answer = browser.get(address)
    assert answer.status_code == 200, address
    return answer.content.decode()


def test_secret_of_a_new_endpoint_is_shown_once(staff: Browser, root: User, tenant: Tenant) -> None:
    form = {"tenant": tenant.id, "url": "https://example.com/hook", "events": ["session.paused"]}
    page = staff.post(f"{ENDPOINTS}add/", form, follow=True).content.decode()
    found = re.search(r"whsec_[A-Za-z0-9+/=]{44}", page)
    assert found
    made = WebhookEndpoint.objects.get()
    assert (made.is_active, made.events) == (True, ["session.paused"])
    assert AuditEntry.objects.get(action="webhook.created").actor_id == root.id
    for address in (ENDPOINTS, f"{ENDPOINTS}{made.id}/change/"):
        assert "whsec_" not in read(staff, address)


@pytest.mark.parametrize("url", ["https://10.0.0.1/", "http://example.com/", "ftp://example.com/", "x"])
def test_bad_url_is_refused(staff: Browser, tenant: Tenant, url: str) -> None:
    page = staff.post(f"{ENDPOINTS}add/", {"tenant": tenant.id, "url": url})
    assert page.status_code == 200
    assert not WebhookEndpoint.objects.exists()


def test_too_many_are_a_message(staff: Browser, tenant: Tenant) -> None:
    for _ in range(10):
        make_endpoint(tenant)
    form = {"tenant": tenant.id, "url": "https://example.com/hook"}
    assert "At most 10 endpoints" in staff.post(f"{ENDPOINTS}add/", form, follow=True).content.decode()


def test_disabled_endpoint_says_why_and_is_activated(
    staff: Browser, endpoint: WebhookEndpoint, delivery: WebhookDelivery
) -> None:
    attempt(delivery, GONE)
    address = f"{ENDPOINTS}{endpoint.id}/change/"
    assert "It answered 410" in read(staff, address)
    assert "disabled" in read(staff, ENDPOINTS)
    form = {"url": endpoint.url, "description": "", "events": [], "is_active": "on"}
    assert staff.post(address, form).status_code == 302
    endpoint.refresh_from_db()
    assert (endpoint.is_active, endpoint.disabled_at) == (True, None)
    assert AuditEntry.objects.get(action="webhook.updated").details == {"fields": ["is_active"]}


def test_endpoint_is_deleted_with_its_deliveries(staff: Browser, endpoint: WebhookEndpoint) -> None:
    staff.post(f"{ENDPOINTS}{endpoint.id}/delete/", {"post": "yes"})
    assert not WebhookEndpoint.objects.exists()
    assert AuditEntry.objects.filter(action="webhook.deleted").count() == 1


def test_new_secret_is_shown_once(staff: Browser, endpoint: WebhookEndpoint) -> None:
    answer = staff.post(f"{ENDPOINTS}{endpoint.id}/rotate_this/", CONFIRMED)
    page = answer.headers["HX-Redirect"]
    assert "whsec_" in read(staff, page)
    assert "whsec_" not in read(staff, page)
    former = endpoint.secret
    endpoint.refresh_from_db()
    assert endpoint.former_secret == former != endpoint.secret


def test_test_tells_how_it_went(staff: Browser, tenant: Tenant, there: Receiver, is_debug: None) -> None:
    endpoint, secret = make_endpoint(tenant, url=there.url)
    for code, told in ((200, "It answered 200 after"), (500, "It answered 500.")):
        there.answer = status(code)
        page = staff.post(f"{ENDPOINTS}{endpoint.id}/test_this/", CONFIRMED).headers["HX-Redirect"]
        assert told in read(staff, page)
    assert {one.verify(secret)["type"] for one in there.received} == {"webhook.test"}


def test_deliveries_show_their_attempts(staff: Browser, delivery: WebhookDelivery, endpoint: WebhookEndpoint) -> None:
    text = read(staff, DELIVERIES)
    assert "It answered 500." in text
    assert "&lt;b&gt;" in text
    page = read(staff, f"{DELIVERIES}{delivery.id}/change/")
    assert delivery.webhook_id in page
    assert f"chat_sessions/chatsession/{delivery.chat_session_id}/change/" in page
    assert f"{DELIVERIES}{delivery.id}/change/" in read(staff, f"{DELIVERIES}?q={delivery.webhook_id}")
    assert f"{DELIVERIES}{delivery.id}/change/" not in read(staff, f"{DELIVERIES}?state__exact=delivered")
    there = staff.get(f"{ENDPOINTS}{endpoint.id}/show_deliveries/").headers["Location"]
    assert f"{DELIVERIES}{delivery.id}/change/" in read(staff, there)


@pytest.mark.parametrize("where", ["list", "page"])
def test_delivery_is_sent_again(staff: Browser, root: User, delivery: WebhookDelivery, where: str) -> None:
    if where == "list":
        staff.post(DELIVERIES, {"action": "replay", "_selected_action": [str(delivery.id)]})
    else:
        staff.post(f"{DELIVERIES}{delivery.id}/replay_this/", CONFIRMED)
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts, delivery.error) == ("pending", 0, "")
    assert AuditEntry.objects.get(action="webhook.replayed").actor_id == root.id


def test_delivery_of_an_inactive_endpoint_is_not(staff: Browser, delivery: WebhookDelivery) -> None:
    WebhookEndpoint.objects.update(is_active=False)
    page = staff.post(f"{DELIVERIES}{delivery.id}/replay_this/", CONFIRMED).headers["HX-Redirect"]
    assert "the endpoint is not active" in read(staff, page)


def test_rights(make_staff: Callable[..., Browser], endpoint: WebhookEndpoint, delivery: WebhookDelivery) -> None:
    viewer = make_staff("view_webhookendpoint", "view_webhookdelivery")
    assert "It answered 500." in read(viewer, DELIVERIES)
    for path in (f"{ENDPOINTS}{endpoint.id}/rotate_this/", f"{ENDPOINTS}{endpoint.id}/test_this/",
                 f"{DELIVERIES}{delivery.id}/replay_this/"):  # fmt: skip
        assert viewer.post(path, CONFIRMED).status_code == 403
    assert make_staff("view_tenant").get(DELIVERIES).status_code == 403


def test_deliveries_cannot_be_written(staff: Browser, delivery: WebhookDelivery) -> None:
    assert staff.get(f"{DELIVERIES}add/").status_code == 403
    assert staff.post(f"{DELIVERIES}{delivery.id}/change/", {}).status_code == 403
    assert staff.post(f"{DELIVERIES}{delivery.id}/delete/", {"post": "yes"}).status_code == 403

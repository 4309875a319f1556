"""Endpoints over REST: what is taken, what is shown, and the audit log."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from rest_framework.test import APIClient

from chatify.accounts.actions import ensure_tenant
from chatify.accounts.credentials import create_api_key
from chatify.accounts.models import AuditEntry, Tenant
from chatify.accounts.tenancy import delete_tenants
from chatify.common.errors import NotFound
from chatify.webhooks import endpoints, trying
from chatify.webhooks.endpoints import MAX_ENDPOINTS
from chatify.webhooks.fanout import fan_out
from chatify.webhooks.known import known
from chatify.webhooks.models import WebhookDelivery, WebhookEndpoint
from sessions.actions import pause_chat_session
from sessions.models import ChatSession
from tests.webhooks.receivers import Receiver
from tests.webhooks.stage import FAILED, OK, attempt, make_endpoint, tell

pytestmark = pytest.mark.django_db
ENDPOINTS = "/api/v1/webhooks/endpoints/"
URL = "https://example.com/hook"


@pytest.fixture
def api(tenant: Tenant) -> APIClient:
    """The tenant's admin key."""
    return client_of(tenant)


def client_of(tenant: Tenant) -> APIClient:
    _, key = create_api_key(tenant=tenant, name="test", scopes=["admin"])
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {key}")
    return client


def make(api: APIClient, **body: Any) -> dict[str, Any]:
    answer = api.post(ENDPOINTS, {"url": URL, **body}, format="json")
    assert answer.status_code == 201, answer.content
    return dict(answer.json())


def problem(answer: Any) -> tuple[int, str, list[str]]:
    found = answer.json()
    return answer.status_code, found["code"], [one["field"] for one in found["errors"]]


def test_secret_is_shown_once(api: APIClient) -> None:
    answer = api.post(ENDPOINTS, {"url": URL, "description": "Ours", "events": ["session.paused"]}, format="json")
    assert answer.headers["Cache-Control"] == "no-store"
    made = answer.json()
    assert made["secret"].startswith("whsec_")
    assert made["endpoint"] == api.get(f"{ENDPOINTS}{made['endpoint']['id']}/").json()
    assert (made["endpoint"]["is_active"], made["endpoint"]["events"]) == (True, ["session.paused"])
    for path in (ENDPOINTS, f"{ENDPOINTS}{made['endpoint']['id']}/"):
        assert "whsec_" not in api.get(path).content.decode()
    assert made["secret"] not in WebhookEndpoint.objects.get().secret, "it is stored sealed"


def test_changes_and_their_audit(api: APIClient) -> None:
    path = f"{ENDPOINTS}{make(api)['endpoint']['id']}/"
    changes = {"url": f"{URL}2", "events": ["match.joined", "session.paused", "match.joined"], "is_active": False}
    changed = api.patch(path, changes, format="json").json()
    assert (changed["url"], changed["events"], changed["is_active"]) == (f"{URL}2", changes["events"][1::-1], False)
    assert api.patch(path, {"is_active": False}, format="json").status_code == 200
    assert api.post(f"{path}rotate/").json()["endpoint"]["former_secret_until"]
    assert api.delete(path).status_code == 204
    assert api.get(path).status_code == 404
    entries = AuditEntry.objects.filter(action__startswith="webhook.").order_by("id")
    verbs = ["webhook.created", "webhook.updated", "webhook.rotated", "webhook.deleted"]
    assert [entry.action for entry in entries] == verbs
    assert entries[1].details == {"fields": ["events", "is_active", "url"]}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "url"), ({"url": ""}, "url"), ({"url": 5}, "url"), ({"url": "http://example.com/"}, "url"),
        ({"url": "https://127.0.0.1/"}, "url"), ({"url": f"https://example.com/{'x' * 500}"}, "url"),
        ({"url": URL, "events": ["webhook.test"]}, "events.0"),
        ({"url": URL, "events": ["session.paused", "session.started"]}, "events.1"),
        ({"url": URL, "description": "x" * 121}, "description"), ({"url": URL, "description": "a\nb"}, "description"),
        ({"url": URL, "secret": "whsec_x"}, "secret"), ({"url": URL, "is_active": True}, "is_active"),
    ],
)  # fmt: skip
def test_bad_input_is_refused(api: APIClient, body: dict[str, Any], field: str) -> None:
    status, _, fields = problem(api.post(ENDPOINTS, body, format="json"))
    assert (status, fields) == (400, [field])
    assert not WebhookEndpoint.objects.exists()


def test_url_is_checked_when_it_is_changed(api: APIClient) -> None:
    path = f"{ENDPOINTS}{make(api)['endpoint']['id']}/"
    assert problem(api.patch(path, {"url": "https://[::1]/"}, format="json")) == (400, "bad_url", ["url"])


def test_ten_endpoints_are_enough(api: APIClient) -> None:
    for _ in range(MAX_ENDPOINTS):
        make(api)
    refused = api.post(ENDPOINTS, {"url": URL}, format="json")
    assert problem(refused) == (409, "too_many_endpoints", [])
    WebhookEndpoint.objects.first().delete()  # type: ignore[union-attr]
    make(api)


def test_others_do_not_exist(api: APIClient, chat: ChatSession, tenant: Tenant) -> None:
    endpoint, _ = make_endpoint(tenant)
    [delivery] = tell(chat, "session.paused")
    other = client_of(ensure_tenant(slug="other"))
    one = f"{ENDPOINTS}{endpoint.id}/"
    calls = [other.get(one), other.patch(one, {}, format="json"), other.delete(one), other.get(f"{one}deliveries/")]
    calls += [other.post(f"{one}{verb}/") for verb in ("rotate", "test")]
    calls.append(other.post(f"/api/v1/webhooks/deliveries/{delivery.id}/replay/"))
    assert {call.status_code for call in calls} == {404}
    assert other.get(ENDPOINTS).json()["results"] == []


def test_deliveries_are_paged_and_filtered(api: APIClient, chat: ChatSession, tenant: Tenant) -> None:
    endpoint, _ = make_endpoint(tenant)
    for answer in (OK, FAILED, OK):
        attempt(tell(chat, "session.paused")[0], answer)
    path = f"{ENDPOINTS}{endpoint.id}/deliveries/"
    first = api.get(path, {"limit": 2}).json()
    second = api.get(first["next"]).json()
    ids = [one["id"] for one in first["results"] + second["results"]]
    assert ids == sorted(ids, reverse=True)
    assert len(ids) == 3
    states = [one["state"] for one in api.get(path, {"state": "delivered"}).json()["results"]]
    assert states == ["delivered"] * 2
    assert problem(api.get(path, {"state": "lost"}))[2] == ["state"]


def test_replay_of_one_whose_endpoint_is_off(api: APIClient, chat: ChatSession, tenant: Tenant) -> None:
    endpoint, _ = make_endpoint(tenant)
    [delivery] = tell(chat, "session.paused")
    WebhookEndpoint.objects.filter(id=endpoint.id).update(is_active=False)
    refused = api.post(f"/api/v1/webhooks/deliveries/{delivery.id}/replay/")
    assert problem(refused) == (409, "endpoint_inactive", [])


def test_test_of_an_endpoint_that_is_off(
    api: APIClient, tenant: Tenant, there: Receiver, is_debug: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint, secret = make_endpoint(tenant, url=there.url)
    WebhookEndpoint.objects.update(is_active=False)
    answer = api.post(f"{ENDPOINTS}{endpoint.id}/test/").json()
    assert (answer["state"], answer["attempts"]) == ("delivered", 1)
    assert there.received[0].verify(secret)["type"] == "webhook.test"


def test_test_with_a_secret_that_cannot_be_read(api: APIClient, tenant: Tenant, settings: Any) -> None:
    endpoint, _ = make_endpoint(tenant)
    settings.ENCRYPTION_KEY = "another one " * 4
    assert problem(api.post(f"{ENDPOINTS}{endpoint.id}/test/"))[:2] == (409, "secret_not_readable")
    assert not WebhookEndpoint.objects.get().is_active
    assert WebhookDelivery.objects.get().state == "failed"


def test_tests_are_limited(api: APIClient, tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint, _ = make_endpoint(tenant)

    async def nowhere(call: Any) -> Any:
        return FAILED

    monkeypatch.setattr(trying, "_send", nowhere)
    statuses = [api.post(f"{ENDPOINTS}{endpoint.id}/test/").status_code for _ in range(6)]
    assert statuses == [200] * 5 + [429]


def test_test_holds_no_connection_while_it_waits(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint, _ = make_endpoint(tenant)
    closed: list[str] = []

    async def nowhere(call: Any) -> Any:
        closed.append("sending")
        return FAILED

    monkeypatch.setattr(trying, "_send", nowhere)
    outside = SimpleNamespace(in_atomic_block=False, close=lambda: closed.append("closed"))
    monkeypatch.setattr(trying, "connection", outside)
    trying.send_test(endpoint=endpoint)
    assert closed == ["closed", "sending"]


def test_test_for_a_deleted_tenant_is_dropped(tenant: Tenant) -> None:
    endpoint, _ = make_endpoint(tenant)
    delete_tenants(tenant_ids=[tenant.id], who=None)
    assert trying.send_test(endpoint=endpoint).state == "dropped"


def test_test_of_an_endpoint_that_is_deleted_meanwhile(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint, _ = make_endpoint(tenant)
    monkeypatch.setattr(trying, "prepare", lambda _: WebhookEndpoint.objects.all().delete() and None)
    with pytest.raises(NotFound):
        trying.send_test(endpoint=endpoint)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "do",
    [
        lambda endpoint: trying.send_test(endpoint=endpoint),
        lambda endpoint: endpoints.update_endpoint(endpoint=endpoint, changes={"is_active": False}, who=None),
        lambda endpoint: endpoints.rotate_secret(endpoint=endpoint, who=None),
    ],
    ids=["test", "change", "rotate"],
)
def test_endpoint_that_is_deleted_before_something_is_done_with_it(
    tenant: Tenant, do: Callable[[WebhookEndpoint], object]
) -> None:
    endpoint, _ = make_endpoint(tenant)
    endpoints.delete_endpoints(endpoint_ids=[endpoint.id], who=None)
    with pytest.raises(NotFound):
        do(endpoint)
    assert not WebhookDelivery.objects.exists()


def test_new_endpoint_is_known_at_once(
    tenant: Tenant, chat: ChatSession, django_capture_on_commit_callbacks: Any
) -> None:
    known.is_kept = True
    with django_capture_on_commit_callbacks(execute=True):
        make(client_of(tenant))
    pause_chat_session(chat_session_id=chat.id, reason="test")
    assert fan_out() == 1

"""Staff make sources, switch them off, give them other secrets, delete them."""

import re
from collections.abc import Callable

import pytest
from django.test import Client as Browser

from chatify.accounts.actions import ensure_tenant
from chatify.accounts.models import AuditEntry, Tenant, User
from chatify.webhooks.models import WebhookSource
from chatify.webhooks.sources import MAX_SOURCES, create_source
from tests.admin.conftest import make_staff, root, seeded, staff

__all__ = ["make_staff", "root", "seeded", "staff"]

pytestmark = pytest.mark.django_db
CONFIRMED = {"_form_submitted": "True"}
SOURCES = "/admin/webhooks/webhooksource/"
SECRET = re.compile(r"whsec_[A-Za-z0-9+/=]{44}")


@pytest.fixture
def tenant() -> Tenant:
    return ensure_tenant(slug="lobby")


@pytest.fixture
def source(tenant: Tenant) -> WebhookSource:
    return create_source(tenant=tenant, name="the <b>lobby</b>", who=None)[0]


def read(browser: Browser, address: str) -> str:
    answer = browser.get(address)
    assert answer.status_code == 200, address
    return answer.content.decode()


def test_secret_of_a_new_source_is_shown_once(staff: Browser, root: User, tenant: Tenant) -> None:
    page = staff.post(f"{SOURCES}add/", {"tenant": tenant.id, "name": "x"}, follow=True).content.decode()
    assert SECRET.search(page)
    made = WebhookSource.objects.get()
    assert AuditEntry.objects.get(action="source.created").actor_id == root.id
    assert f"/api/v1/webhooks/matchmaking/?source={made.id}" in read(staff, f"{SOURCES}{made.id}/change/")
    for address in (SOURCES, f"{SOURCES}{made.id}/change/"):
        assert "whsec_" not in read(staff, address)


def test_too_many_are_a_message(staff: Browser, tenant: Tenant) -> None:
    for _ in range(MAX_SOURCES):
        create_source(tenant=tenant, name="x", who=None)
    page = staff.post(f"{SOURCES}add/", {"tenant": tenant.id, "name": "x"}, follow=True).content.decode()
    assert f"At most {MAX_SOURCES} sources" in page


def test_deleted_tenant_gets_none(staff: Browser, tenant: Tenant) -> None:
    Tenant.objects.update(deleted_at="2026-01-01T00:00:00Z")
    assert "restore it first" in staff.post(f"{SOURCES}add/", {"tenant": tenant.id, "name": "x"}).content.decode()


def test_source_is_switched_off(staff: Browser, source: WebhookSource) -> None:
    assert staff.post(f"{SOURCES}{source.id}/change/", {"name": source.name}).status_code == 302
    source.refresh_from_db()
    assert not source.is_active
    assert AuditEntry.objects.get(action="source.updated").details == {"fields": ["is_active"]}
    assert "<b>lobby" not in read(staff, SOURCES)


def test_new_secret_is_shown_once(staff: Browser, source: WebhookSource) -> None:
    page = staff.post(f"{SOURCES}{source.id}/rotate_this/", CONFIRMED).headers["HX-Redirect"]
    assert SECRET.search(read(staff, page))
    assert "whsec_" not in read(staff, page)
    former = source.secret
    source.refresh_from_db()
    assert source.former_secret == former != source.secret


def test_sources_are_deleted(staff: Browser, source: WebhookSource) -> None:
    staff.post(f"{SOURCES}{source.id}/delete/", {"post": "yes"})
    assert not WebhookSource.objects.exists()
    assert AuditEntry.objects.filter(action="source.deleted").count() == 1


def test_who_may_only_look_gets_no_secret(source: WebhookSource, make_staff: Callable[..., Browser]) -> None:
    browser = make_staff("view_webhooksource")
    assert "New secret" not in read(browser, f"{SOURCES}{source.id}/change/")
    assert browser.post(f"{SOURCES}{source.id}/rotate_this/", CONFIRMED).status_code == 403
    assert make_staff().get(SOURCES).status_code == 403

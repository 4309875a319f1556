"""The page at `/meet/` and its guests, as the server sees them. tests/browser/test_meet.py is the page itself."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.conf import LazySettings, settings
from django.test import Client

from chatify.accounts.actions import ensure_tenant
from chatify.accounts.browser import MAX_GUESTS
from chatify.accounts.models import EndUser, Tenant, User
from chatify.accounts.people import end_user_of
from chatify.accounts.tokens import principal_of_token

pytestmark = pytest.mark.django_db

PAGE, GUEST = "/meet/", "/meet/guest/"


@pytest.fixture(autouse=True)
def debug(settings: LazySettings) -> None:
    """Django's tests are without, whatever the environment says."""
    settings.DEBUG = True


@pytest.fixture
def demo() -> Tenant:
    return ensure_tenant(slug=settings.DEMO_TENANT)


def become_guest(browser: Client, external_id: str = "") -> dict[str, Any]:
    response = browser.post(GUEST, {"external_id": external_id})
    assert response.status_code == 200
    return dict(response.json())


def config_of(browser: Client) -> dict[str, Any]:
    found = re.search(r'<script id="ui-config"[^>]*>(.*?)</script>', browser.get(PAGE).content.decode())
    assert found is not None
    return dict(json.loads(found[1]))


def test_each_tab_becomes_a_person_of_the_demo_tenant(demo: Tenant) -> None:
    browser = Client()
    first, second = become_guest(browser), become_guest(browser)
    assert first["external_id"].startswith("guest-")
    assert first["external_id"] != second["external_id"]
    principal = principal_of_token(first["token"])
    assert principal is not None
    assert principal.tenant_id == demo.id
    assert EndUser.objects.get(id=principal.end_user_id).external_id == first["external_id"]


def test_tab_stays_who_it_is(demo: Tenant) -> None:
    browser = Client()
    before = become_guest(browser)
    again = become_guest(browser, before["external_id"])
    assert again["external_id"] == before["external_id"]
    assert again["expires_at"] >= before["expires_at"]
    assert EndUser.objects.filter(tenant=demo).count() == 1


@pytest.mark.parametrize("said", ["of another browser", "somebody\x00", "x" * 5000])
def test_nobody_becomes_who_they_are_not(demo: Tenant, said: str) -> None:
    EndUser.objects.create(tenant=demo, external_id="somebody")
    theirs = become_guest(Client())["external_id"]
    mine = become_guest(Client(), theirs if said == "of another browser" else said)["external_id"]
    assert mine.startswith("guest-")
    assert mine != theirs


def test_browser_remembers_its_latest_guests(demo: Tenant) -> None:
    browser = Client()
    made = [become_guest(browser)["external_id"] for _ in range(MAX_GUESTS + 1)]
    assert become_guest(browser, made[1])["external_id"] == made[1]
    assert become_guest(browser, made[0])["external_id"] not in made


def test_guest_who_was_erased_does_not_come_back(demo: Tenant) -> None:
    browser = Client()
    gone = become_guest(browser)["external_id"]
    EndUser.objects.filter(external_id=gone).delete()
    assert become_guest(browser, gone)["external_id"] != gone


@pytest.mark.parametrize(("said", "known"), [("34", 34), ("0", 0), ("130", 130), ("", None)])
def test_guest_tells_their_age(demo: Tenant, said: str, known: int | None) -> None:
    browser = Client()
    name = become_guest(browser)["external_id"]
    browser.post(GUEST, {"external_id": name, "age": said})
    become_guest(browser, name)
    assert EndUser.objects.get(external_id=name).age == known


@pytest.mark.parametrize("said", ["131", "-1", "1e2", "٣٤", "old"])
def test_what_is_no_age_is_refused(demo: Tenant, said: str) -> None:
    assert Client().post(GUEST, {"age": said}).status_code == 400
    assert not EndUser.objects.filter(age__isnull=False).exists()


def test_without_debug_nobody_is_a_guest(demo: Tenant, settings: LazySettings) -> None:
    settings.DEBUG = False
    assert Client().post(GUEST).status_code == 404
    assert not EndUser.objects.filter(tenant=demo).exists()


def test_without_the_demo_tenant_nobody_is_a_guest(demo: Tenant) -> None:
    Tenant.objects.filter(id=demo.id).update(deleted_at="2026-01-01T00:00:00Z")
    assert Client().post(GUEST).status_code == 404


def test_guests_need_the_csrf_token(demo: Tenant) -> None:
    browser = Client(enforce_csrf_checks=True)
    assert browser.post(GUEST).status_code == 403
    browser.get(PAGE)
    token = {"X-CSRFToken": browser.cookies["csrftoken"].value}
    assert browser.post(GUEST, headers=token).status_code == 200
    assert browser.get(GUEST).status_code == 405


def test_page_of_a_guest_knows_nothing_of_them(demo: Tenant) -> None:
    config = config_of(Client())
    assert config["guestUrl"] == GUEST
    assert config["user"] == {"external_id": None, "name": "", "age": None, "interests": []}
    assert ["spam", "spam or fraud"] in config["reportReasons"]


def test_who_has_signed_in_talks_as_themself(settings: LazySettings) -> None:
    settings.DEBUG = False
    browser, person = Client(), User.objects.create_user("grace@example.com", name="Grace")
    browser.force_login(person)
    config = config_of(browser)
    end_user = end_user_of(person)
    assert end_user is not None
    assert config["guestUrl"] is None
    assert config["user"] == {"external_id": end_user.external_id, "name": "Grace", "age": None, "interests": []}


def test_strangers_are_asked_to_sign_in(settings: LazySettings) -> None:
    settings.DEBUG = False
    response = Client().get(PAGE)
    assert (response.status_code, response["Location"]) == (302, "/login/?next=/meet/")

"""Staff look after keys and end users in a real browser."""

import json
import re

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.client import ApiClient
from tests.services.server import Server

pytestmark = pytest.mark.parametrize("server", ["embedded"], indirect=True)


def _press(page: Page, name: str) -> None:
    page.get_by_role("link", name=re.compile(rf"\b{name}$")).first.click()


def _open_end_user(page: Page, server: Server, client: ApiClient) -> None:
    page.goto(f"{server.url}/admin/accounts/enduser/?q={client.external_id}")
    page.locator("#result_list tbody th a").first.click()


def test_replaced_key_is_shown_once(admin: Page, server: Server, problems: list[str]) -> None:
    server.manage("create_api_key", "--tenant", "keeping", "--name", "Shop")
    admin.goto(f"{server.url}/admin/accounts/apikey/?q=keeping")
    admin.locator("#result_list tbody th a").first.click()
    _press(admin, "Replace")
    admin.get_by_label("The old key still works for").select_option("One hour")
    admin.get_by_role("button", name="Replace it").click()
    key = admin.locator("code.api-key").inner_text()
    answer = httpx.get(f"{server.url}/api/v1/sessions/?user=somebody", headers={"X-API-Key": key}, trust_env=False)
    assert answer.status_code == 200
    expect(admin.get_by_text("replaced", exact=True)).to_be_visible()
    admin.reload()
    expect(admin.locator("code.api-key")).to_have_count(0)
    assert problems == []


def test_export_is_downloaded_and_the_person_erased(
    admin: Page, server: Server, alice: ApiClient, problems: list[str]
) -> None:
    chat_session = alice.start(name="Alice")
    alice.send(chat_session["id"], "Keep this")
    _open_end_user(admin, server, alice)
    with admin.expect_download() as download:
        _press(admin, "Export")
    exported = json.loads(download.value.path().read_text())
    assert exported["user"]["name"] == "Alice"
    assert "Keep this" in [message["content"] for message in exported["messages"]]
    _press(admin, "Erase")
    admin.get_by_role("button", name="Erase for good").click()
    expect(admin.get_by_text("This field is required.")).to_be_visible()
    admin.get_by_label("Type the external_id to confirm").fill(alice.external_id)
    admin.get_by_role("button", name="Erase for good").click()
    expect(admin.get_by_text("The person is erased.")).to_be_visible()
    assert alice.get(f"/api/v1/sessions/{chat_session['id']}/").status_code == 404
    assert problems == []


@pytest.mark.parametrize("width", [360, 1280])
def test_pages_fit_the_screen(admin: Page, server: Server, alice: ApiClient, width: int) -> None:
    alice.start()
    admin.set_viewport_size({"width": width, "height": 800})
    for path in ("tenant/", "tenant/?q=demo", "apikey/add/", "user/add/", "auditentry/", "user/"):
        admin.goto(f"{server.url}/admin/accounts/{path}")
        assert (path, admin.evaluate("document.documentElement.scrollWidth <= innerWidth")) == (path, True)
    for path in ("tenant/", "user/", "apikey/", "enduser/", "auditentry/"):
        admin.goto(f"{server.url}/admin/accounts/{path}")
        admin.locator("#result_list tbody a[href*='/change/']").first.click()
        expect(admin.locator("#content-main form").first).to_be_visible()
        assert (path, admin.evaluate("document.documentElement.scrollWidth <= innerWidth")) == (path, True)

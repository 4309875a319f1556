"""Staff's pages of matchmaking in a real browser, under their policy, wide and narrow."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Page, expect

from tests.admin.conftest import admin, problems
from tests.services.server import Server

__all__ = ["admin", "problems"]
pytestmark = pytest.mark.parametrize("server", ["embedded"], indirect=True)


def planted(server: Server) -> dict[str, str]:
    """What staff look at: the addresses of the pages."""
    code = "from tests.matchmaking_admin import populate; populate.main()"
    ids = json.loads(server.manage("shell", "-c", code).stdout.splitlines()[-1])
    labels = {"chatsession": "chat_sessions"}
    found = {
        name: f"{server.url}/admin/{labels.get(name, 'matchmaking')}/{name}/{id_}/change/" for name, id_ in ids.items()
    }
    lists = {f"{name}s": f"{server.url}/admin/matchmaking/{name}/" for name in ("matchticket", "report", "block")}
    return {**found, **lists, "home": f"{server.url}/admin/"}


def test_pages_work_and_fit_wide_and_narrow(admin: Page, server: Server, problems: list[str]) -> None:
    for name, address in planted(server).items():
        for width in (1280, 360):
            admin.set_viewport_size({"width": width, "height": 800})
            answer = admin.goto(address)
            assert answer is not None
            assert (name, answer.status) == (name, 200)
            assert admin.evaluate("document.documentElement.scrollWidth") <= width, (name, width)
    assert problems == []


def test_report_is_read_and_upheld(admin: Page, server: Server, problems: list[str]) -> None:
    admin.set_viewport_size({"width": 1280, "height": 900})
    admin.goto(planted(server)["report"])
    admin.get_by_role("link", name="Read it").click()
    expect(admin.get_by_text("Give me your card number")).to_be_visible()
    admin.go_back()
    admin.get_by_role("link", name="Uphold").click()
    admin.get_by_role("button", name="Uphold it").click()
    expect(admin.get_by_text("Upheld: 1.")).to_be_visible()
    assert problems == []

"""Staff put right what is remembered, in a real browser."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.client import ApiClient
from tests.services.server import Server

pytestmark = pytest.mark.parametrize("server", ["embedded"], indirect=True)

SUMMARISE = """
from sessions.models import ChatSession, Summary
row = ChatSession.objects.get(id="{id}")
Summary.objects.create(
    tenant_id=row.tenant_id, chat_session=row, from_seq=1, to_seq=2, text="They like\\n<b>maps</b>.", model="small"
)
"""


@pytest.fixture
def conversation(admin: Page, server: Server, alice: ApiClient) -> str:
    """The page of a conversation with a summary."""
    chat_session = alice.start()
    alice.send(chat_session["id"], "I like maps. [[say:Well.]]")
    server.manage("shell", "-c", SUMMARISE.format(id=chat_session["id"]))
    return f"{server.url}/admin/chat_sessions/chatsession/{chat_session['id']}/change/"


def test_summary_is_read_edited_and_made_again(admin: Page, conversation: str, problems: list[str]) -> None:
    admin.goto(conversation)
    panel = admin.get_by_role("region", name="What is remembered")
    expect(panel).to_contain_text("<b>maps</b>")
    panel.get_by_role("link", name="Messages 1 to 2").click()
    admin.get_by_label("Text").fill("They like\nold maps.")
    admin.get_by_role("button", name="Save and continue editing").click()
    expect(admin.get_by_text("was changed successfully")).to_be_visible()
    expect(admin.get_by_label("Text")).to_have_value("They like\nold maps.")
    admin.get_by_role("link", name=re.compile(r"Make again$")).click()
    admin.get_by_role("button", name="Make it again").click()
    expect(admin.get_by_text("To be made again: 1 summary.")).to_be_visible()
    assert problems == []


@pytest.mark.parametrize("width", [360, 1280])
def test_conversation_and_its_memory_fit_the_screen(admin: Page, conversation: str, width: int) -> None:
    admin.set_viewport_size({"width": width, "height": 800})
    admin.goto(conversation)
    expect(admin.get_by_role("region", name="What is remembered")).to_be_visible()
    assert admin.evaluate("document.documentElement.scrollWidth") <= width

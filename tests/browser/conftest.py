"""The page on a server of the run."""

import pytest
from playwright.sync_api import Page

from tests.browser.chat_page import ChatPage
from tests.services.server import Server


@pytest.fixture
def chat(page: Page, server: Server) -> ChatPage:
    """The page on a server that nobody stops."""
    return ChatPage(page, server.url)

"""The chat page as a person at a browser uses it: by roles and names, without knowing its markup."""

import re
from typing import Any

from playwright.sync_api import ConsoleMessage, Locator, Page, expect

SLOW = 15_000


class ChatPage:
    """One tab. `problems` collects what the browser complained about."""

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url = page, url
        self.problems: list[str] = []
        page.on("console", self._note_message)
        page.on("pageerror", lambda error: self.problems.append(str(error)))

    def open(self, address: str = "/") -> "ChatPage":
        """Go to an address of the server."""
        self.page.goto(self.url + address)
        return self

    def start(self, slug: str = "casual_chat", *, name: str = "", age: str = "") -> "ChatPage":
        """Open the page, pick a personality, answer the two questions."""
        self.open()
        self.card(slug).click()
        self.answer_questions(name=name, age=age)
        expect(self.composer).to_be_visible(timeout=SLOW)
        return self

    def answer_questions(self, *, name: str = "", age: str = "") -> None:
        """Fill in "Before you start"."""
        dialog = self.page.get_by_role("dialog", name="Before you start")
        dialog.get_by_label("Your name").fill(name)
        dialog.get_by_label("Your age").fill(age)
        dialog.get_by_role("button", name="Continue").click()

    def say(self, text: str) -> None:
        """Write a message and send it."""
        self.composer.fill(text)
        self.composer.press("Enter")

    def ask(self, text: str) -> str:
        """Send a message and wait for the whole reply."""
        count = self.replies.count()
        self.say(text)
        expect(self.replies).to_have_count(count + 1, timeout=SLOW)
        expect(self.running).to_have_count(0, timeout=SLOW)
        return self.replies.last.inner_text()

    def open_memories(self) -> Locator:
        """Open "What is remembered about me" and give its dialog."""
        self.page.get_by_role("button", name="What is remembered about me").click()
        return self.page.get_by_role("dialog", name="What is remembered about me")

    def choose(self, button: Locator, item: str) -> None:
        """Pick an entry of the menu below a button."""
        button.click()
        self.page.get_by_role("menuitem", name=item).click()

    def card(self, slug: str) -> Locator:
        """The card of a personality."""
        return self.page.locator(f'[data-slug="{slug}"]')

    @property
    def composer(self) -> Locator:
        """Where one writes."""
        return self.page.get_by_role("textbox", name="Message")

    @property
    def messages(self) -> Locator:
        """What was said, without the greeting."""
        return self.page.locator("[role=log] article[data-id]")

    @property
    def replies(self) -> Locator:
        """What the personality said."""
        return self.page.locator("[role=log] .message--assistant[data-id] .message__body")

    @property
    def own(self) -> Locator:
        """What the person said."""
        return self.page.locator("[role=log] .message--own .message__body")

    @property
    def running(self) -> Locator:
        """The reply that is being written."""
        return self.page.locator("[role=log] [data-status=streaming]")

    @property
    def conversations(self) -> Locator:
        """The list's entries."""
        return self.page.get_by_role("navigation", name="Your conversations").get_by_role("link")

    @property
    def options(self) -> Locator:
        """The button of the open conversation's menu."""
        return self.page.get_by_role("button", name="Conversation options")

    @property
    def banner(self) -> Locator:
        """What is told about the connection."""
        return self.page.get_by_text(re.compile("Connection lost|No connection"))

    @property
    def suggestion(self) -> Locator:
        """The word about another personality."""
        return self.page.get_by_role("status").filter(has_text="may suit this better")

    @property
    def session_id(self) -> str:
        """The id of the open chat session."""
        return self.page.url.partition("?c=")[2]

    @property
    def external_id(self) -> str:
        """Who sits at the page."""
        config = "JSON.parse(document.getElementById('ui-config').textContent)"
        return str(self.page.evaluate(f"{config}.user.external_id"))

    def is_wider_than_window(self) -> bool:
        """Whether one would have to scroll sideways."""
        return bool(self.page.evaluate("document.documentElement.scrollWidth > window.innerWidth"))

    def evaluate(self, script: str) -> Any:
        """Run a script in the page."""
        return self.page.evaluate(script)

    def _note_message(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.problems.append(message.text)

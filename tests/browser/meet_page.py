"""The page where people meet, as somebody in front of it uses it: by roles and names, without knowing its markup."""

import re
from typing import Any

from playwright.sync_api import ConsoleMessage, Locator, Page, expect

SLOW = 15_000


class MeetPage:
    """One tab, which is a person of its own. `problems` collects what the browser complained about."""

    def __init__(self, page: Page, url: str, name: str) -> None:
        self.page, self.url, self.name = page, url, name
        self.problems: list[str] = []
        page.on("console", self._note_message)
        page.on("pageerror", lambda error: self.problems.append(str(error)))

    def open(self) -> "MeetPage":
        """Go to the page."""
        self.page.goto(f"{self.url}/meet/")
        expect(self.button("Find somebody")).to_be_visible(timeout=SLOW)
        return self

    def find(self, *, age: str = "") -> "MeetPage":
        """Look for somebody, by the name of this tab."""
        self.page.get_by_label("Your name").fill(self.name)
        self.page.get_by_label("Your age").fill(age)
        self.button("Find somebody").click()
        return self

    def say(self, text: str) -> None:
        """Write a message and send it."""
        self.composer.fill(text)
        self.composer.press("Enter")

    def choose(self, item: str) -> None:
        """Pick an entry of the menu."""
        self.button("Options").click()
        self.page.get_by_role("menuitem", name=item).click()

    def button(self, name: str) -> Locator:
        """A button by its whole name."""
        return self.page.get_by_role("button", name=name, exact=True)

    def is_with(self, name: str) -> None:
        """Wait until the page says that one talks to the person of this name."""
        expect(self.page.get_by_role("heading", name=f"A person: {name}")).to_be_visible(timeout=SLOW)
        expect(self.head).to_contain_text("Human")

    def is_with_an_ai(self) -> "MeetPage":
        """Wait until the page says that one talks to a personality."""
        expect(self.page.get_by_text(re.compile(r"You are talking to \w+, an AI\.")).last).to_be_visible(timeout=SLOW)
        expect(self.head).to_contain_text("AI")
        return self

    @property
    def head(self) -> Locator:
        """Whom one talks to."""
        return self.page.locator(".chat-head")

    @property
    def composer(self) -> Locator:
        """Where one writes."""
        return self.page.get_by_role("textbox", name="Message")

    @property
    def said(self) -> Locator:
        """What both have said, in order."""
        return self.page.locator("[role=log] article[data-id] .message__body")

    @property
    def question(self) -> Locator:
        """Whether to meet somebody."""
        return self.page.get_by_role("group", name="Somebody is here")

    @property
    def announced(self) -> Locator:
        """What screen readers are told."""
        return self.page.locator("#announcer")

    def is_wider_than_window(self) -> bool:
        """Whether one would have to scroll sideways."""
        return bool(self.evaluate("document.documentElement.scrollWidth > window.innerWidth"))

    def unnamed_controls(self) -> list[str]:
        """What can be used and has no name that a screen reader could say, and ids that are there twice."""
        return [str(found) for found in self.evaluate(_UNNAMED)]

    def evaluate(self, script: str) -> Any:
        """Run a script in the page."""
        return self.page.evaluate(script)

    def _note_message(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.problems.append(message.text)


_UNNAMED = """() => {
  const nameOf = (one) => one.getAttribute("aria-label") || one.labels?.[0]?.textContent || one.textContent;
  const controls = [...document.querySelectorAll("button, a[href], input, select, textarea, [role=log], dialog")];
  const unnamed = controls.filter((one) => !one.hasAttribute("aria-labelledby") && !nameOf(one).trim());
  const ids = [...document.querySelectorAll("[id]")].map((one) => one.id);
  const twice = ids.filter((id, at) => ids.indexOf(id) !== at);
  const headings = document.querySelectorAll("main h1").length === 1 ? [] : ["not one h1"];
  return [...unnamed.map((one) => one.outerHTML), ...twice, ...headings];
}"""

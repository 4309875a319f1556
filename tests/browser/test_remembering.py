"""What the page remembers and whom it proposes: memories, summaries, suggestions, the choice of a personality."""

import sqlite3
from contextlib import closing
from typing import Any
from uuid import UUID, uuid4

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.chat_page import SLOW, ChatPage
from tests.services.server import Server

pytestmark = pytest.mark.parametrize("server", ["embedded"], indirect=True)

NOW = "2026-11-20 10:00:00"


def _query(server: Server, statement: str, *values: Any) -> Any:
    """Run a statement beside the server and give its first row."""
    with closing(sqlite3.connect(server.database_url.removeprefix("sqlite:///"), timeout=10)) as database, database:
        return database.execute(statement, values).fetchone()


def _insert(server: Server, table: str, **fields: Any) -> None:
    """Write a row, as Celery does when a conversation has ended or grown long."""
    names, marks = ", ".join(fields), ", ".join("?" * len(fields))
    _query(server, f"INSERT INTO {table} ({names}) VALUES ({marks})", *fields.values())


def _remember(server: Server, external_id: str, *memories: tuple[str, str], **source: str) -> None:
    """Memories of who sits at the page, as (kind, text)."""
    find = "SELECT id, tenant_id FROM accounts_enduser WHERE external_id = ?"
    end_user_id, tenant_id = _query(server, find, external_id)
    for kind, text in memories:
        _insert(
            server, "memory_memory", id=uuid4().hex, end_user_id=end_user_id, tenant_id=tenant_id, kind=kind, text=text,
            key=text.lower(), model="", prompt_version=0, said_at=NOW, created_at=NOW, updated_at=NOW,
            **source,
        )  # fmt: skip


def _sum_up(server: Server, chat_session_id: str, text: str) -> None:
    """A summary of the first 24 messages."""
    id_ = UUID(chat_session_id).hex
    (tenant_id,) = _query(server, "SELECT tenant_id FROM chat_sessions_chatsession WHERE id = ?", id_)
    _insert(
        server, "chat_sessions_summary", id=uuid4().hex, chat_session_id=id_, tenant_id=tenant_id, text=text,
        from_seq=1, to_seq=24, model="test-model", prompt_version=0, prompt_tokens=9, completion_tokens=9,
        is_usage_estimated=False, is_stale=False, created_at=NOW,
    )  # fmt: skip


@pytest.fixture
def panel(chat: ChatPage, server: Server) -> Locator:
    """The open panel of somebody about whom two things are known."""
    chat.open()
    expect(chat.card("casual_chat")).to_be_visible()
    _remember(server, chat.external_id, ("plan", "Wants to move to Porto."), ("like", "Loves jazz."))
    return chat.open_memories()


# Memories -----------------------------------------------------------------------------------------


def test_memories_are_shown_by_kind_and_corrected_in_place(chat: ChatPage, panel: Locator) -> None:
    expect(panel.get_by_role("region", name="Plans").get_by_role("listitem")).to_contain_text("Wants to move to Porto.")
    panel.get_by_role("button", name="Correct: Loves jazz.").click()
    field = panel.get_by_role("textbox", name="Correct this note")
    field.fill("Loves waltzes.")
    field.press("Escape")
    expect(panel.get_by_text("Loves jazz.")).to_be_visible()
    panel.get_by_role("button", name="Correct: Loves jazz.").press("Enter")
    field.fill("Loves baroque music.")
    field.press("Enter")
    expect(panel.get_by_role("button", name="Correct: Loves baroque music.")).to_be_focused()
    chat.page.reload()
    likes = chat.open_memories().get_by_role("region", name="What you like")
    expect(likes).to_contain_text("Loves baroque music.")
    expect(likes).to_contain_text("corrected")


def test_memory_is_forgotten_and_the_others_stay(chat: ChatPage, panel: Locator) -> None:
    panel.get_by_role("button", name="Forget: Loves jazz.").click()
    expect(panel.get_by_role("button", name="Forget: Wants to move to Porto.")).to_be_focused()
    chat.page.reload()
    expect(chat.open_memories().get_by_role("listitem")).to_have_count(1)


def test_everything_is_forgotten_only_when_confirmed(chat: ChatPage, panel: Locator) -> None:
    panel.get_by_role("button", name="Forget everything").click()
    question = chat.page.get_by_role("dialog", name="Forget everything?")
    question.get_by_role("button", name="Cancel").click()
    expect(panel.get_by_role("listitem")).to_have_count(2)
    panel.get_by_role("button", name="Forget everything").click()
    question.get_by_role("button", name="Forget everything").click()
    expect(panel.get_by_text("Nothing is remembered yet.")).to_be_visible()
    chat.page.reload()
    expect(chat.open_memories().get_by_text("Nothing is remembered yet.")).to_be_visible()


def test_memories_that_cannot_be_reached_say_so_and_nothing_is_lost(chat: ChatPage, panel: Locator) -> None:
    expect(panel.get_by_role("listitem")).to_have_count(2)
    chat.page.route("**/memories/**", lambda route: route.abort())
    panel.get_by_role("button", name="Forget: Loves jazz.").click()
    expect(panel.get_by_role("alert")).to_contain_text("It was not forgotten. The server cannot be reached.")
    panel.get_by_role("button", name="Close").click()
    again = chat.open_memories()
    expect(again.get_by_role("alert")).to_contain_text("cannot be shown")
    chat.page.unroute("**/memories/**")
    again.get_by_role("button", name="Try again").click()
    expect(again.get_by_role("listitem")).to_have_count(2)


def test_memory_that_was_forgotten_elsewhere_goes_away(chat: ChatPage, panel: Locator) -> None:
    other = ChatPage(chat.page.context.new_page(), chat.url).open()
    other.open_memories().get_by_role("button", name="Forget: Loves jazz.").click()
    expect(other.page.get_by_role("listitem").filter(has_text="Loves jazz.")).to_have_count(0)
    panel.get_by_role("button", name="Forget: Loves jazz.").click()
    expect(panel.get_by_role("status")).to_have_text("That was forgotten already.")
    expect(panel.get_by_role("listitem")).to_have_count(1)


def test_memory_leads_to_the_words_that_it_is_from(chat: ChatPage, server: Server) -> None:
    chat.start()
    chat.ask("I love jazz [[n=600,gap=0]]")
    chat.ask("more [[n=600,gap=0]]")
    id_ = UUID(chat.session_id).hex
    (source_id,) = _query(server, "SELECT id FROM chat_sessions_message WHERE chat_session_id = ? AND seq = 1", id_)
    _remember(server, chat.external_id, ("like", "Loves jazz."), chat_session_id=id_, source_id=source_id)
    expect(chat.own.first).not_to_be_in_viewport()
    chat.open_memories().get_by_role("link", name="where you said it").click()
    expect(chat.own.first).to_be_in_viewport(timeout=SLOW)
    expect(chat.page.get_by_role("dialog")).to_have_count(0)


# Summaries ----------------------------------------------------------------------------------------


def test_summary_of_a_conversation_is_shown(chat: ChatPage, server: Server) -> None:
    chat.start()
    chat.choose(chat.options, "What has been said so far")
    panel = chat.page.get_by_role("dialog", name="What has been said so far")
    expect(panel).to_contain_text("Nothing had to be summed up yet.")
    panel.get_by_role("button", name="Close").click()
    _sum_up(server, chat.session_id, "They talked about **tomatoes**.")
    chat.choose(chat.options, "What has been said so far")
    expect(panel.locator("strong")).to_have_text("tomatoes")
    expect(panel).to_contain_text("Messages 1 to 24")


# The choice of a personality ----------------------------------------------------------------------


def test_chatify_chooses_by_what_is_on_ones_mind_and_says_why(chat: ChatPage) -> None:
    chat.open()
    chat.page.get_by_role("textbox", name="What is on your mind?").fill("My girlfriend and I had a fight")
    chat.page.keyboard.press("Enter")
    chat.answer_questions()
    head = chat.page.locator(".chat-head")
    expect(head).to_contain_text("Nora", timeout=SLOW)
    expect(head).to_contain_text("Chosen for the topic “Relationships”")
    expect(chat.composer).to_have_value("My girlfriend and I had a fight")


def test_preferred_personality_is_the_one_that_is_chosen(chat: ChatPage) -> None:
    chat.open()
    expect(chat.card("casual_chat")).to_be_visible()
    chat.page.get_by_role("button", name="About you").click()
    about = chat.page.get_by_role("dialog", name="About you")
    about.get_by_label("Your name").fill("Ada")
    about.get_by_label("When Chatify chooses").select_option("general_conversation")
    about.get_by_role("button", name="Save").click()
    chat.page.get_by_role("button", name="Let Chatify choose").click()
    expect(chat.page.locator(".chat-head")).to_contain_text("Chosen as the one you prefer", timeout=SLOW)
    expect(chat.page.get_by_text("You are talking to Theo, an AI.")).to_be_visible()


def test_default_says_why_the_preferred_one_does_not_answer(chat: ChatPage) -> None:
    chat.open()
    expect(chat.card("casual_chat")).to_be_visible()
    chat.page.get_by_role("button", name="About you").click()
    about = chat.page.get_by_role("dialog", name="About you")
    about.get_by_label("Your name").fill("Ada")
    about.get_by_label("When Chatify chooses").select_option("flirty_chat")
    about.get_by_role("button", name="Save").click()
    chat.page.get_by_role("button", name="Let Chatify choose").click()
    expect(chat.page.locator(".chat-head")).to_contain_text(
        "Chosen by default: The preferred one, flirty_chat, is for adults.", timeout=SLOW
    )


def test_suggested_personality_takes_over_and_the_earlier_words_keep_their_speaker(chat: ChatPage) -> None:
    chat.start()
    other = ChatPage(chat.page.context.new_page(), chat.url).open(f"/?c={chat.session_id}")
    expect(other.composer).to_be_visible(timeout=SLOW)
    chat.ask("My boyfriend forgot my birthday [[say:Oh no.]]")
    for tab in (chat, other):
        expect(tab.suggestion).to_contain_text("Nora may suit this better: Relationships", timeout=SLOW)
    chat.suggestion.get_by_role("button", name="Switch").click()
    for tab in (chat, other):
        expect(tab.page.locator(".message--notice")).to_contain_text("Nora answers from now on.", timeout=SLOW)
        expect(tab.page.locator(".disclosure")).to_contain_text("You are talking to Nora, an AI.")
        expect(tab.suggestion).to_be_hidden()
    expect(chat.page.get_by_role("textbox", name="Message")).to_have_attribute("placeholder", "Message Nora…")
    chat.ask("And now? [[say:Talk to him.]]")
    chat.page.reload()
    said = chat.page.get_by_role("log").get_by_role("article")
    expect(said).to_have_count(6, timeout=SLOW)
    names = [str(article.get_attribute("aria-label")).removesuffix(" wrote") for article in said.all()]
    assert names == ["Milo", "You", "Milo", "Chatify", "You", "Nora"]


def test_declined_suggestion_stays_away(chat: ChatPage) -> None:
    chat.start()
    other = ChatPage(chat.page.context.new_page(), chat.url).open(f"/?c={chat.session_id}")
    chat.ask("My boyfriend forgot my birthday [[say:Oh no.]]")
    expect(other.suggestion).to_be_visible(timeout=SLOW)
    chat.suggestion.get_by_role("button", name="Not now").click()
    for tab in (chat, other):
        expect(tab.suggestion).to_be_hidden()
    expect(chat.composer).to_be_focused()
    chat.ask("My boyfriend again [[say:Oh.]]")
    chat.page.reload()
    expect(chat.replies).to_have_count(2, timeout=SLOW)
    expect(chat.suggestion).to_be_hidden()
    expect(chat.page.locator(".disclosure")).to_contain_text("Milo")

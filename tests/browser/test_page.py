"""The page at `/` in a real browser, on a real server, with a model that is a script."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.chat_page import SLOW, ChatPage
from tests.client import ApiClient
from tests.services.provider import Provider
from tests.services.scripts import numbered_tokens
from tests.services.server import Server

pytestmark = pytest.mark.parametrize("server", ["embedded"], indirect=True)

PHONE = {"width": 360, "height": 740}
MakeServer = Callable[..., Server]
MakeClient = Callable[..., ApiClient]


@pytest.fixture
def own_server(server: Server, make_server: MakeServer) -> Server:
    """A server that the test may stop."""
    return make_server()


@pytest.fixture
def fragile(page: Page, own_server: Server) -> ChatPage:
    """The page on a server that the test may stop."""
    return ChatPage(page, own_server.url)


def _tokens(count: int) -> str:
    return "".join(numbered_tokens(count)).strip()


# A conversation -----------------------------------------------------------------------------------


def test_reply_streams_in(chat: ChatPage) -> None:
    chat.start()
    chat.say("[[n=60,gap=50]]")
    expect(chat.running).to_contain_text("t3 ", timeout=SLOW)
    expect(chat.page.get_by_role("button", name="Stop")).to_be_visible()
    expect(chat.running).to_have_count(0, timeout=SLOW)
    expect(chat.replies.last).to_have_text(_tokens(60))


def test_running_reply_goes_on_after_a_reload(chat: ChatPage) -> None:
    chat.start()
    chat.say("[[n=200,gap=50]]")
    expect(chat.running).to_contain_text("t5 ", timeout=SLOW)
    chat.page.reload()
    expect(chat.running).to_contain_text("t20 ", timeout=SLOW)
    expect(chat.running).to_have_count(0, timeout=SLOW)
    expect(chat.replies).to_have_text([_tokens(200)])


def test_typing_is_shown_until_the_first_word(chat: ChatPage) -> None:
    chat.start()
    chat.say("[[ttft=1500]][[say:There you are.]]")
    expect(chat.page.get_by_role("img", name=re.compile("is typing"))).to_be_visible()
    expect(chat.replies.last).to_have_text("There you are.", timeout=SLOW)
    expect(chat.page.get_by_role("img", name=re.compile("is typing"))).to_have_count(0)


def test_page_says_that_it_is_an_ai(chat: ChatPage) -> None:
    chat.start()
    expect(chat.page.locator("main").get_by_text("You are talking to")).to_contain_text("AI")
    chat.ask("[[say:Hello.]]")
    expect(chat.page.locator(".message--assistant").last).to_contain_text("AI")


def test_conversation_is_still_there_after_a_restart(fragile: ChatPage, own_server: Server) -> None:
    fragile.start()
    fragile.ask("remember [[say:I will.]]")
    own_server.terminate()
    own_server.start()
    fragile.page.reload()
    expect(fragile.replies).to_have_text(["I will."], timeout=SLOW)
    expect(fragile.conversations.first).to_contain_text("remember")


def test_page_recovers_by_itself_when_the_server_dies_in_a_reply(
    fragile: ChatPage, own_server: Server, make_client: MakeClient
) -> None:
    fragile.start()
    fragile.say("first [[n=400,gap=50]]")
    expect(fragile.running).to_contain_text("t3 ", timeout=SLOW)
    own_server.kill()
    expect(fragile.banner).to_be_visible(timeout=SLOW)
    fragile.say("second [[say:Back again.]]")
    expect(fragile.page.get_by_text("Waiting for the connection")).to_be_visible()
    own_server.start()
    expect(fragile.replies.last).to_have_text("Back again.", timeout=2 * SLOW)
    expect(fragile.banner).to_be_hidden()
    stored = make_client(own_server).messages(fragile.session_id)
    assert [message["content"][:6].strip() for message in stored if message["role"] == "user"] == ["first", "second"]
    assert stored[1]["error"]["code"] == "interrupted"


def test_words_written_without_a_connection_are_kept_and_sent(fragile: ChatPage, own_server: Server) -> None:
    fragile.start()
    fragile.ask("[[say:Hello.]]")
    own_server.kill()
    expect(fragile.banner).to_be_visible(timeout=SLOW)
    fragile.say("one [[say:Good.]]")
    fragile.say("two [[say:Good.]]")
    own_server.start()
    expect(fragile.messages.filter(has_text=re.compile("one|two"))).to_have_count(2, timeout=2 * SLOW)
    expect(fragile.replies.last).to_have_text("Good.", timeout=SLOW)


def test_two_tabs_on_one_conversation_follow_live(chat: ChatPage) -> None:
    chat.start()
    other = ChatPage(chat.page.context.new_page(), chat.url).open(f"/?c={chat.session_id}")
    expect(other.composer).to_be_visible(timeout=SLOW)
    chat.say("from the first tab [[n=40,gap=50]]")
    expect(other.own.last).to_contain_text("from the first tab", timeout=SLOW)
    expect(other.running).to_contain_text("t5 ", timeout=SLOW)
    expect(other.replies.last).to_have_text(_tokens(40), timeout=SLOW)
    other.ask("from the second [[say:Both.]]")
    expect(chat.replies.last).to_have_text("Both.", timeout=SLOW)


def test_going_to_another_conversation_leaves_the_first_one_behind(chat: ChatPage) -> None:
    chat.start()
    chat.say("long one [[n=100,gap=50]]")
    expect(chat.running).to_contain_text("t3 ", timeout=SLOW)
    chat.page.get_by_role("button", name="New conversation").click()
    chat.card("general_conversation").click()
    expect(chat.messages).to_have_count(0)
    assert chat.ask("[[say:Quite another matter.]]") == "Quite another matter."
    expect(chat.messages).to_have_count(2)


# Stop, retry, refusal -----------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["button", "Escape"])
def test_reply_is_stopped_and_can_be_asked_for_again(chat: ChatPage, by: str) -> None:
    chat.start()
    chat.say(f"by {by} [[n=120,gap=50]]")
    expect(chat.running).to_contain_text("t3 ", timeout=SLOW)
    if by == "button":
        chat.page.get_by_role("button", name="Stop").click()
    else:
        chat.page.keyboard.press(by)
    expect(chat.page.get_by_text("You stopped this reply.")).to_be_visible(timeout=SLOW)
    chat.page.get_by_role("button", name="Try again").click()
    expect(chat.replies.last).to_have_text(_tokens(120), timeout=SLOW)


def test_failed_reply_says_why_and_is_answered_on_retry(chat: ChatPage) -> None:
    chat.start()
    chat.say(f"{chat.session_id} [[503,times=3]][[say:Here I am again.]]")
    failed = chat.page.locator("[data-status=failed]")
    expect(failed).to_contain_text("cannot be reached", timeout=SLOW)
    failed.get_by_role("button", name="Try again").click()
    expect(chat.replies.last).to_have_text("Here I am again.", timeout=SLOW)
    expect(chat.page.get_by_role("button", name="Try again")).to_have_count(0)


def test_broken_reply_keeps_the_text_so_far(chat: ChatPage) -> None:
    chat.start()
    chat.say("[[cut]][[say:This is only half of it.]]")
    expect(chat.page.locator("[data-status=failed]")).to_contain_text("This is", timeout=SLOW)
    expect(chat.page.get_by_role("button", name="Try again")).to_be_visible()


def test_refused_message_comes_back_to_the_composer(chat: ChatPage) -> None:
    chat.start()
    chat.say("with a \x00 in it")
    expect(chat.page.get_by_text("Your message was not sent.")).to_be_visible(timeout=SLOW)
    expect(chat.own).to_have_count(0)
    assert chat.composer.input_value() == "with a \x00 in it"


def test_page_asks_strangers_to_sign_in_without_debug(page: Page, server: Server, make_server: MakeServer) -> None:
    closed = make_server(DEBUG=None, ALLOWED_HOSTS="127.0.0.1")
    page.goto(f"{closed.url}/?c=some-conversation")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    expect(page.locator("[name=next]")).to_have_value("/?c=some-conversation")


# The list -----------------------------------------------------------------------------------------


def test_conversation_is_renamed(chat: ChatPage) -> None:
    chat.start()
    chat.ask("[[say:Hello.]]")
    chat.choose(chat.options, "Rename")
    chat.page.get_by_role("dialog").get_by_label("Title").fill("Notes on gardening")
    chat.page.keyboard.press("Enter")
    expect(chat.page.get_by_role("heading", name="Notes on gardening")).to_be_visible()
    chat.page.reload()
    expect(chat.conversations.first).to_contain_text("Notes on gardening", timeout=SLOW)


def test_conversation_is_deleted_only_when_confirmed(chat: ChatPage) -> None:
    chat.start()
    chat.ask("[[say:Hello.]]")
    chat.choose(chat.options, "Delete")
    chat.page.get_by_role("button", name="Cancel").click()
    expect(chat.conversations).to_have_count(1)
    chat.choose(chat.options, "Delete")
    chat.page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(chat.page.get_by_text("No conversations yet")).to_be_visible()
    expect(chat.page.get_by_role("heading", name="Who would you like to talk to?")).to_be_visible()


def test_conversations_are_searched(chat: ChatPage) -> None:
    chat.start()
    chat.ask("Tomatoes on the balcony [[say:Lovely.]]")
    chat.page.get_by_role("button", name="New conversation", exact=True).click()
    chat.card("general_conversation").click()
    expect(chat.messages).to_have_count(0)
    chat.ask("Why is the sky blue [[say:Light scatters.]]")
    search = chat.page.get_by_role("searchbox")
    search.fill("tomatoes")
    expect(chat.conversations).to_have_count(1)
    expect(chat.conversations.first).to_contain_text("Tomatoes")
    search.fill("submarines")
    expect(chat.page.get_by_text("Nothing found for")).to_be_visible()


def test_ended_conversation_offers_a_new_one(chat: ChatPage) -> None:
    chat.start()
    chat.ask("[[say:Hello.]]")
    chat.choose(chat.options, "End conversation")
    expect(chat.page.get_by_text("This conversation has ended.")).to_be_visible()
    expect(chat.composer).to_have_count(0)
    chat.page.get_by_role("main").get_by_role("button", name=re.compile("New conversation with")).click()
    expect(chat.composer).to_be_visible(timeout=SLOW)
    expect(chat.messages).to_have_count(0)


def test_paused_conversation_is_resumed_with_a_greeting(chat: ChatPage) -> None:
    chat.start(name="Ada")
    chat.ask("[[say:Hello.]]")
    chat.choose(chat.options, "Pause conversation")
    expect(chat.page.get_by_text("Paused. Go on whenever you like.")).to_be_visible()
    chat.page.get_by_role("button", name="Resume").click()
    expect(chat.page.get_by_text("There you are, Ada.")).to_be_visible()
    expect(chat.page.get_by_text("Paused.")).to_have_count(0)
    expect(chat.composer).to_be_focused()


def test_message_wakes_a_paused_conversation(chat: ChatPage) -> None:
    chat.start()
    chat.ask("[[say:Hello.]]")
    chat.choose(chat.options, "Pause conversation")
    expect(chat.page.get_by_text("Paused.")).to_be_visible()
    assert chat.ask("[[say:And on we go.]]") == "And on we go."
    expect(chat.page.get_by_text("Paused.")).to_have_count(0)


def test_unknown_conversation_says_what_to_do(chat: ChatPage) -> None:
    chat.open("/?c=00000000-0000-7000-8000-000000000000")
    expect(chat.page.get_by_role("heading", name="This conversation is not here")).to_be_visible(timeout=SLOW)
    chat.page.get_by_role("button", name="Start a new one").click()
    expect(chat.card("casual_chat")).to_be_visible()


# Age ----------------------------------------------------------------------------------------------


def test_adult_personality_asks_the_age_and_lets_adults_in(chat: ChatPage) -> None:
    chat.open()
    expect(chat.card("flirty_chat")).to_contain_text("18+")
    chat.card("flirty_chat").click()
    expect(chat.page.get_by_role("dialog")).to_contain_text("18 or more")
    chat.answer_questions(age="34")
    assert chat.ask("[[say:Well, hello.]]") == "Well, hello."


def test_adult_personality_is_kindly_refused_to_the_young(chat: ChatPage) -> None:
    chat.open()
    chat.card("flirty_chat").click()
    chat.answer_questions(age="15")
    expect(chat.page.get_by_role("dialog")).to_contain_text("You did nothing wrong", timeout=SLOW)
    chat.page.get_by_role("button", name="Choose someone else").click()
    chat.card("casual_chat").click()
    expect(chat.composer).to_be_visible(timeout=SLOW)


# Safety -------------------------------------------------------------------------------------------


def test_markdown_is_shown_and_what_could_do_harm_is_not(chat: ChatPage, provider: Provider) -> None:
    evil = '**bold** <img src=x onerror="window.hacked=1"> <script>window.hacked=1</script> [x](javascript:alert(1))'
    chat.start()
    chat.ask(f"show me {provider.reply_with(evil)}")
    reply = chat.replies.last
    expect(reply.locator("strong")).to_have_text("bold")
    assert chat.evaluate("window.hacked") is None
    assert reply.locator("img, script, a[href^=javascript]").count() == 0


def test_code_can_be_copied(chat: ChatPage, provider: Provider) -> None:
    chat.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    chat.start()
    chat.ask(f"code {provider.reply_with('```python' + chr(10) + 'print(1)' + chr(10) + '```')}")
    chat.page.get_by_role("button", name="Copy code").click()
    expect(chat.page.get_by_role("button", name="Copy code")).to_contain_text("Copied")
    assert chat.evaluate("navigator.clipboard.readText()").strip() == "print(1)"


def test_browser_has_nothing_to_complain_about(chat: ChatPage, provider: Provider) -> None:
    chat.start()
    chat.ask(f"all of it {provider.reply_with('| a | b |' + chr(10) + '|--:|---|' + chr(10) + '| 1 | 2 |')}")
    chat.page.get_by_role("button", name=re.compile("Switch to")).click()
    chat.choose(chat.options, "Rename")
    chat.page.keyboard.press("Escape")
    chat.page.reload()
    expect(chat.replies.last).to_contain_text("1", timeout=SLOW)
    assert chat.problems == []


# Looks and access ---------------------------------------------------------------------------------


def test_phone_shows_the_list_as_a_drawer_and_never_scrolls_sideways(chat: ChatPage, provider: Provider) -> None:
    chat.page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    chat.open()
    expect(chat.card("casual_chat")).to_be_visible()
    assert not chat.is_wider_than_window()
    chat.start()
    chat.ask(f"wide {provider.reply_with('```' + chr(10) + 'x' * 300 + chr(10) + '```' + ' ' + 'y' * 300)}")
    assert not chat.is_wider_than_window()
    expect(chat.conversations.first).to_be_hidden()
    chat.page.get_by_role("button", name="Conversations", exact=True).click()
    expect(chat.conversations.first).to_be_visible()
    chat.page.keyboard.press("Escape")
    expect(chat.conversations.first).to_be_hidden()


def test_dark_mode_follows_the_system_and_the_toggle_is_remembered(browser: Browser, server: Server) -> None:
    page = browser.new_context(color_scheme="dark").new_page()
    background = "getComputedStyle(document.body).backgroundColor"
    page.goto(server.url)
    dark = page.evaluate(background)
    page.get_by_role("button", name="Switch to light colours").click()
    light = page.evaluate(background)
    page.reload()
    assert page.evaluate(background) == light != dark
    page.context.close()


def test_conversation_by_keyboard_alone(chat: ChatPage) -> None:
    chat.open()
    chat.card("casual_chat").focus()
    chat.page.keyboard.press("Enter")
    expect(chat.page.get_by_label("Your name")).to_be_focused()
    chat.page.keyboard.type("Ada")
    chat.page.keyboard.press("Enter")
    expect(chat.composer).to_be_focused(timeout=SLOW)
    chat.page.keyboard.type("two")
    chat.page.keyboard.press("Shift+Enter")
    chat.page.keyboard.type("lines [[say:Read them both.]]")
    chat.page.keyboard.press("Enter")
    expect(chat.replies.last).to_have_text("Read them both.", timeout=SLOW)
    expect(chat.composer).to_be_focused()
    assert chat.own.last.inner_text().startswith("two\nlines")


def test_finished_reply_is_announced_and_single_words_are_not(chat: ChatPage) -> None:
    chat.start()
    expect(chat.page.get_by_role("log")).to_have_attribute("aria-live", "off")
    chat.ask("[[say:The kettle is on.]]")
    expect(chat.page.locator("#announcer")).to_contain_text("replied: The kettle is on.")


def test_reader_of_older_messages_is_left_alone(chat: ChatPage) -> None:
    chat.start()
    for number in range(3):
        chat.ask(f"page {number} [[n=400,gap=0]]")
    log = chat.page.get_by_role("log")
    log.evaluate("element => { element.scrollTop = 0 }")
    jump = chat.page.get_by_role("button", name="Jump to latest")
    expect(jump).to_be_visible()
    position: Any = log.evaluate("element => element.scrollTop")
    chat.page.evaluate("document.activeElement.blur()")
    other = ChatPage(chat.page.context.new_page(), chat.url).open(f"/?c={chat.session_id}")
    expect(other.replies).to_have_count(3, timeout=SLOW)
    other.ask("from elsewhere [[say:Still here.]]")
    expect(chat.replies.last).to_have_text("Still here.", timeout=SLOW)
    assert log.evaluate("element => element.scrollTop") == position
    jump.click()
    expect(jump).to_be_hidden()

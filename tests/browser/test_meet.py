"""The page at `/meet/` in a real browser: two tabs are two people. A personality steps in after three seconds."""

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any
from uuid import UUID

import pytest
from playwright.sync_api import APIResponse, BrowserContext, Route, expect

from tests.browser.chat_page import ChatPage
from tests.browser.meet_page import SLOW, MeetPage
from tests.client import ApiClient
from tests.conftest import model_of
from tests.services.provider import Provider
from tests.services.server import Prepared, Server, copy_sqlite

PHONE = {"width": 390, "height": 844}
LIVE = "UPDATE matchmaking_matchticket SET version = version + 1, {} WHERE closed_at IS NULL"
MakeServer = Callable[..., Server]
MakeClient = Callable[..., ApiClient]


@pytest.fixture(scope="module")
def meet_server(
    prepared_sqlite: Prepared, provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """Chatify where nobody waits for long."""
    url = copy_sqlite(prepared_sqlite, tmp_path_factory.mktemp("meet"))
    server = Server(prepared_sqlite, url, MATCH_TIMEOUT_SECONDS="5", **model_of(provider))
    try:
        yield server.start()
    finally:
        server.close()


@pytest.fixture
def ada(context: BrowserContext, meet_server: Server) -> Iterator[MeetPage]:
    """Somebody at the page. When the test is over nobody waits for anybody any more."""
    yield MeetPage(context.new_page(), meet_server.url, "Ada").open()
    for page in context.pages:
        page.close()
    _query(meet_server, LIVE.format("closed_at = created_at, close_reason = 'test'"))


@pytest.fixture
def ben(context: BrowserContext, meet_server: Server, ada: MeetPage) -> MeetPage:
    """Somebody in another tab of the same browser."""
    return MeetPage(context.new_page(), meet_server.url, "Ben").open()


@pytest.fixture
def pair(ada: MeetPage, ben: MeetPage) -> tuple[MeetPage, MeetPage]:
    """Two who have met."""
    return _meet(ada, ben)


def _meet(ada: MeetPage, ben: MeetPage) -> tuple[MeetPage, MeetPage]:
    ada.find()
    ben.find()
    ada.is_with("Ben")
    ben.is_with("Ada")
    return ada, ben


def _query(server: Server, statement: str, *values: Any) -> Any:
    """Run a statement beside the server and give its first row."""
    with closing(sqlite3.connect(server.database_url.removeprefix("sqlite:///"), timeout=10)) as database, database:
        return database.execute(statement, values).fetchone()


# Two people ---------------------------------------------------------------------------------------


def test_two_tabs_meet_and_talk(pair: tuple[MeetPage, MeetPage]) -> None:
    ada, ben = pair
    expect(ada.page.get_by_text("You are talking to another person, not to an AI.")).to_be_visible()
    ada.say("Hello, who is there?")
    ben.say("A sailor.")
    for one in pair:
        expect(one.said).to_have_text(["Hello, who is there?", "A sailor."], timeout=SLOW)
    for one, own in ((ada, "Hello, who is there?"), (ben, "A sailor.")):
        expect(one.page.get_by_role("article", name="You wrote")).to_have_count(1)
        expect(one.page.get_by_role("article", name="You wrote")).to_contain_text(own)
        assert one.problems == []


def test_other_one_is_seen_typing_reading_and_going_away(pair: tuple[MeetPage, MeetPage]) -> None:
    ada, ben = pair
    ada.say("Hello?")
    expect(ben.said).to_have_text(["Hello?"], timeout=SLOW)  # both are connected
    ben.composer.press_sequentially("Hm")
    expect(ada.page.get_by_role("img", name="Ben is typing")).to_be_visible(timeout=SLOW)
    ben.composer.fill("")
    expect(ada.page.get_by_role("img", name="Ben is typing")).to_have_count(0)
    ada.say("Are you there?")
    expect(ada.page.get_by_role("article").last).to_contain_text("Read", timeout=SLOW)
    ben.page.close()
    expect(ada.head).to_contain_text("Ben is away", timeout=SLOW)
    expect(ada.announced).to_have_text("Ben is away.")


def test_messages_of_the_other_one_are_announced(pair: tuple[MeetPage, MeetPage]) -> None:
    ada, ben = pair
    ada.say("The kettle is on.")
    expect(ben.announced).to_have_text("Ada wrote: The kettle is on.", timeout=SLOW)


def test_who_is_left_looks_for_the_next_one_with_one_click(pair: tuple[MeetPage, MeetPage]) -> None:
    ada, ben = pair
    ben.choose("Leave")
    expect(ben.button("Find somebody")).to_be_visible(timeout=SLOW)
    expect(ada.page.get_by_role("main").get_by_text("Ben has left.")).to_be_visible(timeout=SLOW)
    expect(ada.composer).to_have_count(0)
    ada.button("Next").click()
    expect(ada.page.get_by_role("heading", name="Looking for somebody")).to_be_visible(timeout=SLOW)
    ada.is_with_an_ai()


def test_back_leads_to_the_start(pair: tuple[MeetPage, MeetPage]) -> None:
    ada, ben = pair
    ben.choose("Leave")
    ada.button("Back").click(timeout=SLOW)
    expect(ada.page.get_by_label("Your name")).to_have_value("Ada")


def test_next_is_asked_for_twice_in_a_talk_with_a_person(pair: tuple[MeetPage, MeetPage]) -> None:
    ada, ben = pair
    dialog = ada.page.get_by_role("dialog", name="Meet the next one?")
    ada.button("Next").click()
    dialog.get_by_role("button", name="Stay").click()
    ada.say("I am still here.")
    expect(ben.said).to_have_text(["I am still here."], timeout=SLOW)
    ada.button("Next").click()
    dialog.get_by_role("button", name="Next").click()
    expect(ben.page.get_by_role("main").get_by_text("Ada has left.")).to_be_visible(timeout=SLOW)
    ada.is_with_an_ai()  # and not with Ben again


def test_blocked_person_is_left_for_good(
    pair: tuple[MeetPage, MeetPage], meet_server: Server, make_client: MakeClient
) -> None:
    ada, ben = pair
    ada.choose("Block Ben")
    ada.page.get_by_role("dialog", name="Block Ben?").get_by_role("button", name="Block").click()
    expect(ada.page.get_by_role("main").get_by_text("You have blocked Ben.")).to_be_visible(timeout=SLOW)
    expect(ben.page.get_by_role("main").get_by_text("Ada has left.")).to_be_visible(timeout=SLOW)
    for one in pair:
        one.button("Next").click()
    for one in pair:
        one.is_with_an_ai()
        expect(one.question).to_be_hidden()
    external_id = ada.evaluate("JSON.parse(sessionStorage['chatify.guest']).external_id")
    blocks = make_client(meet_server).get("/api/v1/match/blocks/", params={"user": external_id})
    assert [block["name"] for block in blocks.json()["results"]] == ["Ben"]


@pytest.mark.parametrize("is_report", [False, True], ids=["block", "report"])
def test_block_that_fails_is_not_said_to_be_done(pair: tuple[MeetPage, MeetPage], is_report: bool) -> None:
    ada, ben = pair
    ada.page.route("**/block/", lambda route: route.abort())
    ada.choose("Report Ben" if is_report else "Block Ben")
    dialog = ada.page.get_by_role("dialog")
    if is_report:
        dialog.get_by_label("Spam or fraud").check()
    dialog.get_by_role("button", name="Send report" if is_report else "Block").click()
    expect(ada.page.get_by_text("The server cannot be reached.")).to_be_visible(timeout=SLOW)
    expect(ada.composer).to_be_visible()
    ben.choose("Leave")
    expect(ada.page.get_by_role("main").get_by_text("Ben has left.")).to_be_visible(timeout=SLOW)


@pytest.mark.parametrize("is_block", [True, False], ids=["and block", "and stay"])
def test_report_reaches_staff(pair: tuple[MeetPage, MeetPage], meet_server: Server, is_block: bool) -> None:
    ada, _ = pair
    ada.choose("Report Ben")
    dialog = ada.page.get_by_role("dialog", name="Report Ben")
    dialog.get_by_label("Spam or fraud").check()
    dialog.get_by_label("What happened?").fill("Sells watches.")
    dialog.get_by_label("Also block Ben").set_checked(is_block)
    dialog.get_by_role("button", name="Send report").click()
    expect(ada.page.get_by_text("Thank you. We will look at it.")).to_be_visible(timeout=SLOW)
    found = _query(meet_server, "SELECT reason, comment FROM matchmaking_report ORDER BY created_at DESC")
    assert found == ("spam", "Sells watches.")
    expect(ada.composer).to_have_count(0 if is_block else 1)


def test_silence_ends_a_talk_and_says_so(
    pair: tuple[MeetPage, MeetPage], meet_server: Server, make_client: MakeClient
) -> None:
    (id_,) = _query(
        meet_server, "SELECT id FROM chat_sessions_chatsession WHERE mode = 'human' ORDER BY created_at DESC"
    )
    make_client(meet_server).post(f"/api/v1/sessions/{UUID(id_)}/end/", {"reason": "silence"}).raise_for_status()
    for one in pair:
        expect(one.page.get_by_role("main").get_by_text("Nobody has written for a long time")).to_be_visible(
            timeout=SLOW
        )
        expect(one.button("Next")).to_be_visible()


def test_room_that_opens_before_the_answer_to_next_stays_open(
    context: BrowserContext, pair: tuple[MeetPage, MeetPage], meet_server: Server
) -> None:
    ada, _ = pair
    carl = MeetPage(context.new_page(), meet_server.url, "Carl").open()
    held: list[tuple[Route, APIResponse]] = []
    ada.page.route("**/api/v1/match/tickets/", lambda route: held.append((route, route.fetch())))
    ada.button("Next").click()
    ada.page.get_by_role("dialog").get_by_role("button", name="Next").click()
    carl.find()
    ada.is_with("Carl")  # by the socket
    [(route, answer)] = held
    assert answer.json()["status"] == "waiting"
    with ada.page.expect_response("**/api/v1/match/tickets/"):
        route.fulfill(response=answer)
    ada.say("Hello Carl")
    carl.say("Hello Ada")
    for one in (ada, carl):
        expect(one.said).to_have_count(2, timeout=SLOW)
    expect(carl.head).not_to_contain_text("away")


# A personality steps in ---------------------------------------------------------------------------


def test_seconds_are_shown_until_a_personality_steps_in_and_says_so(ada: MeetPage) -> None:
    ada.find()
    expect(ada.page.get_by_role("timer")).to_contain_text("1", timeout=SLOW)
    expect(ada.page.get_by_text("within 5 seconds, a personality steps in.")).to_be_visible()
    ada.is_with_an_ai()
    expect(ada.announced).to_have_text("You are talking to Milo, an AI.")
    expect(ada.head).to_contain_text("We go on looking for a person")
    ada.say("[[say:Good evening.]]")
    expect(ada.said.last).to_have_text("Good evening.", timeout=SLOW)


def test_long_interest_is_cut_between_characters(ada: MeetPage) -> None:
    ada.page.get_by_label("What you like").fill(f"{'x' * 39}\N{DOG}s, cats")
    ada.find()
    expect(ada.page.get_by_role("timer")).to_be_visible(timeout=SLOW)


def test_search_is_cancelled(ada: MeetPage, meet_server: Server) -> None:
    ada.find()
    ada.button("Cancel").click()
    expect(ada.button("Find somebody")).to_be_visible(timeout=SLOW)
    assert _query(meet_server, "SELECT count(*) FROM matchmaking_matchticket WHERE closed_at IS NULL") == (0,)


def test_adults_and_minors_do_not_meet(ada: MeetPage, ben: MeetPage) -> None:
    ada.find(age="34")
    ben.find(age="15")
    for one in (ada, ben):
        one.is_with_an_ai()
        expect(one.question).to_be_hidden()


def test_person_who_comes_is_met_after_the_personality_has_said_goodbye(ada: MeetPage, ben: MeetPage) -> None:
    ada.find().is_with_an_ai()
    ada.composer.press_sequentially("I was just about to")
    ben.find()
    expect(ben.page.get_by_role("heading", name="We found somebody and are asking them")).to_be_visible(timeout=SLOW)
    expect(ada.question).to_contain_text("Somebody is here. Meet them?", timeout=SLOW)
    expect(ada.question).to_contain_text(re.compile(r"\d+ s"))
    expect(ada.announced).to_contain_text("Somebody is here.")
    expect(ada.composer).to_be_focused()
    expect(ada.composer).to_have_value("I was just about to")
    ada.button("Meet").click()
    ada.is_with("Ben")
    expect(ada.page.get_by_role("article", name="Milo wrote")).to_contain_text("Ada")
    ben.is_with("Ada")
    ben.say("Hello!")
    expect(ada.said).to_have_text(["Hello!"], timeout=SLOW)


def test_who_stays_is_left_in_peace(ada: MeetPage, ben: MeetPage) -> None:
    ada.find().is_with_an_ai()
    ben.find()
    ada.button("Stay here").click(timeout=SLOW)
    expect(ada.question).to_be_hidden(timeout=SLOW)
    expect(ada.composer).to_be_focused()
    expect(ben.page.get_by_text("They stayed where they are; we go on looking.")).to_be_visible(timeout=SLOW)
    ben.is_with_an_ai()


def test_question_that_is_not_answered_goes_away(ada: MeetPage, ben: MeetPage, meet_server: Server) -> None:
    ada.find().is_with_an_ai()
    ben.find()
    expect(ada.question).to_be_visible(timeout=SLOW)
    _query(meet_server, "UPDATE matchmaking_matchproposal SET expires_at = created_at WHERE state = 'open'")
    expect(ada.page.get_by_text("You did not answer, so you stay here.")).to_be_visible(timeout=SLOW)
    expect(ada.question).to_be_hidden()
    expect(ada.page).to_have_title("Milo · Chatify")


def test_who_was_not_asked_is_not_told_to_have_said_nothing(ada: MeetPage, ben: MeetPage, meet_server: Server) -> None:
    ada.find().is_with_an_ai()
    ben.find()
    expect(ada.question).to_be_visible(timeout=SLOW)
    expect(ada.page).to_have_title("Somebody is here · Chatify")
    ben.is_with_an_ai()
    expect(ben.question).to_have_text("You would like to meet them. We are asking them, too.")
    _query(meet_server, "UPDATE matchmaking_matchproposal SET expires_at = created_at WHERE state = 'open'")
    expect(ben.page.get_by_text("They stayed where they are; we go on looking.")).to_be_visible(timeout=SLOW)
    expect(ben.question).to_be_hidden()


def test_who_meets_a_third_one_is_told_of_them_alone(
    context: BrowserContext, ada: MeetPage, ben: MeetPage, meet_server: Server
) -> None:
    carl = MeetPage(context.new_page(), meet_server.url, "Carl").open()
    ada.find().is_with_an_ai()
    ben.find()
    expect(ada.question).to_be_visible(timeout=SLOW)
    carl.find()
    ben.is_with("Carl")
    expect(ada.page.get_by_text("They are gone again.")).to_be_visible(timeout=SLOW)
    expect(ben.page.locator("#toasts")).to_be_empty()


def test_somebody_who_goes_away_before_the_answer(ada: MeetPage, ben: MeetPage) -> None:
    ada.find().is_with_an_ai()
    ben.find()
    expect(ada.question).to_be_visible(timeout=SLOW)
    ben.button("Cancel").click()
    expect(ada.page.get_by_text("They are gone again.")).to_be_visible(timeout=SLOW)
    expect(ada.question).to_be_hidden()


def test_personality_is_left(ada: MeetPage, meet_server: Server) -> None:
    ada.find().is_with_an_ai()
    ada.choose("Leave")
    expect(ada.button("Find somebody")).to_be_visible(timeout=SLOW)
    found = "SELECT status FROM chat_sessions_chatsession WHERE mode = 'ai' ORDER BY created_at DESC"
    assert _query(meet_server, found) == ("ended",)


# Reload, network, time ----------------------------------------------------------------------------


def test_reload_comes_back_to_the_question_and_to_the_room(ada: MeetPage, ben: MeetPage) -> None:
    ada.find().is_with_an_ai()
    ada.page.reload()
    ada.is_with_an_ai()
    ben.find()
    expect(ada.question).to_be_visible(timeout=SLOW)
    ada.page.reload()
    ada.button("Meet").click(timeout=SLOW)
    ada.is_with("Ben")
    ben.is_with("Ada")
    ben.say("Before the reload.")
    for one in (ada, ben):
        one.page.reload()
        one.is_with("Ben" if one is ada else "Ada")
        expect(one.said).to_have_text(["Before the reload."], timeout=SLOW)


def test_reload_goes_on_looking(ada: MeetPage) -> None:
    ada.find()
    expect(ada.page.get_by_role("timer")).to_be_visible(timeout=SLOW)
    ada.page.reload()
    expect(ada.page.get_by_role("timer")).to_contain_text(re.compile("[1-4]"), timeout=SLOW)
    ada.is_with_an_ai()


def test_who_was_away_for_too_long_is_told_so(ada: MeetPage, meet_server: Server) -> None:
    ada.find()
    expect(ada.page.get_by_role("timer")).to_be_visible(timeout=SLOW)
    ada.page.goto("about:blank")
    _query(meet_server, LIVE.format("status = 'expired', closed_at = created_at, close_reason = 'expired'"))
    ada.page.goto(f"{meet_server.url}/meet/")
    expect(ada.page.get_by_role("heading", name="You were away for too long")).to_be_visible(timeout=SLOW)
    ada.button("Look again").click()
    expect(ada.page.get_by_role("timer")).to_be_visible(timeout=SLOW)


def test_talk_goes_on_when_the_server_is_back(context: BrowserContext, make_server: MakeServer) -> None:
    server = make_server(MATCH_TIMEOUT_SECONDS="30")
    ada, ben = (MeetPage(context.new_page(), server.url, name).open() for name in ("Ada", "Ben"))
    _meet(ada, ben)
    server.kill()
    expect(ada.page.get_by_text("Connection lost.")).to_be_visible(timeout=SLOW)
    ada.say("Are you still there?")
    server.start()
    for one in (ada, ben):
        one.evaluate("dispatchEvent(new Event('online'))")  # should they have given up
    expect(ben.said).to_have_text(["Are you still there?"], timeout=2 * SLOW)
    expect(ada.page.get_by_text("Connection lost.")).to_be_hidden()
    ben.choose("Leave")
    expect(ada.page.get_by_role("main").get_by_text("Ben has left.")).to_be_visible(timeout=SLOW)


def test_each_tab_is_somebody_else_and_stays_so(ada: MeetPage, ben: MeetPage) -> None:
    ada.find().is_with_an_ai()
    ben.find()
    expect(ben.page.get_by_role("timer")).to_be_visible(timeout=SLOW)
    guest = "JSON.parse(sessionStorage['chatify.guest']).external_id"
    before = [one.evaluate(guest) for one in (ada, ben)]
    ada.evaluate("sessionStorage['chatify.guest'] = sessionStorage['chatify.guest'].replace(/\"token\":\"/, '$&x')")
    ada.page.reload()
    ada.is_with_an_ai()
    assert [one.evaluate(guest) for one in (ada, ben)] == before
    assert before[0] != before[1]


def test_page_asks_strangers_to_sign_in_without_debug(context: BrowserContext, make_server: MakeServer) -> None:
    closed = make_server(DEBUG=None, ALLOWED_HOSTS="127.0.0.1")
    page = context.new_page()
    page.goto(f"{closed.url}/meet/")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    expect(page.locator("[name=next]")).to_have_value("/meet/")


# Beside the chat page -----------------------------------------------------------------------------


def test_pages_lead_to_each_other(ada: MeetPage) -> None:
    ada.page.get_by_role("link", name="Personalities").click()
    chat = ChatPage(ada.page, ada.url)
    expect(chat.card("casual_chat")).to_be_visible(timeout=SLOW)
    chat.page.get_by_role("link", name="Meet a person").click()
    expect(ada.button("Find somebody")).to_be_visible(timeout=SLOW)


# Looks and access ---------------------------------------------------------------------------------


def test_phone_never_scrolls_sideways(ada: MeetPage, ben: MeetPage) -> None:
    ada.page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    assert not ada.is_wider_than_window()
    ada.find()
    expect(ada.page.get_by_role("timer")).to_be_visible(timeout=SLOW)
    assert not ada.is_wider_than_window()
    ada.is_with_an_ai()
    ben.find()
    expect(ada.question).to_be_visible(timeout=SLOW)
    assert not ada.is_wider_than_window()
    ada.button("Meet").click()
    ada.is_with("Ben")
    ben.say("y" * 300)
    expect(ada.said).to_have_count(1, timeout=SLOW)
    assert not ada.is_wider_than_window()
    ada.choose("Report Ben")
    assert not ada.is_wider_than_window()


def test_dark_mode_follows_the_system(ada: MeetPage) -> None:
    background = "getComputedStyle(document.body).backgroundColor"
    light = ada.evaluate(background)
    ada.page.emulate_media(color_scheme="dark")
    assert ada.evaluate(background) != light


def test_ring_stands_still_for_who_wants_no_motion(ada: MeetPage) -> None:
    ada.page.emulate_media(reduced_motion="reduce")
    ada.find()
    expect(ada.page.get_by_role("timer")).to_be_visible(timeout=SLOW)
    assert ada.evaluate("getComputedStyle(document.querySelector('[role=timer]'), '::before').animationName") == "none"


def test_browser_and_screen_readers_have_nothing_to_complain_about(ada: MeetPage, ben: MeetPage) -> None:
    assert ada.unnamed_controls() == []
    ada.find()
    expect(ada.page.get_by_role("timer")).to_be_visible(timeout=SLOW)
    assert ada.unnamed_controls() == []
    ada.is_with_an_ai()
    ben.find()
    expect(ada.question).to_be_visible(timeout=SLOW)
    assert ada.unnamed_controls() == []
    ada.button("Meet").click()
    ada.is_with("Ben")
    ada.choose("Report Ben")
    assert ada.unnamed_controls() == []
    assert ada.problems == ben.problems == []


def test_meeting_by_keyboard_alone(ada: MeetPage, ben: MeetPage) -> None:
    ada.page.get_by_label("Your name").focus()
    ada.page.keyboard.type("Ada")
    ada.page.keyboard.press("Enter")
    ben.find()
    ada.is_with("Ben")
    expect(ada.composer).to_be_focused()
    ada.page.keyboard.type("Hello")
    ada.page.keyboard.press("Enter")
    expect(ben.said).to_have_text(["Hello"], timeout=SLOW)
    ben.choose("Leave")
    expect(ada.button("Back")).to_be_visible(timeout=SLOW)
    ada.page.keyboard.press("Enter")  # who was about to send something is not carried away
    ada.page.keyboard.press("Tab")
    expect(ada.button("Back")).to_be_focused()

import time
import pytest
from playwright.sync_api import Page, expect
from tests.browser.chat_page import SLOW, ChatPage
pytestmark = pytest.mark.parametrize("server", ["embedded"], indirect=True)
def test_count(page: Page, make_server, server):
    s = make_server(LIMIT_PERSON_REQUESTS_PER_MINUTE="600")
    chat = ChatPage(page, s.url)
    seen=[]
    page.on("response", lambda r: seen.append((r.request.method, r.url.replace(s.url,''), r.headers.get('x-ratelimit-remaining'))) if '/api/' in r.url else None)
    page.on("websocket", lambda w: seen.append(("WS", w.url, "")))
    def mark(name):
        print("==", name, len(seen)); 
        for one in seen: print("   ", one)
        seen.clear()
    t=time.time()
    chat.open(); expect(chat.card("casual_chat")).to_be_visible(timeout=SLOW); page.wait_for_timeout(800); mark("open")
    chat.card("casual_chat").click(); chat.answer_questions(name="A", age="30"); expect(chat.composer).to_be_visible(timeout=SLOW); page.wait_for_timeout(800); mark("start first")
    chat.ask("hello"); page.wait_for_timeout(500); mark("first message")
    for i in range(4):
        page.goto(s.url + "/"); 
        expect(chat.card("casual_chat")).to_be_visible(timeout=SLOW); chat.card("casual_chat").click(); expect(chat.composer).to_be_visible(timeout=SLOW); chat.ask("hi %d"%i)
    page.wait_for_timeout(500); mark("four more")
    n=chat.conversations.count(); print(n)
    for i in range(5):
        chat.conversations.nth((i*2+1)%n).click(); expect(chat.composer).to_be_visible(timeout=SLOW); page.wait_for_timeout(700)
    mark("five switches")
    for i in range(10): chat.ask("m %d"%i)
    mark("ten messages")
    page.reload(); expect(chat.composer).to_be_visible(timeout=SLOW); page.wait_for_timeout(800); mark("reload")
    chat.page.get_by_role("searchbox").first.type("hello there", delay=80); page.wait_for_timeout(600); mark("search")
    print(time.time()-t)
    assert 0

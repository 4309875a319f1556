"""The admin in a real browser: it looks after its policy, and what staff do reaches those who chat."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.client import ApiClient
from tests.services.server import Server

pytestmark = pytest.mark.parametrize("server", ["embedded"], indirect=True)

PAGES = (
    "", "templates_app/prompttemplate/", "templates_app/prompttemplate/add/", "chat_sessions/chatsession/",
    "chat_sessions/feedback/", "accounts/enduser/", "accounts/tenant/", "accounts/apikey/add/", "accounts/user/add/",
    "auth/group/add/", "chat_sessions/summary/", "memory/memory/", "memory/memoryprompt/",
    "memory/memoryprompt/add/?purpose=facts", "templates_app/selectionrule/", "templates_app/selectionrule/add/",
    "events/outboxrow/", "mirror/inboundreport/",
)  # fmt: skip


def _open_prompt(admin: Page, server: Server, name: str) -> None:
    admin.goto(f"{server.url}/admin/templates_app/prompttemplate/?q={name}")
    admin.locator("#result_list tbody th a").first.click()


def test_every_page_works_under_its_policy(admin: Page, server: Server, problems: list[str]) -> None:
    for path in PAGES:
        answer = admin.goto(f"{server.url}/admin/{path}")
        assert answer is not None
        assert (path, answer.status) == (path, 200)
    assert problems == []


@pytest.mark.parametrize("width", [360, 1280])
def test_form_of_a_personality_fits_the_screen(admin: Page, server: Server, width: int) -> None:
    admin.set_viewport_size({"width": width, "height": 800})
    _open_prompt(admin, server, "dating_advice")
    expect(admin.get_by_label("System prompt")).to_be_visible()
    assert admin.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("width", [390, 1280])
def test_refused_edit_and_dead_letter_fit_the_screen(admin: Page, server: Server, width: int) -> None:
    path, text = "prompt_templates/" + "x" * 60, "word " * 60 + "y" * 200
    code = (
        "from chatify.events.models import OutboxRow; from chatify.mirror.models import InboundReport;"
        f"InboundReport.objects.get_or_create(kind='refused', path='{path}', digest='x', detail='{text}',"
        f" content={{'greeting': '{text}'}});"
        f"OutboxRow.objects.get_or_create(sink='firestore', event='message.rebuilt', state='dead', error='{path * 3}')"
    )
    server.manage("shell", "-c", code)
    admin.set_viewport_size({"width": width, "height": 800})
    for page in ("mirror/inboundreport/", "events/outboxrow/"):
        admin.goto(f"{server.url}/admin/{page}")
        assert admin.evaluate("document.documentElement.scrollWidth") <= width
        cut = "cell => cell.scrollHeight > cell.clientHeight + 1 || cell.scrollWidth > cell.clientWidth + 1"
        assert not admin.evaluate(f"[...document.querySelectorAll('#result_list tbody :is(td, th)')].some({cut})")
        admin.locator("#result_list tbody th a").first.click()
        expect(admin.get_by_text("xxxxx").first).to_be_visible()
        assert admin.evaluate("document.documentElement.scrollWidth") <= width


def test_personality_that_changed_meanwhile_is_saved_at_the_second_time(
    admin: Page, server: Server, problems: list[str]
) -> None:
    _open_prompt(admin, server, "dating_advice")
    code = (
        "from templates_app.actions import Draft, save_personality; from templates_app.models import PromptTemplate;"
        "row = PromptTemplate.objects.get(slug='dating_advice'); row.greeting = 'Ahoy!';"
        "save_personality(template=row, draft=Draft.of(row.current_version), origin='firestore')"
    )
    server.manage("shell", "-c", code)
    admin.get_by_label("Temperature").fill("0.15")
    admin.get_by_role("button", name="Save and continue editing").click()
    expect(admin.get_by_text("While this page was open, an edit in Firestore")).to_be_visible()
    expect(admin.get_by_label("Greeting")).to_have_value("Ahoy!")
    expect(admin.get_by_label("Temperature")).to_have_value("0.15")
    admin.get_by_role("button", name="Save and continue editing").click()
    expect(admin.get_by_text("running conversations keep theirs")).to_be_visible()
    expect(admin.get_by_label("Greeting")).to_have_value("Ahoy!")
    assert problems == []


def test_wrong_prompt_is_refused_and_a_good_one_becomes_a_version(
    admin: Page, server: Server, problems: list[str]
) -> None:
    _open_prompt(admin, server, "general_conversation")
    prompt = admin.get_by_label("System prompt")
    before = prompt.input_value()
    prompt.fill("You are Theo.\nYou are a real human being.")
    admin.get_by_role("button", name="Save and continue editing").click()
    expect(admin.get_by_text("Line 2, column 1: “You are a real human being.”")).to_be_visible()
    prompt.fill(f"{before}\nYou like maps.")
    admin.get_by_role("button", name="Save and continue editing").click()
    expect(admin.get_by_text("running conversations keep theirs")).to_be_visible()
    admin.locator("#tabs-items").get_by_text("Versions").click()
    expect(admin.get_by_role("link", name="Version 1", exact=True)).to_be_visible()
    assert problems == []


def test_conversation_that_staff_end_takes_no_more_messages(
    admin: Page, server: Server, alice: ApiClient, problems: list[str]
) -> None:
    chat_session = alice.start()
    alice.send(chat_session["id"], "<script>alert(1)</script> [[say:Well.]]")
    with alice.socket(chat_session["id"]) as socket:
        socket.recv_until("session.ready")
        admin.goto(f"{server.url}/admin/chat_sessions/chatsession/{chat_session['id']}/change/")
        expect(admin.get_by_role("region", name="Conversation")).to_contain_text("<script>alert(1)</script>")
        admin.get_by_role("link", name=re.compile(r"\bEnd$")).click()
        admin.get_by_role("button", name="End it").click()
        assert socket.recv_until("session.ended")["reason"] == "ended_by_staff"
    expect(admin.get_by_text("Ended: 1 conversation.")).to_be_visible()
    assert problems == []

"""Who changes the personality of one chat session at once. Only on PostgreSQL (test_on_postgres.py runs this file)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest

from chatify.accounts.models import EndUser
from chatify.accounts.principal import Principal
from chatify.accounts.profile import UserInput
from chatify.common.errors import AgeRestricted, Conflict
from chatify.turns import ledger
from sessions.actions import end_chat_session, start_chat_session
from sessions.models import ChatSession, Message
from sessions.personalities import decline_suggestion, suggest_personality, switch_personality
from templates_app.catalogue import catalogue
from templates_app.models import PromptTemplate
from tests.racing import RACES, at_once
from tests.selection.conftest import MakeRule
from tests.turns.test_ledger import OWNER, complete, roles, say

pytestmark = RACES
House = dict[str, PromptTemplate]


@pytest.fixture
def chat(house: House, make_rule: MakeRule, principal: Principal) -> ChatSession:
    make_rule(house["nora"], name="Love", words=["love"])
    make_rule(house["theo"], name="Mind", words=["mind"])
    return start_chat_session(principal=principal, template_slug="milo", user=UserInput(external_id="alice"))


def suggesting(chat: ChatSession, text: str) -> Callable[[], bool]:
    menu = catalogue.menu(chat.tenant_id)
    return lambda: suggest_personality(chat_session_id=chat.id, menu=menu, text=text)


def switching(principal: Principal, chat: ChatSession, slug: str) -> Callable[[], None]:
    return lambda: switch_personality(principal=principal, chat_session_id=chat.id, slug=slug)


def test_suggestions_at_once_are_one(chat: ChatSession) -> None:
    told = at_once(*[suggesting(chat, text) for text in ("love", "mind") * 4])
    chat.refresh_from_db()
    assert chat.suggested_template is not None
    slug = chat.suggested_template.slug
    assert chat.suggested_before in ([slug], ["nora", "theo"], ["theo", "nora"])
    assert told.count(True) == len(chat.suggested_before)


def test_no_suggestion_comes_after_the_switch_to_it(principal: Principal, house: House, chat: ChatSession) -> None:
    for _ in range(10):
        ChatSession.objects.filter(id=chat.id).update(template=house["milo"], suggested_before=[])
        at_once(suggesting(chat, "love"), switching(principal, chat, "nora"))
        chat.refresh_from_db()
        assert (chat.template.slug, chat.suggested_template_id) == ("nora", None)
        assert chat.suggested_before == ["nora"]


def test_message_in_the_moment_of_a_switch_is_accepted(principal: Principal, chat: ChatSession) -> None:
    for number in range(10):
        slug = ("nora", "milo")[number % 2]
        _, accepted = at_once(switching(principal, chat, slug), lambda n=number: say(principal, chat, f"m{n}"))
        assert accepted.reply is not None
        finished = ledger.finish(spec=accepted.reply, owner=OWNER, outcome=complete())
        assert finished.message["sender"]["name"] == accepted.reply.request.speaker
    assert [seq for seq, _ in roles(chat)] == list(range(1, 31))


def test_reply_that_ends_in_the_moment_of_a_switch_keeps_its_speaker(principal: Principal, chat: ChatSession) -> None:
    for number in range(10):
        spec = say(principal, chat).reply
        slug = ("nora", "milo")[number % 2]
        _, finished = at_once(
            switching(principal, chat, slug),
            lambda spec=spec: ledger.finish(spec=spec, owner=OWNER, outcome=complete()),
        )
        assert finished.message["sender"]["name"] == ("Milo", "Nora")[number % 2]
        assert Message.objects.get(id=spec.message_id).status == "complete"


def test_switch_and_end_at_once_leave_it_ended(principal: Principal, chat: ChatSession) -> None:
    def switch() -> bool:
        with suppress(Conflict):
            switching(principal, chat, "nora")()
            return True
        return False

    switched, _ = at_once(switch, lambda: end_chat_session(chat_session_id=chat.id, reason="done"))
    chat.refresh_from_db()
    assert (chat.status, chat.template.slug) == ("ended", "nora" if switched else "milo")
    assert roles(chat) == ([(1, "notice")] if switched else [])


def test_switches_at_once_are_numbered_one_after_the_other(principal: Principal, chat: ChatSession) -> None:
    at_once(*[switching(principal, chat, slug) for slug in ("nora", "theo", "milo", "nora")])
    chat.refresh_from_db()
    assert [seq for seq, _ in roles(chat)] == list(range(1, chat.last_seq + 1))
    last = Message.objects.filter(chat_session=chat).order_by("-seq").first()
    assert last is not None
    assert last.content.startswith(f"{chat.template.name} answers from now on.")
    assert chat.version_id == chat.template.current_version_id


def test_age_that_was_lowered_in_this_moment_counts(principal: Principal, chat: ChatSession) -> None:
    EndUser.objects.update(age=30)
    suggesting(chat, "love")()
    EndUser.objects.update(age=17)
    with pytest.raises(AgeRestricted):
        switching(principal, chat, "vivi")()
    chat.refresh_from_db()
    assert (chat.template.slug, chat.suggested_template is not None) == ("milo", True)


def test_declining_and_switching_at_once_leave_no_suggestion(principal: Principal, chat: ChatSession) -> None:
    suggesting(chat, "love")()
    at_once(switching(principal, chat, "nora"), lambda: decline_suggestion(chat_session_id=chat.id))
    chat.refresh_from_db()
    assert (chat.template.slug, chat.suggested_template) == ("nora", None)

"""What somebody is told about a ticket is the way from what they were told to how it is."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from chatify.accounts.models import EndUser
from chatify.matchmaking.models import MatchProposal, MatchTicket
from chatify.matchmaking.telling import Told, steps
from sessions.models import ChatSession
from templates_app.models import PromptTemplate, PromptVersion

NOW = datetime(2026, 11, 21, tzinfo=UTC)
ADA, GRACE = EndUser(external_id="ada", name="Ada"), EndUser(external_id="grace", name="Grace")
ID = uuid4()


def talk() -> ChatSession:
    template = PromptTemplate(slug="milo", name="Milo")
    version = PromptVersion(template=template, number=1)
    return ChatSession(end_user=ADA, template=template, version=version, last_activity=NOW, created_at=NOW)


def room() -> ChatSession:
    return ChatSession(end_user=GRACE, partner=ADA, mode="human", speaker="human", last_activity=NOW, created_at=NOW)


TALK, ROOM = talk(), room()


def ticket(status: str = "waiting", **fields: Any) -> MatchTicket:
    times = {"created_at": NOW, "deadline": NOW, "seen_at": NOW}
    closed = {"closed_at": NOW} if "close_reason" in fields else {}
    return MatchTicket(id=ID, end_user=ADA, status=status, **times, **closed, **fields)


def question(state: str = "open", *, is_first_willing: bool = False, id_: UUID | None = None) -> MatchProposal:
    return MatchProposal(
        id=id_ or uuid4(),
        first_id=ID,
        second_id=uuid4(),
        state=state,
        expires_at=NOW,
        is_first_willing=is_first_willing,
    )


ASKED = question()
WAITING, TALKING = ticket(), ticket("with_chatbot", chat_session=TALK, version=1)
AT_QUESTION = ticket("with_chatbot", chat_session=TALK, proposal=ASKED, version=2)
SAID_YES = ticket("with_chatbot", chat_session=TALK, proposal=question(is_first_willing=True, id_=ASKED.id), version=3)
IN_ROOM = ticket("matched_human", chat_session=TALK, room=ROOM, version=4)
OTHER_QUESTION = ticket("with_chatbot", chat_session=TALK, proposal=question(), version=4)


def types(before: MatchTicket | None, after: MatchTicket, **states: str) -> list[str]:
    """What is told to whom `before` was told, if the question ended like this."""
    told = Told.of(before) if before is not None else None
    ended = {ASKED.id: states["asked"]} if states else {}
    return [event["type"].removeprefix("match.") for event in steps(told, after, ended, "ws://x")]


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (None, WAITING, ["waiting"]),
        (None, TALKING, ["waiting", "chatbot"]),
        (None, AT_QUESTION, ["waiting", "chatbot", "human_found"]),
        (None, IN_ROOM, ["waiting", "chatbot", "human_found", "matched"]),
        (WAITING, WAITING, []),
        (WAITING, TALKING, ["chatbot"]),
        (WAITING, ticket("matched_human", room=ROOM, version=1), ["human_found", "matched"]),
        (WAITING, ticket("matched_human", room=ROOM, close_reason="left"), ["human_found", "matched", "closed"]),
        (TALKING, AT_QUESTION, ["human_found"]),
        (AT_QUESTION, AT_QUESTION, []),
        (AT_QUESTION, SAID_YES, ["human_found"]),
        (SAID_YES, SAID_YES, []),
        (WAITING, ticket("cancelled", close_reason="cancelled"), ["cancelled"]),
        (WAITING, ticket("expired", close_reason="unseen"), ["expired"]),
        (TALKING, ticket("with_chatbot", chat_session=TALK, close_reason="left"), ["closed"]),
        (ticket("cancelled", close_reason="x"), ticket("cancelled", close_reason="x"), []),
    ],
)
def test_steps_lead_from_what_was_told_to_what_is(before: MatchTicket | None, after: MatchTicket, told: list[str]):
    assert types(before, after) == told


@pytest.mark.parametrize("state", ["declined", "expired", "withdrawn"])
def test_end_of_a_question_is_told(state: str):
    over = ticket("with_chatbot", chat_session=TALK, proposal=question(state, id_=ASKED.id), version=3)
    for after, told in ((over, ["declined"]), (OTHER_QUESTION, ["declined", "human_found"])):
        assert types(AT_QUESTION, after, asked=state) == told
    assert steps(Told.of(AT_QUESTION), over, {ASKED.id: state}, "ws://x")[0]["reason"] == state


def test_question_that_was_accepted_leads_to_the_room():
    met = ticket("matched_human", room=ROOM, proposal=question("accepted", id_=ASKED.id), version=4)
    assert types(AT_QUESTION, met, asked="accepted") == ["matched"]
    assert types(SAID_YES, met, asked="accepted") == ["matched"]


def test_somebody_else_may_be_met_than_who_was_asked_about():
    assert types(AT_QUESTION, IN_ROOM, asked="withdrawn") == ["declined", "human_found", "matched"]
    gone = types(AT_QUESTION, ticket("with_chatbot", chat_session=TALK, close_reason="left"))
    assert gone == ["declined", "closed"], "the question's row is gone, too"


def test_events_show_the_ticket_and_who_is_met():
    [found, matched] = steps(Told.of(WAITING), ticket("matched_human", room=ROOM), {}, "wss://chat.example")
    assert found["proposal"] is None
    assert found["ticket"] == matched["ticket"]
    assert matched["ticket"]["ws_url"] == "wss://chat.example/ws/v1/match/"
    assert matched["session"]["partner"] == {"name": "Grace"}
    assert matched["session"]["user"]["external_id"] == "ada"

"""Whole turns, as a server's process makes them."""

from __future__ import annotations

from chatify.accounts.principal import Principal
from chatify.common.ids import uuid7
from chatify.llm.types import Usage
from chatify.turns import ledger
from chatify.turns.spec import Outcome, ReplySpec
from sessions.models import ChatSession

OWNER = "process.a"


def ask(principal: Principal, chat: ChatSession, content: str) -> ReplySpec:
    """A message of the user, and the reply to it that has just begun."""
    accepted = ledger.accept(
        principal=principal, chat_session_id=chat.id, message_id=uuid7(), owner=OWNER, content=content
    )
    assert accepted.reply is not None
    return accepted.reply


def answer(spec: ReplySpec, text: str = "I see.", *, status: str = "complete", usage: Usage | None = None) -> None:
    """The end of that reply."""
    code = "stream_cut" if status == "failed" else ""
    ledger.finish(spec=spec, owner=OWNER, outcome=Outcome(status, text, code, usage=usage or Usage(10, 5)))


def talk(principal: Principal, chat: ChatSession, turns: int, *, first: int = 1) -> None:
    """So many turns: "question 1", "answer 1" and so on."""
    for number in range(first, first + turns):
        answer(ask(principal, chat, f"question {number}"), f"answer {number}")


def sent(spec: ReplySpec) -> list[str]:
    """What goes to the model after the system prompt."""
    return [message.content for message in spec.request.messages[1:]]


def system(spec: ReplySpec) -> str:
    """The system prompt."""
    return spec.request.messages[0].content
